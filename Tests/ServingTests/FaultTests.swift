// Faults: what each kind costs in a case one can compute, and that the laws hold in all others.

import EventKernel
import Foundation
import Report
import Serving
import Testing
import Workload

private func workload(_ overrides: [String]) throws -> Workload {
  try WorkloadFile.decode(
    Quickstart.bytes, name: "quickstart", folder: "",
    overrides: (["stop.warmup_requests=0"] + overrides).compactMap { WorkloadFile.Override($0) })
}

/// A run of one system, given by name or as an object named "s".
private func run(
  _ system: String, _ overrides: [String], faults: String = "[]"
) throws -> Comparison {
  let isObject = system.hasPrefix("{")
  let comparison = try Comparison(
    try workload(
      ["systems=[\(isObject ? system : "\"\(system)\"")]", "baseline=\(isObject ? "s" : system)"]
        + overrides + ["faults=\(faults)"]), jobs: 1)
  #expect(comparison.violations == [])
  return comparison
}

/// One request of 6000 tokens, alone.
private let single = [
  "stop.requests=1",
  "traffic={\"kind\":\"static\",\"input_tokens\":6000,\"output_tokens\":4,"
    + "\"arrivals\":{\"process\":\"deterministic\",\"rate_rps\":1}}",
]

private func seconds(_ time: SimTime?) throws -> Double { try #require(time).seconds }

@Suite struct LinkFaultTests {
  /// A link that fails in the middle of the only transfer delays it by just as long.
  @Test(arguments: [
    ("nixl", "\"link\":\"nic\",\"worker\":0"), ("nixl", "\"link\":\"nic\",\"worker\":1"),
    ("nixl", "\"link\":\"pcie\",\"worker\":1"), ("tract-nocache", "\"link\":\"cxl\""),
    ("tract", "\"link\":\"cxl\""), ("tract", "\"link\":\"pcie\",\"worker\":1"),
  ]) func aFailedLinkDelays(system: String, link: String) throws {
    let plain = try run(system, single).runs[0].requests[0]
    let begin = try seconds(plain.prefillDone)
    let middle = begin + 0.2 * (try seconds(plain.firstToken) - begin)
    let faulty = try run(
      system, single, faults: "[{\"kind\":\"link_down\",\(link),\"at_s\":\(middle),\"for_s\":3}]")
    let delay =
      try seconds(faulty.runs[0].requests[0].finished) - seconds(plain.finished)
    // Reads and writes of several batches overlap in other ways afterwards.
    #expect(abs(delay - 3) < (system == "nixl" ? 1e-9 : 0.1), "\(delay)")
    #expect(faulty.metrics[0]["requests_recomputed"] == 0)
  }

  /// An adapter that is cut off for longer than a lease is not declared dead.
  @Test func aNodeThatIsCutOffIsNotShot() throws {
    let faulty = try run(
      "{\"base\":\"tract\",\"name\":\"s\",\"lease_ms\":100}", ["stop.requests=30"],
      faults:
        "[{\"kind\":\"link_down\",\"link\":\"cxl_adapter\",\"worker\":1,\"at_s\":5,\"for_s\":2}]"
    )
    #expect(faulty.metrics[0]["completed"] == 30)
    #expect(faulty.metrics[0]["store_fences"] == 0)
    #expect(try #require(faulty.metrics[0]["store_max_operation_ms"]) > 700)
  }

  /// At a tenth of its bandwidth the device's bus is what limits: every byte crosses it twice.
  @Test func lessBandwidthTakesLonger() throws {
    let faults =
      "[{\"kind\":\"cxl_degradation\",\"at_s\":0,\"for_s\":1000,\"bandwidth_factor\":0.1}]"
    let record = try run("tract-nocache", single, faults: faults).runs[0].requests[0]
    let bytes = 2 * Double(record.handedOverBytes)
    let expected = bytes / (0.1 * 1.13 * 10.1e9)
    let spent =
      try seconds(record.firstToken) - seconds(record.prefillDone)
    #expect(abs(spent / expected - 1) < 0.1, "\(spent) s, not \(expected) s")
  }

  /// Reserving is all line accesses: it takes as many times longer as they do.
  @Test func moreLatencySlowsTheStore() throws {
    func reserve(_ factor: Int) throws -> Double {
      let faults =
        "[{\"kind\":\"cxl_degradation\",\"at_s\":0,\"for_s\":1000,\"latency_factor\":\(factor)}]"
      // Polling is out of the way.
      let system = "{\"base\":\"tract-nocache\",\"name\":\"s\",\"poll_us\":0.01}"
      return try #require(
        try run(system, single, faults: faults).metrics[0]["store_mean_reserve_us"])
    }
    let ratio = try reserve(10) / reserve(1)
    #expect(abs(ratio - 10) < 1, "\(ratio)")
  }

  /// Once a fault is over, nothing is left of it.
  @Test func linksRecover() throws {
    let faults =
      "[{\"kind\":\"cxl_degradation\",\"at_s\":0,\"for_s\":0.5,\"latency_factor\":9,"
      + "\"bandwidth_factor\":0.1},{\"kind\":\"link_down\",\"link\":\"cxl\",\"at_s\":0.1,"
      + "\"for_s\":0.2}]"
    let late = ["traffic.arrivals.rate_rps=1", "stop.requests=1"]
    let plain = try run("tract", single + late).runs[0].requests[0]
    let after = try run("tract", single + late, faults: faults).runs[0].requests[0]
    #expect(plain.arrival.seconds >= 1)
    #expect(after.finished == plain.finished)
  }
}

