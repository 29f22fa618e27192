#!/usr/bin/env python3
"""Prints the catalogue's `all_reduce` section from the tables of aiconfigurator-core.

pip download --no-deps aiconfigurator-core==0.12.0, unzip the wheel, and name the folder that it
unpacks to; needs pandas and pyarrow.
"""

import json
import sys
from pathlib import Path

import pandas

# The newest vLLM whose all-reduce was measured on each GPU.
TABLES = {
    "a100-80-sxm": ("a100_sxm", "0.14.0"),
    "b200-sxm": ("b200_sxm", "0.24.0"),
    "h100-sxm": ("h100_sxm", "0.24.0"),
    "h200-sxm": ("h200_sxm", "0.24.0"),
    "l40s": ("l40s", "0.22.0"),
}
BYTES_OF_AN_ELEMENT = 2  # `message_size` counts elements of bf16


def ranks(folder: Path, system: str, version: str) -> tuple[str, dict]:
    """The version that was measured, and by number of ranks points of [bytes, us]."""
    path = folder / "aiconfigurator_core/systems/data" / system / "comm/vllm" / version
    table = pandas.read_parquet(path / "custom_allreduce_perf.parquet")
    table = table[table.backend == "vllm_graph"].sort_values("message_size")
    points = {
        str(count): [
            [int(size) * BYTES_OF_AN_ELEMENT, round(milliseconds * 1e3, 3)]
            for size, milliseconds in zip(rows.message_size, rows.latency)
        ]
        for count, rows in table.groupby("num_gpus")
    }
    return table.version.iloc[0], points


section = {}
for gpu, (system, version) in TABLES.items():
    measured, points = ranks(Path(sys.argv[1]), system, version)
    section[gpu] = {
        "source": "aic-all-reduce",
        "grade": "measured",
        "note": f"vLLM {measured}, bf16, in a CUDA graph",
        "ranks": points,
    }
print(json.dumps({"all_reduce": section}, indent=1))
