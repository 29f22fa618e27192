// Runs in which alike steps are one event give the bytes of runs in which each is one.

import Foundation
import Report
import Serving
import Testing
import Workload

/// Compares both runs of a workload; returns by how much the events are fewer.
private func compare(_ workload: Workload, _ name: Comment) throws -> Double {
  let fused = try Comparison(workload, jobs: 1)
  let exact = try Comparison(workload, jobs: 1, exactSteps: true)
  // Not the texts themselves: a failed expectation would print them.
  let same = [
    ReportFiles.json(fused).text(indented: true) == ReportFiles.json(exact).text(indented: true),
    ReportFiles.requests(fused) == ReportFiles.requests(exact),
    ReportFiles.series(fused) == ReportFiles.series(exact),
  ]
  #expect(same == [true, true, true], name)
  #expect(fused.violations == [], name)
  func events(_ comparison: Comparison) -> Int { comparison.runs.reduce(0) { $0 + $1.events } }
  return Double(events(exact)) / Double(events(fused))
}

@Suite struct ExactStepsTests {
  static let files: [String] = {
    let folder =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().path + "/Workloads"
    return ["ci", "examples", "paper"].flatMap { room in
      ((try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(room)")) ?? []).sorted()
        .filter { $0.hasSuffix(".json") }.map { "\(folder)/\(room)/\($0)" }
    }
  }()

  /// Every workload that we ship; of the long ones the first requests. Traces, which are not ours, are
  /// replaced by prompts of the same kind.
  @Test(arguments: files) func examples(file: String) throws {
    var overrides = ["series_interval_ms=250"]
    if ["conversation.json", "rack.json"].contains(where: { file.hasSuffix("/" + $0) }) {
      overrides.append(
        "traffic={\"kind\":\"synthetic\",\"input_tokens\":8000,\"input_tokens_std\":6000,"
          + "\"output_tokens\":350,\"output_tokens_std\":200,\"unique_tokens\":3000,"
          + "\"prefix_groups\":40,\"arrivals\":{\"process\":\"poisson\",\"rate_rps\":6}}")
      overrides.append("stop.requests=300")
    }
    var workload = try WorkloadFile.load(
      path: file, overrides: overrides.compactMap { WorkloadFile.Override($0) })
    if let requests = workload.stop.requests { workload.stop.requests = min(requests, 400) }
    _ = try compare(workload, Comment(rawValue: file))
  }

  /// Ten workloads a case, seeds beside those of `lawsHold`; every other one with a fault.
  @Test(arguments: 0..<20) func randomWorkloads(batch: Int) throws {
    for seed in UInt64(1000 + 10 * batch)..<UInt64(1010 + 10 * batch) {
      let text = RandomWorkload.text(seed: seed, faults: seed % 2 == 0)
      let workload = try WorkloadFile.decode(
        Array(text.utf8), name: "seed \(seed)", folder: "",
        overrides: [WorkloadFile.Override("series_interval_ms=50")!])
      _ = try compare(workload, "seed \(seed)")
    }
  }

  /// Contexts that grow past a window, under and over the GPUs' limit of power, and a pipeline.
  @Test(arguments: [
    "rack.decode.power={\"idle_w\":50,\"compute_w\":270,\"memory_w\":270,\"limit_w\":280}",
    "rack.decode.power={\"idle_w\":50,\"compute_w\":300,\"memory_w\":300,\"limit_w\":1000}",
    "rack.decode.pipeline_parallel=2",
  ]) func windows(override: String) throws {
    let text = """
      {"name": "windows", "model": "gpt-oss-120b", "rack": {"preset": "h100-rack",
       "prefill": {"count": 1, "tensor_parallel": 4}, "decode": {"count": 1, "tensor_parallel": 4}},
       "systems": ["nixl", "tract", "aggregated"], "traffic": {"kind": "static",
       "input_tokens": 60, "output_tokens": 200,
       "arrivals": {"process": "poisson", "rate_rps": 2}}, "stop": {"requests": 60}}
      """
    let workload = try WorkloadFile.decode(
      Array(text.utf8), name: "windows", folder: "",
      overrides: ["series_interval_ms=100", override].compactMap { WorkloadFile.Override($0) })
    _ = try compare(workload, Comment(rawValue: override))
  }

  /// Long answers in quiet are where alike steps follow each other.
  @Test func quietDecodesAreFewEvents() throws {
    let text = """
      {"name": "quiet", "model": "llama-3.1-8b", "rack": {"preset": "h100-rack"},
       "systems": ["nixl"], "traffic": {"kind": "static", "input_tokens": 1000,
       "output_tokens": 1000, "arrivals": {"process": "poisson", "rate_rps": 0.5}},
       "stop": {"requests": 50}}
      """
    let workload = try WorkloadFile.decode(Array(text.utf8), name: "quiet", folder: "")
    #expect(try compare(workload, "quiet") > 50)
  }
}