@Suite struct ManagerPauseTests {
  private static let traffic = [
    "stop.requests=60", "traffic.arrivals.rate_rps=4", "rack.prefill.count=2",
    "rack.decode.count=2",
  ]

  /// A standby takes over after a lease; locks stand still for about so long.
  @Test func aStandbyTakesOver() throws {
    let system = "{\"base\":\"tract\",\"name\":\"s\",\"lease_ms\":200}"
    let result = try run(
      system, Self.traffic, faults: "[{\"kind\":\"manager_pause\",\"at_s\":5,\"for_s\":4}]"
    ).metrics[0]
    #expect(result["completed"] == 60)
    #expect(result["store_manager_changes"] == 1)
    let longest = try #require(result["store_max_operation_ms"])
    #expect(longest > 150 && longest < 400, "\(longest)")
  }

  /// A pause shorter than the lease is waited for.
  @Test func aShortPauseIsWaitedFor() throws {
    let system = "{\"base\":\"tract\",\"name\":\"s\",\"lease_ms\":4000}"
    let result = try run(
      system, Self.traffic, faults: "[{\"kind\":\"manager_pause\",\"at_s\":5,\"for_s\":1}]"
    ).metrics[0]
    #expect(result["completed"] == 60)
    #expect(result["store_manager_changes"] == 0)
    let longest = try #require(result["store_max_operation_ms"])
    #expect(longest > 500 && longest < 1001, "\(longest)")
  }
}

@Suite struct CrashTests {
  private static let systems = [
    "nixl", "lmcache", "mooncake", "beluga", "tract-nocache", "tract", "ideal", "aggregated",
  ]
  private static let rack = ["rack.prefill.count=2", "rack.decode.count=2"]

  /// The only prefill worker dies over the only request: it fails, and so do those that come later.
  @Test(arguments: systems.dropLast()) func nobodyIsLeft(system: String) throws {
    let plain = try run(system, single).runs[0].requests[0]
    let middle = (try seconds(plain.prefillScheduled) + seconds(plain.prefillDone)) / 2
    let result = try run(
      system, single + ["stop.requests=5"],
      faults: "[{\"kind\":\"node_crash\",\"worker\":0,\"at_s\":\(middle)}]"
    ).metrics[0]
    #expect(result["failed"] == 5)
    #expect(result["requests_failed_by_faults"] == 5)
    #expect(result.failures.map(\.reason) == ["no prefill worker is up"])
  }

  /// With a second worker the request begins there at once and takes as long as it would alone.
  @Test(arguments: systems) func anotherWorkerBeginsAnew(system: String) throws {
    let plain = try run(system, Self.rack + single).runs[0].requests[0]
    let middle = (try seconds(plain.prefillScheduled) + seconds(plain.prefillDone)) / 2
    let comparison = try run(
      system, Self.rack + single,
      faults: "[{\"kind\":\"node_crash\",\"worker\":\(plain.prefillWorker),\"at_s\":\(middle)}]")
    let record = comparison.runs[0].requests[0]
    #expect(comparison.metrics[0]["requests_recomputed"] == 1)
    #expect(record.prefillWorker != plain.prefillWorker)
    let whole = try seconds(plain.prefillDone) - plain.arrival.seconds
    #expect(abs(try seconds(record.prefillDone) - middle - whole) < 1e-3)
  }

