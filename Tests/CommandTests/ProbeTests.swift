// Probes of single components against figures one can compute by hand or look up.

import Foundation
import JSONText
import Testing

/// The number at `path` of a JSON text.
private func number(_ text: String, _ path: String...) throws -> Double {
  var node = try JSONParser.parse(Array(text.utf8))
  for key in path { node = try #require(node[key], "\(key) in \(text)") }
  return try #require(node.value.double)
}

@Suite struct ProbeTests {
  /// Test vectors of the step-time formula, through the command; on four ranks with the measured
  /// all-reduces, 93.778 and 10.480 us, twice in each of 80 layers.
  @Test(arguments: [
    ("h100-sxm", "llama-3.1-8b", "1", 25.1945, 9.5460),
    ("h200-sxm", "llama-3.1-70b", "4", 74.3152, 15.2787),
    ("a100-80-sxm", "llama-3.1-8b", "1", 75.2755, 17.7735),
  ]) func gpu(name: String, model: String, tp: String, prefill: Double, decode: Double) throws {
    let result = try Command.sim(
      "probe", "gpu", "--gpu", name, "--model", model, "--tp", tp, "--prefill", "1024",
      "--cached", "3072", "--decode-batch", "32", "--context", "2048", "--format", "json")
    #expect(abs(try number(result.output, "prefill_ms") / prefill - 1) < 1e-4)
    #expect(abs(try number(result.output, "decode_ms") / decode - 1) < 1e-4)
  }

  @Test func fp8IsFaster() throws {
    func decode(_ type: String) throws -> Double {
      let result = try Command.sim(
        "probe", "gpu", "--gpu", "h100-sxm", "--model", "llama-3.1-8b", "--decode-batch", "32",
        "--context", "2048", "--dtype", type, "--format", "json")
      return try number(result.output, "decode_ms")
    }
    let (bf16, fp8) = (try decode("bf16"), try decode("fp8"))
    #expect(fp8 < 0.7 * bf16 && fp8 > 0.4 * bf16)
  }

  /// A device that is full of bulk reads, and one that writes share.
  @Test func cxl() throws {
    func probe(_ arguments: String...) throws -> String {
      try Command.run("tract-sim", ["probe", "cxl", "--format", "json"] + arguments).output
    }
    let full = try probe("--device", "asic-expander", "--read-gbps", "60")
    #expect(abs(try number(full, "read_gbps") - 48) < 1e-9)
    #expect(abs(try number(full, "latency_ns") - 790.6) < 1e-6)
    let mixed = try probe(
      "--device", "asic-expander", "--read-gbps", "10", "--write-gbps", "30")
    #expect(abs(try number(mixed, "write_share") - 0.75) < 1e-12)
    // The launch, the device's latency, 64 KiB on one device.
    let idle = try probe("--device", "xconn-xc50256")
    #expect(
      abs(try number(idle, "cxl_to_gpu_us") - (9.04 + 0.75 + 65_536 / 22.5e3)) < 1e-5)
  }

  private func store(_ arguments: String...) throws -> String {
    let result = try Command.run("tract-sim", ["probe", "store", "--format", "json"] + arguments)
    #expect(result.status == 0, "\(result.error)")
    return result.output
  }

  /// Twice the same, and another seed moves the samples but not what they mean.
  @Test func storeRepeats() throws {
    let first = try store("--nodes", "8", "--device", "niagara-2.0")
    #expect(try first == store("--nodes", "8", "--device", "niagara-2.0"))
    let other = try store("--nodes", "8", "--device", "niagara2", "--seed", "2")
    #expect(other != first.replacing("niagara-2.0", with: "niagara2"))
    for key in ["handover", "passage", "allocate", "claim", "lookup", "pin"] {
      let ratio =
        try number(first, "ours", key, "mean_us") / number(other, "ours", key, "mean_us")
      // The blocks' hashes are other ones, and with them how far probes go.
      #expect(abs(ratio - 1) < 0.15, "\(key)")
      // Some take the same time each.
      #expect(
        try number(first, "ours", key, "p99_us") > 0.999 * number(first, "ours", key, "mean_us"))
    }
  }

  /// Of a passage the store's waits are known: request and doorbell, half a poll and the scan until
  /// it is seen, the box, the grant, half a poll and the look at it, release and doorbell.
  @Test func storePassageAddsUp() throws {
    let text = try store("--nodes", "2", "--device", "niagara-2.0")
    let (line, poll, pipelined) = (0.640, 1.0, 0.0234)
    let manager = (poll + line) / 2 + (line + pipelined) + line + line
    let node = 2 * line + (poll + line) / 2 + line + 2 * line
    // Grant and node's first look overlap by at most a line each.
    let expected = manager + node
    #expect(abs(try number(text, "ours", "passage", "mean_us") / expected - 1) < 0.25)
  }

  /// Latency follows the loaded link; the paper's manager pays for nodes × locks, the store for nodes.
  @Test func storeFollowsTheLoad() throws {
    func handover(_ nodes: Int, _ load: String, _ manager: String, locks: Int = 19) throws -> Double
    {
      let text = try store(
        "--nodes", "\(nodes)", "--device", "niagara-2.0", "--bulk-load", load, "--locks", "\(locks)"
      )
      return try number(text, manager, "handover", "mean_us")
    }
    #expect(try handover(8, "0.8", "ours") > 1.2 * handover(8, "0", "ours"))
    #expect(try handover(8, "0.8", "paper") > 1.1 * handover(8, "0", "paper"))
    // Two scans of 30 doorbells more at most.
    let more = try handover(32, "0", "ours") - handover(2, "0", "ours")
    #expect(more > 0 && more < 2 * 30 * 0.0234)
    // A whole scan more or less: 19 locks × 32 slots × 23.4 ns.
    let scan = 19 * 32 * 0.0234
    let paper = try handover(32, "0", "paper")
    #expect(paper > 0.8 * scan && paper < 1.5 * scan)
    #expect(try handover(32, "0", "paper", locks: 38) > 1.7 * paper)
    #expect(abs(try handover(32, "0", "ours", locks: 38) / handover(32, "0", "ours") - 1) < 0.05)
  }

  @Test(arguments: ["ours", "paper", "both"]) func storeTable(manager: String) throws {
    let result = try Command.sim(
      "probe", "store", "--nodes", "4", "--device", "niagara-2.0", "--manager", manager)
    #expect(result.output.contains("the store") == (manager != "paper"))
    #expect(result.output.contains("paper-style manager") == (manager != "ours"))
    #expect(result.output.contains("lock handover"))
    #expect(result.output.contains("LookUp") == (manager != "paper"))
  }

  /// Two flows share n3's port; one is alone before and after.
  @Test func fabric() throws {
    let scratch = try Scratch()
    let file = try scratch.write(
      "f.json",
      """
      {"rack": {"hosts": ["n0", "n1", "n2", "n3"], "nic_gbps": 10, "tx_gbps": {"n2": 2},
                "rx_gbps": {}, "latency_s": 2e-6},
       "flows": [{"id": 0, "from": "n0", "to": "n3", "bytes": 1000000000, "start_s": 0.0},
                 {"id": 1, "from": "n1", "to": "n3", "bytes": 250000000, "start_s": 0.05},
                 {"id": 7, "from": "n2", "to": "n0", "bytes": 100000000, "start_s": 0.0}]}
      """)
    let result = try Command.sim("probe", "fabric", file)
    // Alone 0.05 s for 0.5 GB; both at 5 GB/s until 0.10 s; then 0.25 GB alone.
    #expect(abs(try number(result.output, "finish_s", "0") - 0.125002) < 1e-11)
    #expect(abs(try number(result.output, "finish_s", "1") - 0.100002) < 1e-11)
    #expect(abs(try number(result.output, "finish_s", "7") - 0.050002) < 1e-11)
  }

  /// A full port is shared by the bytes outstanding: 7.5 and 2.5 GB/s.
  @Test(arguments: ["\"request_bytes\": 192", "\"outstanding\": 3"])
  func fabricShares(_ larger: String) throws {
    let scratch = try Scratch()
    let file = try scratch.write(
      "f.json",
      """
      {"rack": {"hosts": ["a", "b", "c"], "nic_gbps": 10},
       "flows": [{"id": 0, "from": "a", "to": "c", "bytes": 750000000, \(larger)},
                 {"id": 1, "from": "b", "to": "c", "bytes": 125000000}]}
      """)
    let result = try Command.sim("probe", "fabric", file)
    #expect(abs(try number(result.output, "finish_s", "1") - 0.05) < 1e-11)
    #expect(abs(try number(result.output, "finish_s", "0") - 0.0875) < 1e-11)
  }

  @Test(arguments: [
    ("{", "not valid JSON"), (#"{"flows": []}"#, "hosts"),
    (#"{"rack": {"hosts": ["a", "a"], "nic_gbps": 1}, "flows": []}"#, "stands twice"),
    (#"{"rack": {"hosts": ["a"], "nic_gbps": -1}, "flows": []}"#, "above 0"),
    (
      #"{"rack": {"hosts": ["a"], "nic_gbps": 1}, "flows": [{"id": 0, "from": "a", "to": "b", "bytes": 1}]}"#,
      "unknown host"
    ),
  ]) func badFabric(text: String, fragment: String) throws {
    let scratch = try Scratch()
    let result = try Command.sim("probe", "fabric", try scratch.write("f.json", text))
    #expect(result.status == 65)
    #expect(result.error.contains("f.json") && result.error.contains(fragment), "\(result.error)")
  }

  /// Three prompts of which one repeats a prefix: 2 of 8 blocks, 1024 of 3200 tokens.
  @Test(arguments: ["", ".gz"]) func trace(_ suffix: String) throws {
    let scratch = try Scratch()
    let file = try scratch.write(
      "t.jsonl",
      """
      {"timestamp": 0, "input_length": 1100, "output_length": 3, "hash_ids": [1, 2, 3]}
      {"timestamp": 1000, "input_length": 500, "output_length": 4, "hash_ids": [9]}
      {"created_time": 4000, "input_tokens": 1600, "output_tokens": 5, "hash_ids": [1, 2, 4, 5]}
      """)
    if suffix == ".gz" {
      let gzip = try Process.run(
        URL(fileURLWithPath: "/usr/bin/env"), arguments: ["gzip", file])
      gzip.waitUntilExit()
    }
    let result = try Command.sim("probe", "trace", file + suffix, "--format", "json")
    #expect(result.status == 0, "\(result.error)")
    #expect(try number(result.output, "requests") == 3)
    #expect(try number(result.output, "duration_s") == 4)
    #expect(abs(try number(result.output, "hit_ratio_infinite", "token") - 1024.0 / 3200) < 1e-12)
    #expect(abs(try number(result.output, "hit_ratio_infinite", "block") - 2.0 / 8) < 1e-12)
  }

  /// Mooncake's conversation trace, where somebody has put it beside the package.
  private static let conversation = [
    ProcessInfo.processInfo.environment["TRACT_TRACES"],
    Command.package.deletingLastPathComponent().appendingPathComponent("shared/traces").path,
  ].compactMap { $0 }.map { "\($0)/mooncake_conversation_trace.jsonl.xz" }
    .first { FileManager.default.fileExists(atPath: $0) }

  @Test(.enabled(if: conversation != nil, "the trace is not part of the project"))
  func conversationTrace() throws {
    let path = try #require(Self.conversation)
    let result = try Command.sim("probe", "trace", path, "--format", "json")
    #expect(try number(result.output, "requests") == 12_031)
    #expect(abs(try number(result.output, "hit_ratio_infinite", "token") - 0.374) < 0.001)
    #expect(abs(try number(result.output, "hit_ratio_infinite", "block") - 0.366) < 0.001)
    for (nodes, expected) in [("2", 0.273), ("4", 0.193), ("8", 0.135)] {
      let ratio = try number(result.output, "hit_ratio_by_nodes", nodes, "token")
      #expect(abs(ratio - expected) < 0.01, "\(nodes) nodes")
    }
  }
}
