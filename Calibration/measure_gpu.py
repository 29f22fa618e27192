#!/usr/bin/env python3
# Measures step times of a model on one GPU, and copies between it and its host.
"""Writes two tables:

* steps.csv, in the columns that `tract-sim calibrate` and a workload's `step_times` read:
  kind,tokens,cached,sequences,context_tokens,milliseconds
* copies.csv: direction,memory,block_bytes,blocks,milliseconds,gigabytes_per_second

The model has the shape of Llama-3.1-8B (or the one given) and random weights; values do not matter
to the time of a step, shapes do. Times are medians of CUDA events after a warm-up. Decode and mixed
steps are captured as CUDA graphs, as serving engines do; prefill runs eagerly. Nothing of an engine
is in them: no scheduler, no sampling beyond an argmax, no tokeniser.

`--dry-run` prints what would be measured and needs neither PyTorch nor a GPU.
"""
import argparse
import itertools
import mmap
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass

STEP_COLUMNS = "kind,tokens,cached,sequences,context_tokens,milliseconds"
COPY_COLUMNS = "direction,memory,block_bytes,blocks,milliseconds,gigabytes_per_second"
HOST_REGISTER_DEFAULT = 0


@dataclass(frozen=True)
class Shape:
    """A dense decoder-only transformer with grouped-query attention."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dimension: int
    feed_forward: int
    vocabulary: int

    @property
    def kv_bytes_per_token(self):
        return 2 * self.layers * self.kv_heads * self.head_dimension * 2


@dataclass(frozen=True)
class Step:
    """One step to measure; the fields are the columns of steps.csv."""

    kind: str
    tokens: int = 0
    cached: int = 0
    sequences: int = 0
    context: int = 0

    def kv_tokens(self):
        return self.tokens + self.cached + self.sequences * self.context


@dataclass(frozen=True)
class Copy:
    """One copy to measure: `blocks` blocks of `block_bytes`, in one direction or both at once."""

    direction: str
    memory: str
    block_bytes: int
    blocks: int


# What to measure


def numbers(text, lowest):
    """A list of whole numbers, separated by commas."""
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or min(values) < lowest:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers from {lowest} on, separated by commas, found '{text}'"
        )
    return values


def counts(text):
    return numbers(text, 0)


def sizes(text):
    return numbers(text, 1)


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", default=".", help="folder for steps.csv and copies.csv")
    parser.add_argument("--dry-run", action="store_true", help="print the plan, measure nothing")
    parser.add_argument("--skip", choices=["steps", "copies"], help="leave one table out")
    parser.add_argument("--device", type=int, default=0, help="index of the CUDA device")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=5, help="runs before those that count")
    parser.add_argument("--repeats", type=int, default=21, help="runs whose median counts")
    steps = parser.add_argument_group("steps")
    steps.add_argument("--tokens", type=sizes, default="16,64,256,512,1024,2048,4096,8192")
    steps.add_argument("--cached", type=counts, default="0,1024,4096,16384")
    steps.add_argument("--batches", type=sizes, default="1,4,16,32,64,128,256")
    steps.add_argument("--contexts", type=sizes, default="128,1024,4096,16384")
    steps.add_argument("--mixed-tokens", type=sizes, default="128,512,2048")
    steps.add_argument("--mixed-batches", type=sizes, default="8,64")
    for name, value in [
        ("layers", 32), ("hidden", 4096), ("heads", 32), ("kv-heads", 8),
        ("head-dimension", 128), ("feed-forward", 14336), ("vocabulary", 128256),
    ]:
        steps.add_argument(f"--{name}", type=int, default=value, help="the model's shape")
    copies = parser.add_argument_group("copies")
    copies.add_argument("--block-bytes", type=sizes, default="4096,65536,1048576,16777216")
    copies.add_argument("--blocks", type=sizes, default="1,16,256")
    copies.add_argument("--copy-limit", type=int, default=1 << 30, help="bytes of a copy at most")
    options = parser.parse_args(arguments)
    if options.repeats < 1 or options.warmup < 0:
        parser.error("--repeats must be at least 1, --warmup at least 0")
    if min(options.layers, options.hidden, options.heads, options.kv_heads) < 1:
        parser.error("the model's shape must be positive")
    if options.heads % options.kv_heads:
        parser.error("--heads must be a multiple of --kv-heads")
    return options


def shape(options):
    return Shape(
        options.layers, options.hidden, options.heads, options.kv_heads, options.head_dimension,
        options.feed_forward, options.vocabulary,
    )


def step_plan(options):
    prefill = [
        Step("prefill", tokens=tokens, cached=cached)
        for tokens, cached in itertools.product(options.tokens, options.cached)
    ]
    decode = [
        Step("decode", sequences=batch, context=context)
        for batch, context in itertools.product(options.batches, options.contexts)
    ]
    # Only these tell the linear kernels' fixed time from the attention's.
    mixed = [
        Step("mixed", tokens=tokens, cached=0, sequences=batch, context=1024)
        for tokens, batch in itertools.product(options.mixed_tokens, options.mixed_batches)
    ]
    return prefill + decode + mixed


def copy_plan(options):
    return [
        Copy(direction, memory, block, blocks)
        for direction in ["host_to_gpu", "gpu_to_host", "both"]
        for memory in ["pageable", "pinned", "registered_shared"]
        for block, blocks in itertools.product(options.block_bytes, options.blocks)
        if block * blocks <= options.copy_limit
    ]


def describe(options, steps, copies):
    model = shape(options)
    print(f"model {model}, {model.kv_bytes_per_token} bytes of KV a token")
    print(f"seed {options.seed}, {options.warmup} warm-up runs, median of {options.repeats}")
    for step in steps:
        print(
            f"{step.kind},{step.tokens},{step.cached},{step.sequences},{step.context}"
            f"  KV {step.kv_tokens() * model.kv_bytes_per_token / 1e9:.2f} GB"
        )
    for copy in copies:
        print(f"{copy.direction},{copy.memory},{copy.block_bytes},{copy.blocks}")
    print(f"{len(steps)} steps, {len(copies)} copies")


def write(path, comments, columns, rows):
    """Whole or not at all: a reader never sees half a table."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".measure-", suffix=".csv")
    try:
        with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
            for comment in comments:
                file.write(f"# {comment}\n")
            file.write(columns + "\n")
            for row in rows:
                file.write(",".join(str(cell) for cell in row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    print(f"wrote {path}: {len(rows)} rows")


# Measuring


def median_ms(torch, run, options):
    """Median time of `run` on the current stream, milliseconds."""
    for _ in range(options.warmup):
        run()
    torch.cuda.synchronize()
    times = []
    for _ in range(options.repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


class Model:
    """Random weights of a shape, one set for each layer, and the step over them."""

    def __init__(self, torch, model, device):
        self.torch, self.shape, self.device = torch, model, device
        heads, kv, width = model.heads, model.kv_heads, model.head_dimension

        def weight(rows, columns):
            made = torch.empty(rows, columns, dtype=torch.bfloat16, device=device)
            return made.normal_(std=columns**-0.5)

        self.layers = [
            {
                "qkv": weight((heads + 2 * kv) * width, model.hidden),
                "out": weight(model.hidden, heads * width),
                "gate_up": weight(2 * model.feed_forward, model.hidden),
                "down": weight(model.hidden, model.feed_forward),
            }
            for _ in range(model.layers)
        ]
        self.head = weight(model.vocabulary, model.hidden)
        self.scale = torch.ones(model.hidden, dtype=torch.bfloat16, device=device)

    def cache(self, sequences, tokens):
        """Keys and values of every layer."""
        model = self.shape
        size = (sequences, model.kv_heads, tokens, model.head_dimension)
        return [
            tuple(
                self.torch.empty(size, dtype=self.torch.bfloat16, device=self.device).normal_()
                for _ in range(2)
            )
            for _ in range(model.layers)
        ]

    def rotated(self, x, angles):
        """Rotary embedding of the halves of each head."""
        cos, sin = angles
        first, second = x.chunk(2, dim=-1)
        return self.torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)

    def angles(self, positions):
        width = self.shape.head_dimension // 2
        exponents = self.torch.arange(width, device=self.device) / width
        angle = positions[:, None].float() * 500000.0**-exponents
        return angle.cos().bfloat16()[None, None], angle.sin().bfloat16()[None, None]

    def normed(self, x):
        return self.torch.nn.functional.rms_norm(x, (self.shape.hidden,), self.scale)

    def attention(self, q, k, v, cache, cached):
        """Writes keys and values behind `cached` earlier tokens and attends over all."""
        torch = self.torch
        keys, values = cache
        new = q.shape[2]
        keys[:, :, cached : cached + new] = k
        values[:, :, cached : cached + new] = v
        keys, values = keys[:, :, : cached + new], values[:, :, : cached + new]
        if new == 1:
            mask = None
        elif cached == 0:
            mask = "causal"
        else:
            from torch.nn.attention.bias import causal_lower_right

            mask = causal_lower_right(new, cached + new)
        return torch.nn.functional.scaled_dot_product_attention(
            q, keys, values, attn_mask=None if mask == "causal" else mask,
            is_causal=mask == "causal", enable_gqa=True,
        )

    def step(self, parts):
        """Runs one step; a part is (sequences, new tokens, earlier tokens, cache, angles)."""
        torch, model = self.torch, self.shape
        width = model.head_dimension
        split = [model.heads * width, model.kv_heads * width, model.kv_heads * width]
        lengths = [sequences * new for sequences, new, _, _, _ in parts]
        x = self.input[: sum(lengths)]
        for index, layer in enumerate(self.layers):
            qkv = torch.nn.functional.linear(self.normed(x), layer["qkv"])
            outputs = []
            for (sequences, new, cached, cache, angles), rows in zip(parts, qkv.split(lengths)):
                q, k, v = (
                    part.view(sequences, new, -1, width).transpose(1, 2)
                    for part in rows.split(split, dim=-1)
                )
                out = self.attention(
                    self.rotated(q, angles), self.rotated(k, angles), v, cache[index], cached
                )
                outputs.append(out.transpose(1, 2).reshape(sequences * new, -1))
            joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
            x = x + torch.nn.functional.linear(joined, layer["out"])
            gate, up = torch.nn.functional.linear(self.normed(x), layer["gate_up"]).chunk(2, -1)
            hidden = torch.nn.functional.silu(gate) * up
            x = x + torch.nn.functional.linear(hidden, layer["down"])
        # The last token of each sequence samples.
        last, start = [], 0
        for (sequences, new, _, _, _), length in zip(parts, lengths):
            last.append(x[start + new - 1 : start + length : new])
            start += length
        logits = torch.nn.functional.linear(self.normed(torch.cat(last)), self.head)
        return logits.argmax(-1)

    def measure(self, step, options):
        """Milliseconds of a step."""
        torch = self.torch
        parts = []
        if step.tokens:
            positions = torch.arange(step.cached, step.cached + step.tokens, device=self.device)
            cache = self.cache(1, step.cached + step.tokens)
            parts.append((1, step.tokens, step.cached, cache, self.angles(positions)))
        if step.sequences:
            positions = torch.tensor([step.context - 1], device=self.device)
            cache = self.cache(step.sequences, step.context)
            parts.append((step.sequences, 1, step.context - 1, cache, self.angles(positions)))
        rows = step.tokens + step.sequences
        self.input = torch.empty(
            rows, self.shape.hidden, dtype=torch.bfloat16, device=self.device
        ).normal_()
        if step.kind == "prefill":
            return median_ms(torch, lambda: self.step(parts), options)
        # Kernels choose their workspaces before the capture.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.step(parts)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(parts)
        return median_ms(torch, graph.replay, options)


def measure_steps(torch, steps, options, device):
    torch.manual_seed(options.seed)
    model = Model(torch, shape(options), device)
    rows, left_out = [], []
    with torch.inference_mode():
        for number, step in enumerate(steps, 1):
            cells = [step.kind, step.tokens, step.cached, step.sequences, step.context]
            try:
                milliseconds = model.measure(step, options)
            except torch.cuda.OutOfMemoryError:
                left_out.append(cells)
                print(f"{number}/{len(steps)} {cells}: does not fit", file=sys.stderr)
            else:
                rows.append(cells + [f"{milliseconds:.6f}"])
                print(f"{number}/{len(steps)} {cells}: {milliseconds:.3f} ms", file=sys.stderr)
            torch.cuda.empty_cache()
    return rows, left_out


class SharedBuffer:
    """Memory that other processes can map, registered with CUDA for direct copies."""

    def __init__(self, torch, size):
        self.torch = torch
        self.map = mmap.mmap(-1, size, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        self.tensor = torch.frombuffer(self.map, dtype=torch.uint8)
        self.tensor.zero_()
        self.address = self.tensor.data_ptr()
        status = torch.cuda.cudart().cudaHostRegister(self.address, size, HOST_REGISTER_DEFAULT)
        if int(status) != 0:
            raise RuntimeError(f"cudaHostRegister of {size} bytes fails with status {int(status)}")

    def close(self):
        self.torch.cuda.synchronize()
        self.torch.cuda.cudart().cudaHostUnregister(self.address)


def measure_copy(torch, copy, options, device):
    """Milliseconds of one copy; of both directions at once, until the later one ends."""
    size = copy.block_bytes * copy.blocks
    ways = ["host_to_gpu", "gpu_to_host"] if copy.direction == "both" else [copy.direction]
    buffers, pairs = [], []
    try:
        for way in ways:
            if copy.memory == "pageable":
                host = torch.zeros(size, dtype=torch.uint8)
            elif copy.memory == "pinned":
                host = torch.zeros(size, dtype=torch.uint8).pin_memory()
            else:
                buffers.append(SharedBuffer(torch, size))
                host = buffers[-1].tensor
            gpu = torch.zeros(size, dtype=torch.uint8, device=device)
            blocks = zip(host.split(copy.block_bytes), gpu.split(copy.block_bytes))
            # Blocks of the GPU's side are taken in a shuffled order, as a paged cache has them.
            blocks = list(blocks)
            generator = torch.Generator().manual_seed(options.seed)
            order = torch.randperm(len(blocks), generator=generator)
            matched = [(blocks[i][0], blocks[j][1]) for i, j in enumerate(order.tolist())]
            pairs.append(
                [(g, h) if way == "host_to_gpu" else (h, g) for h, g in matched]
            )
        streams = [torch.cuda.Stream() for _ in ways]

        def run():
            here = torch.cuda.current_stream()
            for stream, pair in zip(streams, pairs):
                stream.wait_stream(here)
                with torch.cuda.stream(stream):
                    for target, source in pair:
                        target.copy_(source, non_blocking=True)
            for stream in streams:
                here.wait_stream(stream)

        return median_ms(torch, run, options), size * len(ways)
    finally:
        for buffer in buffers:
            buffer.close()


def measure_copies(torch, copies, options, device):
    rows = []
    for number, copy in enumerate(copies, 1):
        milliseconds, size = measure_copy(torch, copy, options, device)
        cells = [copy.direction, copy.memory, copy.block_bytes, copy.blocks]
        rows.append(cells + [f"{milliseconds:.6f}", f"{size / milliseconds / 1e6:.4f}"])
        print(f"{number}/{len(copies)} {cells}: {milliseconds:.4f} ms", file=sys.stderr)
    return rows


def main(arguments=None):
    options = parse(arguments)
    steps = [] if options.skip == "steps" else step_plan(options)
    copies = [] if options.skip == "copies" else copy_plan(options)
    if options.dry_run:
        describe(options, steps, copies)
        return 0
    if not os.path.isdir(options.output):
        print(f"error: --output {options.output} is no folder", file=sys.stderr)
        return 73
    try:
        import torch
    except ImportError:
        print("error: PyTorch is not installed; --dry-run works without", file=sys.stderr)
        return 69
    if not torch.cuda.is_available():
        print("error: PyTorch sees no CUDA device; --dry-run works without", file=sys.stderr)
        return 69
    torch.cuda.set_device(options.device)
    device = torch.device("cuda", options.device)
    comments = [
        f"GPU: {torch.cuda.get_device_name(device)}; PyTorch {torch.__version__}, "
        f"CUDA {torch.version.cuda}",
        f"seed {options.seed}, {options.warmup} warm-up runs, median of {options.repeats}",
    ]
    if steps:
        rows, left_out = measure_steps(torch, steps, options, device)
        missing = [f"does not fit into memory: {cells}" for cells in left_out]
        write(
            os.path.join(options.output, "steps.csv"),
            comments + [f"random weights, bf16: {shape(options)}"] + missing, STEP_COLUMNS, rows,
        )
    if copies:
        rows = measure_copies(torch, copies, options, device)
        write(os.path.join(options.output, "copies.csv"), comments, COPY_COLUMNS, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