  /// A decode worker dies after the first token: prompt and tokens are computed again.
  @Test(arguments: systems.dropLast()) func decodeDies(system: String) throws {
    let plain = try run(system, Self.rack + single).runs[0].requests[0]
    let middle = (try seconds(plain.firstToken) + seconds(plain.finished)) / 2
    let comparison = try run(
      system, Self.rack + single,
      faults: "[{\"kind\":\"node_crash\",\"worker\":\(plain.decodeWorker),\"at_s\":\(middle)}]")
    let record = comparison.runs[0].requests[0]
    #expect(record.outcome == .completed && record.recomputations == 1)
    #expect(record.decodeWorker != plain.decodeWorker)
    #expect(try #require(comparison.metrics[0]["tokens_lost"]) >= 6000)
    // What the prefill node had published outlives the decode worker.
    if system == "tract" { #expect(record.cachedTokens > 5000) }
  }

  /// The store declares the dead node dead after a lease, clears its traces away, and takes it in
  /// again; the worker then gets requests as before.
  @Test(arguments: [0, 1, 2]) func aCrashWithReturn(worker: Int) throws {
    let system = "{\"base\":\"tract\",\"name\":\"s\",\"lease_ms\":400}"
    let comparison = try run(
      system, Self.rack + ["stop.requests=120", "traffic.arrivals.rate_rps=3"],
      faults:
        "[{\"kind\":\"node_crash\",\"worker\":\(worker),\"at_s\":10,\"return_after_s\":5}]")
    let result = comparison.metrics[0]
    #expect(result["completed"] == 120)
    #expect(result["store_fences"] == 1)
    #expect(result["recoveries"] == 1)
    // The manager's node takes the manager along: a standby rules first, then the lease runs.
    #expect(result["store_manager_changes"] == (worker == 0 ? 1 : 0))
    let recovery = try #require(result["max_recovery_time_ms"])
    #expect(recovery > 350 && recovery < (worker == 0 ? 1500 : 700), "\(recovery)")
    let after = comparison.runs[0].requests.filter { $0.arrival.seconds > 15 }
    #expect(after.contains { $0.prefillWorker == worker || $0.decodeWorker == worker })
    let during = comparison.runs[0].requests.filter {
      $0.arrival.seconds > 10 && $0.arrival.seconds < 14.9
    }
    #expect(!during.isEmpty && during.allSatisfy { $0.prefillWorker != worker })
  }

  /// A node that is back before its death was noticed waits for its earlier life to be fenced.
  @Test func aQuickReturnWaitsForTheFence() throws {
    let system = "{\"base\":\"tract\",\"name\":\"s\",\"lease_ms\":2000}"
    let comparison = try run(
      system, Self.rack + ["stop.requests=100", "traffic.arrivals.rate_rps=3"],
      faults: "[{\"kind\":\"node_crash\",\"worker\":1,\"at_s\":10,\"return_after_s\":0.1}]")
    #expect(comparison.metrics[0]["store_fences"] == 1)
    let down = comparison.runs[0].requests.filter {
      $0.arrival.seconds > 10 && $0.arrival.seconds < 11.7
    }
    #expect(!down.isEmpty && down.allSatisfy { $0.prefillWorker == 0 })
  }

  /// The prefill node dies in the middle of a slow save, while decode's first pin is stalled: its
  /// answer comes to an attempt that is no more, and its pins are given back.
  @Test func lateAnswersAreGivenBack() throws {
    let slow = "{\"kind\":\"cxl_degradation\",\"at_s\":0,\"for_s\":99,\"bandwidth_factor\":0.02}"
    let plain = try run("tract", Self.rack + single, faults: "[\(slow)]").runs[0].requests[0]
    let done = try seconds(plain.prefillDone)
    let cut =
      "{\"kind\":\"link_down\",\"link\":\"cxl_adapter\",\"worker\":\(plain.decodeWorker),"
      + "\"at_s\":\(done),\"for_s\":5}"
    let crash =
      "{\"kind\":\"node_crash\",\"worker\":\(plain.prefillWorker),\"at_s\":\(done + 2)}"
    let comparison = try run("tract", Self.rack + single, faults: "[\(slow),\(cut),\(crash)]")
    let record = comparison.runs[0].requests[0]
    #expect(record.outcome == .completed && record.recomputations == 1)
    #expect(comparison.runs[0].store?.pinsAtEnd == 0)
    // Blocks that had been published are found.
    #expect(record.cachedTokens >= 16 * 64)
  }

  @Test func withoutLockManagersTheRunEnds() throws {
    let faults = (0..<2).map { "{\"kind\":\"node_crash\",\"worker\":\($0),\"at_s\":3}" }
    let result = try run(
      "tract", ["stop.requests=20"], faults: "[\(faults.joined(separator: ","))]"
    ).metrics[0]
    #expect(result["failed"]! > 0)
    #expect(result.failures.contains { $0.reason.contains("lock manager") })
  }

  @Test func faultsAfterTheEndNeverHappen() throws {
    let faults = "[{\"kind\":\"node_crash\",\"worker\":0,\"at_s\":500000}]"
    let (plain, faulty) = (try run("tract", single), try run("tract", single, faults: faults))
    #expect(plain.runs[0].end == faulty.runs[0].end)
    #expect(faulty.metrics[0]["recoveries"] == 0)
  }
}

@Suite struct RandomFaultTests {
  /// A handful of faults of all kinds over a busy run.
  private func faults(_ random: inout RandomStream, workers: Int) -> String {
    let kinds = (0..<1 + random.integer(below: 6)).map { _ -> String in
      let at = "\"at_s\":\(random.uniform() * 20)"
      let span = "\"for_s\":\(0.01 + random.exponential(mean: 1))"
      let worker = "\"worker\":\(random.integer(below: workers))"
      switch random.integer(below: 5) {
      case 0: return "{\"kind\":\"manager_pause\",\(at),\(span)}"
      case 1:
        return "{\"kind\":\"cxl_degradation\",\(at),\(span),\"latency_factor\":4,"
          + "\"bandwidth_factor\":0.2}"
      case 2:
        let link = [
          "\"nic\",\(worker)", "\"pcie\",\(worker)", "\"cxl_adapter\",\(worker)", "\"cxl\"",
        ]
        return "{\"kind\":\"link_down\",\"link\":\(link[random.integer(below: 4)]),\(at),\(span)}"
      default:
        let back =
          random.integer(below: 3) > 0
          ? ",\"return_after_s\":\(0.05 + random.exponential(mean: 3))" : ""
        return "{\"kind\":\"node_crash\",\(worker),\(at)\(back)}"
      }
    }
    return "[\(kinds.joined(separator: ","))]"
  }

