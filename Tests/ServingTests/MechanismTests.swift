// Each mechanism can be switched alone, and then changes what it should.

import EventKernel
import Report
import Serving
import Testing
import Workload

/// A mean of one system's requests, milliseconds.
private func mean(
  _ system: String, _ overrides: [String], of figure: (RequestRecord) -> Double
) throws -> Double {
  let set = ["systems=[{\(system)}]", "stop.requests=60", "stop.warmup_requests=0"] + overrides
  let workload = try WorkloadFile.decode(
    Quickstart.bytes, name: "quickstart", folder: "",
    overrides: set.compactMap { WorkloadFile.Override($0) })
  let comparison = try Comparison(workload, jobs: 1)
  #expect(comparison.violations == [])
  let requests = comparison.runs[0].requests
  #expect(requests.allSatisfy { $0.outcome == .completed })
  return requests.reduce(0) { $0 + figure($1) } / Double(requests.count)
}

/// A system with and without a mechanism, and what it costs at least.
private struct Cost: Sendable, CustomTestStringConvertible {
  var base: String
  var with: String
  var without: String
  var milliseconds: Double
  /// Of the workload, in the first and in the second case.
  var extraWith: [String] = []
  var extraWithout: [String] = []

  var testDescription: String { "\(base), \(with) \(extraWith), \(without) \(extraWithout)" }
}

private let mechanismCosts: [Cost] = [
  Cost(base: "nixl", with: "", without: #""launch_ms":0"#, milliseconds: 2.9),
  Cost(
    base: "nixl", with: "", without: "", milliseconds: 5, extraWith: ["rack.nic.gpudirect=false"]),
  Cost(
    base: "nixl", with: #""block_tokens":1"#, without: #""block_tokens":1"#, milliseconds: 100,
    extraWithout: ["rack.rdma_engine.descriptor_ns=0"]),
  Cost(
    base: "lmcache", with: "", without: "", milliseconds: 0.01,
    extraWith: ["rack.pcie.duplex_factor=1"]),
  Cost(
    base: "lmcache", with: #""synchronous_load":true"#,
    without: #""synchronous_load":true,"layerwise":true"#, milliseconds: 2),
  Cost(
    base: "tract", with: #""synchronous_load":true"#,
    without: #""synchronous_load":true,"layerwise":true"#, milliseconds: 2),
  Cost(
    base: "tract", with: #""copy_launch_us":900"#, without: #""copy_launch_us":0"#,
    milliseconds: 5),
  Cost(base: "tract", with: #""ready_wait":"whole_prompt""#, without: "", milliseconds: 1),
  Cost(
    base: "tract-nocache", with: #""ready_wait":"whole_prompt""#, without: "", milliseconds: 5),
]

@Suite struct MechanismTests {
  @Test(arguments: mechanismCosts) private func costs(_ cost: Cost) throws {
    func time(_ switches: String, _ extra: [String]) throws -> Double {
      let system = "\"base\":\"\(cost.base)\",\"name\":\"s\""
      return try mean(
        system + (switches.isEmpty ? "" : "," + switches), ["baseline=s"] + extra
      ) { (($0.firstToken ?? .zero) - $0.arrival).milliseconds }
    }
    let with = try time(cost.with, cost.extraWith)
    let without = try time(cost.without, cost.extraWithout)
    #expect(with - without > cost.milliseconds, "\(with) and \(without)")
  }

  /// Where GPU memory is short, prompts wait for what has left the GPU.
  @Test(arguments: ["nixl", "lmcache", "tract"]) func heldMemoryDelays(base: String) throws {
    func waiting(_ isHeld: Bool) throws -> Double {
      try mean(
        "\"base\":\"\(base)\",\"hold_until_sent\":\(isHeld)",
        [
          "baseline=\(base)", "engine.gpu_memory_utilization=0.4", "traffic.arrivals.rate_rps=3",
        ]
      ) { $0.prefill.scheduling.milliseconds }
    }
    let (held, free) = (try waiting(true), try waiting(false))
    #expect(held > free, "\(held) and \(free)")
  }
}
