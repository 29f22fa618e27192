// Bad files on disk: exit 65, a message that names the file and the fault, and nothing written.

import Foundation
import Testing

/// A workload whose parts a case replaces.
private func workload(
  name: String = #""w""#, model: String = #""llama-3.1-8b""#, systems: String = #"["nixl"]"#,
  rack: String = #"{"preset": "h100-rack"}"#,
  traffic: String = """
  {"kind": "static", "input_tokens": 100, "output_tokens": 3,
      "arrivals": {"process": "poisson", "rate_rps": 1}}
  """,
  stop: String = #"{"requests": 4}"#, more: String = ""
) -> String {
  """
  {
    "name": \(name),
    "model": \(model),
    "systems": \(systems),
    "rack": \(rack),
    "traffic": \(traffic),
    "stop": \(stop)\(more)
  }
  """
}

/// A bad file, and what its message must say.
struct BadFile: CustomTestStringConvertible, Sendable {
  var title: String
  var text: String
  var fragments: [String]

  init(_ title: String, _ text: String, _ fragments: String...) {
    self.title = title
    self.text = text
    self.fragments = fragments
  }

  var testDescription: String { title }
}

private let badWorkloads = [
  BadFile("empty", "", "bad.json:1", "not valid JSON"),
  BadFile("truncated", String(workload().prefix(60)), "bad.json:4", "not valid JSON"),
  BadFile("two values", workload() + "{}", "not valid JSON"),
  BadFile("NaN", workload(more: #", "seed": NaN"#), "bad.json:8", "not valid JSON"),
  BadFile("duplicate key", workload(more: #", "model": "x""#), "stands twice"),
  BadFile("not an object", "[1, 2]", "expected an object"),
  BadFile("no name", #"{"model": "llama-3.1-8b"}"#, "$.name", "is missing"),
  BadFile("empty name", workload(name: #""""#), "$.name", "is empty"),
  BadFile("name with a slash", workload(name: #""../x""#), "$.name", "must not contain"),
  BadFile("wrong type", workload(model: "8"), "bad.json:3", "$.model", "expected a string"),
  BadFile("wrong type of a part", workload(rack: "7"), "bad.json:5", "expected an object"),
  BadFile("unknown model", workload(model: #""gpt-9""#), "the catalogue has", "llama-3.1-8b"),
  BadFile("unknown key", workload(more: #", "sytems": []"#), "did you mean \"systems\""),
  BadFile("no systems", workload(systems: "[]"), "$.systems", "at least one"),
  BadFile("unknown system", workload(systems: #"["ucx"]"#), "there are aggregated"),
  BadFile("duplicate system", workload(systems: #"["nixl", "nixl"]"#), "stands there already"),
  BadFile(
    "unknown parameter", workload(systems: #"[{"base": "nixl", "launch": 3}]"#),
    "did you mean \"launch_ms\""),
  BadFile("negative seed", workload(more: #", "seed": -1"#), "$.seed", "out of range"),
  BadFile(
    "negative rate",
    workload(
      traffic: """
        {"kind": "static", "input_tokens": 1, "output_tokens": 1,
            "arrivals": {"process": "poisson", "rate_rps": -2}}
        """), "bad.json:7", "rate_rps", "above 0"),
  BadFile(
    "fraction of a token",
    workload(
      traffic: """
        {"kind": "static", "input_tokens": 1.5, "output_tokens": 1,
            "arrivals": {"process": "poisson", "rate_rps": 2}}
        """), "input_tokens", "whole number"),
  BadFile("no traffic kind", workload(traffic: #"{"kind": "burst"}"#), "allowed are \"static\""),
  BadFile(
    "no arrivals",
    workload(
      traffic: #"{"kind": "static", "input_tokens": 1, "output_tokens": 1}"#), "arrivals",
    "is missing"),
  BadFile("no end", workload(stop: "{}"), "$.stop.requests", "only a trace ends by itself"),
  BadFile(
    "only warm-up", workload(stop: #"{"requests": 5, "warmup_requests": 5}"#), "leaves none"),
  BadFile("model too large", workload(model: #""llama-3.1-405b""#), "cannot hold", "use more"),
  BadFile(
    "unmeasured ranks", workload(rack: #"{"prefill": {"tensor_parallel": 5}}"#), "allowed are 1"),
  BadFile(
    "cache beyond the pool", workload(systems: #"[{"base": "tract", "cache_gib": 9999}]"#),
    "cache_gib", "more than the CXL pool holds"),
  BadFile(
    "pool without a block", workload(systems: #"[{"base": "tract", "cache_gib": 0.001}]"#),
    "bad.json: $.systems: tract: cache_gib", "use a larger pool"),
  BadFile(
    "pool without a chunk for each",
    workload(systems: #"[{"base": "tract", "cache_gib": 0.2}]"#), "prefill workers need one each"),
  BadFile("infinite", workload(rack: #"{"cxl": {"latency_ns": 1e400}}"#), "not valid JSON"),
  BadFile(
    "unknown fault", workload(more: #", "faults": [{"kind": "crash"}]"#), "$.faults[0].kind",
    "allowed are \"node_crash\""),
  BadFile(
    "absent trace", workload(traffic: #"{"kind": "trace", "file": "nowhere.jsonl"}"#),
    "nowhere.jsonl", "no such file"),
]

private let line = #"{"timestamp": 0, "input_length": 600, "output_length": 3, "hash_ids": [1, 2]}"#

private let badTraces = [
  BadFile("empty trace", "", "holds no requests"),
  BadFile("blank trace", "\n\n \n", "holds no requests"),
  BadFile("truncated line", line + "\n" + line.prefix(30), "trace.jsonl:2", "not valid JSON"),
  BadFile("no known format", "timestamp,input\n0,600\n", "trace.jsonl:1", "in no known format"),
  BadFile("not an object", line + "\n[1]\n", "trace.jsonl:2", "expected an object"),
  BadFile(
    "unsorted", line.replacing(": 0,", with: ": 50,") + "\n" + line, "trace.jsonl:2",
    "sort the trace"),
  BadFile("no timestamp", line.replacing("timestamp", with: "time"), "$.timestamp"),
  BadFile("negative timestamp", line.replacing(": 0", with: ": -5"), "$.timestamp", "0 or more"),
  BadFile("no length", line.replacing("input_length", with: "inputs"), "$.input_length", "missing"),
  BadFile("no output", line.replacing(": 3", with: ": 0"), "$.output_length", "from 1 to"),
  BadFile("fraction", line.replacing("600", with: "600.5"), "$.input_length", "whole number"),
  BadFile("no ids", line.replacing("hash_ids", with: "ids"), "$.hash_ids", "missing"),
  BadFile("too few ids", line.replacing("[1, 2]", with: "[1]"), "1 ids for 600 tokens", "need 2"),
  BadFile("negative id", line.replacing("[1, 2]", with: "[1, -2]"), "$.hash_ids", "0 or more"),
  BadFile("text id", line.replacing("[1, 2]", with: "[1, \"2\"]"), "$.hash_ids", "whole numbers"),
]

@Suite struct MalformedFileTests {
  /// Runs a file with an output folder; nothing of it may come into being.
  private func refuse(_ path: String, in scratch: Scratch, _ fragments: [String]) throws {
    let before = try scratch.names
    let result = try Command.sim("run", path, "--output", scratch.file("out"))
    #expect(result.status == 65, "\(result.error)")
    #expect(result.output.isEmpty)
    for fragment in fragments {
      #expect(result.error.contains(fragment), "\(fragment) is not in: \(result.error)")
    }
    #expect(try scratch.names == before)
  }

  @Test(arguments: badWorkloads) func workloadIsRefused(_ bad: BadFile) throws {
    let scratch = try Scratch()
    try refuse(try scratch.write("bad.json", bad.text), in: scratch, bad.fragments)
  }

  @Test(arguments: badTraces) func traceIsRefused(_ bad: BadFile) throws {
    let scratch = try Scratch()
    _ = try scratch.write("trace.jsonl", bad.text)
    let path = try scratch.write(
      "w.json", workload(traffic: #"{"kind": "trace", "file": "trace.jsonl"}"#, stop: "{}"))
    try refuse(path, in: scratch, bad.fragments + ["trace.jsonl"])
  }

  @Test(arguments: ["xz", "gz"]) func brokenCompressionIsRefused(_ suffix: String) throws {
    let scratch = try Scratch()
    _ = try scratch.write("trace.jsonl.\(suffix)", line)
    let path = try scratch.write(
      "w.json",
      workload(traffic: #"{"kind": "trace", "file": "trace.jsonl.\#(suffix)"}"#, stop: "{}"))
    try refuse(path, in: scratch, ["trace.jsonl.\(suffix)", "truncated or not in its format"])
  }

  /// A few kilobytes that become a line without end: read up to the limit of a line, and no further.
  @Test(arguments: ["gz", "xz"]) func bombsAreRefused(_ suffix: String) throws {
    let scratch = try Scratch()
    let bomb = scratch.file("trace.jsonl.\(suffix)")
    let packer = suffix == "gz" ? "gzip -1" : "xz -0"
    let shell = try Process.run(
      URL(fileURLWithPath: "/bin/sh"),
      arguments: ["-c", "head -c 300000000 /dev/zero | \(packer) > \(bomb)"])
    shell.waitUntilExit()
    let path = try scratch.write(
      "w.json",
      workload(traffic: #"{"kind": "trace", "file": "trace.jsonl.\#(suffix)"}"#, stop: "{}"))
    try refuse(path, in: scratch, ["longer than 64 MiB"])
  }

  @Test func absentWorkloadIsRefused() throws {
    let scratch = try Scratch()
    try refuse(scratch.file("absent.json"), in: scratch, ["absent.json", "no such file"])
  }

  @Test func theGoodOnesAreGood() throws {
    let scratch = try Scratch()
    let plain = try scratch.write("good.json", workload())
    _ = try scratch.write("trace.jsonl", line + "\n" + line.replacing(": 0", with: ": 9"))
    let traced = try scratch.write(
      "traced.json", workload(traffic: #"{"kind": "trace", "file": "trace.jsonl"}"#, stop: "{}"))
    let result = try Command.sim("validate", plain, traced)
    #expect(result.status == 0, "\(result.error)")
    let run = try Command.sim("run", traced)
    #expect(run.status == 0, "\(run.error)")
  }

  /// A trace is not only refused by `run`.
  @Test func validateReadsTheTraceToo() throws {
    let scratch = try Scratch()
    _ = try scratch.write("trace.jsonl", "{}")
    let path = try scratch.write(
      "w.json", workload(traffic: #"{"kind": "trace", "file": "trace.jsonl"}"#, stop: "{}"))
    let result = try Command.sim("validate", path)
    #expect(result.status == 65)
    #expect(result.error.contains("trace.jsonl:1"))
  }
}
