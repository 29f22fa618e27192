// Closed loops and sessions: who arrives when others end.

import EventKernel
import Foundation
import Report
import Serving
import Testing
import Workload

private func comparison(_ overrides: [String]) throws -> Comparison {
  let workload = try WorkloadFile.decode(
    Quickstart.bytes, name: "quickstart", folder: "",
    overrides: (["stop.requests=80", "stop.warmup_requests=0"] + overrides).compactMap {
      WorkloadFile.Override($0)
    })
  let comparison = try Comparison(workload, jobs: 1)
  #expect(comparison.violations == [])
  return comparison
}

/// Requests in the system at once, at most.
private func mostAtOnce(_ records: [RequestRecord]) -> Int {
  let changes =
    records.map { ($0.arrival, 1) }
    + records.compactMap { record in record.finished.map { ($0, -1) } }
  var (present, most) = (0, 0)
  for (_, change) in changes.sorted(by: { ($0.0, $0.1) < ($1.0, $1.1) }) {
    present += change
    most = max(most, present)
  }
  return most
}

@Test(arguments: [0.0, 5.0]) func usersHaveOneRequestAtATime(_ think: Double) throws {
  let comparison = try comparison([
    "traffic.arrivals={\"process\":\"closed_loop\",\"concurrency\":4,\"think_time_s\":\(think)}",
    "stop.requests=300",
  ])
  for run in comparison.runs {
    #expect(run.requests.allSatisfy { $0.outcome == .completed })
    #expect(mostAtOnce(run.requests) <= 4)
    // The interactive response time law, N = X (R + Z), up to the run's end.
    let stream = try RequestStream.generate(for: comparison.workload)
    let pause = stream.requests.reduce(0) { $0 + $1.pause.seconds } / Double(run.requests.count)
    let span = run.end.seconds
    let rate = Double(run.requests.count) / span
    let residence =
      run.requests.reduce(0) { $0 + (($1.finished ?? .zero) - $1.arrival).seconds }
      / Double(run.requests.count)
    #expect(abs(rate * (residence + pause) / 4 - 1) < 0.1, "\(run.system.name)")
  }
}

/// Each turn comes its pause after the end of the one before, to the picosecond, in every system.
@Test(arguments: [
  "{\"process\":\"sessions\",\"rate_rps\":0.2}", "{\"process\":\"sessions\",\"concurrency\":3}",
  "{\"process\":\"sessions\",\"concurrency\":2,\"think_time_s\":1}",
]) func turnsFollowEnds(_ arrivals: String) throws {
  let overrides = [
    "rack={\"preset\":\"h100-rack\"}", "systems=[\"nixl\",\"tract\",\"aggregated\"]",
    "traffic={\"kind\":\"sessions\",\"model\":\"agentic-code\",\"arrivals\":\(arrivals)}",
  ]
  let comparison = try comparison(overrides)
  let stream = try RequestStream.generate(for: comparison.workload)
  #expect(stream.requests.contains { $0.follows != nil })
  for run in comparison.runs {
    for (request, record) in zip(stream.requests, run.requests) {
      guard let before = request.follows else { continue }
      let end = try #require(run.requests[Int(before)].finished)
      #expect(record.arrival == end + request.pause)
    }
    if let users = stream.concurrency { #expect(mostAtOnce(run.requests) <= users) }
  }
}

/// A turn whose request fails does not end the session.
@Test func sessionsGoOnAfterFailures() throws {
  let comparison = try comparison([
    "systems=[\"nixl\"]", "baseline=nixl", "engine.gpu_memory_utilization=0.45",
    "traffic={\"kind\":\"sessions\",\"model\":\"agentic-code\",\"arrivals\":"
      + "{\"process\":\"sessions\",\"concurrency\":2}}",
  ])
  let run = comparison.runs[0]
  // Prompts of coding agents do not all fit into 5 GB.
  #expect(run.requests.contains { $0.outcome != .completed })
  #expect(run.requests.allSatisfy { $0.finished != nil })
}

/// What lasts beyond virtual time is given up, not a crash.
@Test(arguments: ["rack.nic.tx_gbps=1e-9", "rack.cxl.latency_ns=1e6"])
func endlessRunsEnd(_ override: String) throws {
  let comparison = try comparison([
    "systems=[\"nixl\",\"tract\",\"lmcache\",\"beluga\"]", "stop.requests=3", override,
  ])
  let outcomes = comparison.runs.flatMap(\.requests).map(\.outcome)
  if override.contains("nic") {
    #expect(outcomes.contains { "\($0)".contains("the run lasts longer") })
  }
}
