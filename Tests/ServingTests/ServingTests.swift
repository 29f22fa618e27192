// Whole runs: every system conserves what it must, and repeats itself exactly.

import EventKernel
import Report
import Serving
import Testing
import Workload

private func workload(_ overrides: [String]) throws -> Workload {
  try WorkloadFile.decode(
    Quickstart.bytes, name: "quickstart", folder: "",
    overrides: (["stop.requests=60", "stop.warmup_requests=0"] + overrides).compactMap {
      WorkloadFile.Override($0)
    })
}

private let everySystem =
  "systems=[\"nixl\",\"lmcache\",\"tract-nocache\",\"tract\",\"ideal\",\"aggregated\"]"

@Test func everySystemConserves() throws {
  let comparison = try Comparison(try workload([everySystem]), jobs: 2)
  #expect(comparison.violations == [])
  for run in comparison.runs {
    #expect(run.requests.allSatisfy { $0.outcome == .completed }, "\(run.system.name)")
  }
}

@Test func jobsDoNotChangeTheReport() throws {
  let workload = try workload([everySystem])
  let one = try Comparison(workload, jobs: 1)
  let two = try Comparison(workload, jobs: 2)
  #expect(ReportFiles.requests(one) == ReportFiles.requests(two))
  #expect(
    ReportFiles.json(one).text(indented: true) == ReportFiles.json(two).text(indented: true))
}

/// A small CXL pool and little GPU memory: eviction, waiting for space and preemption all happen,
/// and everything still ends.
@Test func scarcityOnlyDelays() throws {
  let comparison = try Comparison(
    try workload([
      "systems=[\"tract\",\"lmcache\"]", "baseline=tract", "systems.0.cache_gib=2",
      "systems.1.cache_gib=2", "engine.gpu_memory_utilization=0.45",
      "traffic.arrivals.rate_rps=4",
    ]), jobs: 2)
  #expect(comparison.violations == [])
  let store = try #require(comparison.runs[0].store)
  #expect(store.evictions > 0)
  #expect(comparison.runs.allSatisfy { $0.requests.allSatisfy { $0.outcome == .completed } })
}

/// M/D/1 through the whole serving path: one prefill worker, one request a step.
@Test(arguments: [0.5, 0.8]) func prefillStageIsMD1(load: Double) throws {
  func run(_ rate: Double, _ requests: Int) throws -> RunResult {
    let workload = try workload([
      "systems=[\"ideal\"]", "baseline=ideal", "stop.requests=\(requests)",
      "traffic={\"kind\":\"static\",\"input_tokens\":6000,\"output_tokens\":1,"
        + "\"arrivals\":{\"process\":\"poisson\",\"rate_rps\":\(rate)}}",
      "engine.max_batched_tokens=6000",
    ])
    return try Comparison(workload, jobs: 1).runs[0]
  }
  let alone = try #require(try run(0.001, 1).requests.first)
  let service = try #require(alone.prefillDone).seconds - alone.arrival.seconds
  let records = try run(load / service, 20_000).requests
  let waits = records.map { $0.prefill.scheduling.seconds }
  let batches = stride(from: 1000, to: 20_000, by: 1000).map {
    Statistics.mean(Array(waits[$0..<$0 + 1000]))
  }
  let expected = load * service / (2 * (1 - load))
  let error = abs(Statistics.mean(batches) - expected)
  #expect(error < 1.5 * Statistics.confidenceHalfWidth(batches, level: 0.99))
}
