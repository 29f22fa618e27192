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
  "systems=[\"nixl\",\"lmcache\",\"mooncake\",\"beluga\",\"tract-nocache\",\"tract\",\"ideal\","
  + "\"aggregated\"]"

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

/// Two senders that share two receivers: coupled egresses only ever slow the mean, and 0 is what
/// stands without the key.
@Test func blockedEgressesDelay() throws {
  func report(_ nic: [String]) throws -> (text: String, meanTTFT: Double) {
    let comparison = try Comparison(
      try workload(
        [
          "systems=[\"nixl\"]", "baseline=nixl", "rack.prefill.count=2", "rack.decode.count=2",
          "traffic.arrivals.rate_rps=40", "rack.nic.rx_gbps=0.5",
        ] + nic), jobs: 1)
    #expect(comparison.violations == [])
    let requests = comparison.runs[0].requests
    let total = requests.reduce(0) { $0 + (($1.firstToken ?? .zero) - $1.arrival).seconds }
    return (ReportFiles.requests(comparison), total / Double(requests.count))
  }
  let without = try report([])
  #expect(try report(["rack.nic.hol_coupling=0"]).text == without.text)
  #expect(try report(["rack.nic.hol_coupling=1"]).meanTTFT > without.meanTTFT)
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

/// Pools far smaller than a prompt, shared by two prefill workers: everything still ends.
@Test(arguments: [0.13, 0.2, 0.5]) func tinyPoolsOnlyDelay(gib: Double) throws {
  let comparison = try Comparison(
    try workload([
      "systems=[{\"base\":\"tract\",\"cache_gib\":\(gib)}]", "baseline=tract",
      "rack.prefill.count=2", "traffic.arrivals.rate_rps=20",
    ]), jobs: 1)
  #expect(comparison.violations == [])
  #expect(comparison.runs[0].requests.allSatisfy { $0.outcome == .completed })
}

/// The copy engine pays for every piece of small blocks, a kernel for every block.
@Test(arguments: ["tract", "lmcache"]) func copyMethodsCost(base: String) throws {
  func milliseconds(_ method: String, call: Double) throws -> Double {
    let comparison = try Comparison(
      try workload([
        "systems=[{\"base\":\"\(base)\",\"block_tokens\":16,\"copy_method\":\"\(method)\","
          + "\"copy_call_us\":\(call)}]", "baseline=\(base)",
      ]), jobs: 1)
    #expect(comparison.violations == [])
    let reads = comparison.runs[0].requests.map(\.prefill.kvRead.milliseconds)
    return reads.reduce(0, +)
  }
  let kernel = try milliseconds("kernel", call: 50)
  #expect(try milliseconds("kernel", call: 0) == kernel)
  #expect(try milliseconds("dma", call: 50) > 1.5 * kernel)
}

/// The store waits as the device's curves say while KV crosses the pool: for the first of lines that are
/// read together, not for each.
@Test func theStoreIsAVictimOfBulkTraffic() throws {
  func reservations(_ curves: String) throws -> Double {
    let comparison = try Comparison(
      try workload(["systems=[\"tract\"]", "baseline=tract", "rack.cxl.loaded_latency=\(curves)"]),
      jobs: 1)
    return try #require(comparison.runs[0].store).reserveSecondsTotal
  }
  let (loaded, flat) = try (reservations("xconn-titan"), reservations("asic-expander"))
  #expect(loaded > 1.1 * flat, "\(loaded) s and \(flat) s")
}

/// Requests whose cached prefixes pin the whole pool and those that write wait for each other: the
/// run ends all the same, and says why.
@Test func aStallIsReported() throws {
  let comparison = try Comparison(
    try workload([
      "systems=[{\"base\":\"tract\",\"cache_gib\":0.13}]", "baseline=tract",
      "rack.prefill.count=2", "rack.decode.count=2", "traffic.arrivals.rate_rps=10",
      "traffic.prefix_groups=2", "traffic.unique_tokens=64", "traffic.unique_tokens_std=0",
      "engine.gpu_memory_utilization=0.45", "stop.requests=200",
    ]), jobs: 1)
  #expect(comparison.violations == [])
  let failures = comparison.metrics[0].failures
  #expect(failures.map(\.reason).allSatisfy { $0.contains("raise cache_gib") })
  #expect(failures.reduce(0) { $0 + $1.count } > 0, "there is no stall to report any more")
}

/// One worker, one client: every request but the first finds the shared prefix in GPU memory.
@Test func hbmPrefixCacheReusesBlocks() throws {
  let comparison = try Comparison(
    try workload([
      "systems=[{\"base\":\"aggregated\",\"hbm_prefix_cache\":true},"
        + "{\"base\":\"aggregated\",\"name\":\"without\"}]", "baseline=without",
      "rack.prefill.count=1", "stop.requests=20",
      "traffic={\"kind\":\"synthetic\",\"input_tokens\":2000,\"output_tokens\":8,"
        + "\"unique_tokens\":400,\"prefix_groups\":1,"
        + "\"arrivals\":{\"process\":\"closed_loop\",\"concurrency\":1}}",
    ]), jobs: 2)
  #expect(comparison.violations == [])
  // 1600 shared tokens are 100 blocks of 16. Two workers take turns: each misses once.
  let cached = comparison.runs[0].requests.map(\.cachedTokens)
  #expect(cached == [0, 0] + Array(repeating: 1600, count: 18))
  #expect(comparison.runs[1].requests.allSatisfy { $0.cachedTokens == 0 })
}

/// Cached blocks give way to requests; preempted ones find their prefixes again.
@Test func hbmPrefixCacheNeverTakesMemoryFromRequests() throws {
  let comparison = try Comparison(
    try workload([
      "systems=[{\"base\":\"aggregated\",\"hbm_prefix_cache\":true}]", "baseline=aggregated",
      "engine.gpu_memory_utilization=0.42", "traffic.arrivals.rate_rps=8", "stop.requests=200",
      "traffic.output_tokens=300",
    ]), jobs: 1)
  #expect(comparison.violations == [])
  let requests = comparison.runs[0].requests
  #expect(requests.allSatisfy { $0.outcome == .completed })
  #expect(requests.contains { $0.preemptions > 0 }, "memory was not scarce")
  #expect(requests.contains { $0.cachedTokens > 0 })
}

/// An engine's only running sequence is preempted while others that are loaded hold its memory: they
/// run, although no step is under way that would end. (The run did not end.)
@Test func aLoneSequenceThatIsPreemptedStopsNobody() throws {
  let comparison = try Comparison(
    try workload([
      "rack={\"preset\":\"tract-testbed\"}", "systems=[\"tract\"]", "baseline=tract",
      "stop.requests=20",
      "engine={\"gpu_memory_utilization\":0.43,\"max_batched_tokens\":512,\"max_sequences\":1}",
      "traffic={\"kind\":\"synthetic\",\"input_tokens\":3000,\"output_tokens\":300,"
        + "\"unique_tokens\":200,\"prefix_groups\":3,"
        + "\"arrivals\":{\"process\":\"poisson\",\"rate_rps\":5}}",
    ]), jobs: 1)
  #expect(comparison.violations == [])
  #expect(comparison.runs[0].requests.allSatisfy { $0.outcome == .completed })
  #expect(comparison.runs[0].requests.contains { $0.preemptions > 0 }, "memory was not scarce")
}