  /// Quick returns, short leases, little memory: nodes take chunks of their earlier lives over and
  /// evict what requests still count on.
  @Test(arguments: UInt64(1)...12) func lawsHoldInATightPool(seed: UInt64) throws {
    var random = RandomStream(seed: seed, name: "tight faults")
    let crashes = (0..<12).map { _ in
      "{\"kind\":\"node_crash\",\"worker\":\(random.integer(below: 4)),"
        + "\"at_s\":\(random.uniform() * 20),\"return_after_s\":\(0.02 + random.uniform())}"
    }
    let comparison = try Comparison(
      try workload([
        "systems=[{\"base\":\"tract\",\"cache_gib\":1.3,\"lease_ms\":20}]", "baseline=tract",
        "rack.prefill.count=2", "rack.decode.count=2", "traffic.arrivals.rate_rps=10",
        "traffic.output_tokens=150", "engine.gpu_memory_utilization=0.43", "stop.requests=150",
        "seed=\(seed)", "faults=[\(crashes.joined(separator: ","))]",
      ]), jobs: 1)
    #expect(comparison.violations == [], "seed \(seed)")
    #expect(try #require(comparison.metrics[0]["recoveries"]) > 0)
  }

  @Test(arguments: UInt64(1)...40) func lawsHold(seed: UInt64) throws {
    var random = RandomStream(seed: seed, name: "faults")
    let (prefill, decode) = (1 + random.integer(below: 3), 1 + random.integer(below: 3))
    func flag() -> String { random.integer(below: 2) == 0 ? "true" : "false" }
    let lease = [20, 200, 1000][random.integer(below: 3)]
    let modes =
      "\"synchronous_load\":\(flag()),\"synchronous_save\":\(flag()),\"layerwise\":\(flag()),"
      + "\"hold_until_sent\":\(flag())"
    let systems =
      "[\"nixl\",\"ideal\",{\"base\":\"aggregated\",\"hbm_prefix_cache\":\(flag())},"
      + "{\"base\":\"lmcache\",\"cache_gib\":1,\(modes)},"
      + "{\"base\":\"tract\",\"cache_gib\":3,\"lease_ms\":\(lease),\(modes)},"
      + "{\"base\":\"mooncake\",\"cache_gib\":1,\"placement\":\"random\","
      + "\"synchronous_save\":\(flag()),\"hold_until_sent\":\(flag())},"
      + "{\"base\":\"beluga\",\"cache_gib\":3,\(modes)},"
      + "{\"base\":\"tract-nocache\",\"cache_gib\":3,\"lease_ms\":\(lease)}]"
    let file = try workload([
      "systems=\(systems)", "baseline=nixl", "rack.prefill.count=\(prefill)",
      "rack.decode.count=\(decode)", "stop.requests=80", "seed=\(seed)",
      "traffic.arrivals.rate_rps=\(random.integer(below: 2) == 0 ? 4 : 8)",
      "faults=\(faults(&random, workers: prefill + decode))",
    ])
    let comparison = try Comparison(file, jobs: 1)
    #expect(comparison.violations == [], "seed \(seed)")
    for run in comparison.runs {
      let open = run.requests.filter { $0.outcome == .failed(reason: "unfinished") }
      #expect(open.isEmpty, "seed \(seed), \(run.system.name)")
    }
    guard seed <= 8 else { return }
    let again = try Comparison(file, jobs: 2)
    #expect(ReportFiles.requests(comparison) == ReportFiles.requests(again))
    #expect(
      ReportFiles.json(comparison).text(indented: true)
        == ReportFiles.json(again).text(indented: true))
  }
}
