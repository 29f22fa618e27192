// Prefix reuse in whole runs: times as sums of their parts, who computes, writes and waits.

import EventKernel
import Rack
import Report
import Serving
import Testing
import Workload

/// Prompts of 6401 tokens that share all but the last: 100 blocks of 64 can be found.
private func workload(_ system: String, _ overrides: [String]) throws -> Workload {
  try WorkloadFile.decode(
    Array(
      """
      {"name": "reuse", "model": "llama-3.1-8b", "systems": [\(system)],
       "rack": {"preset": "h100-rack", "prefill": {"count": 1}, "decode": {"count": 1}},
       "traffic": {"kind": "synthetic", "input_tokens": 6401, "output_tokens": 1,
         "unique_tokens": 1, "arrivals": {"process": "deterministic", "rate_rps": 0.1}},
       "stop": {"requests": 2}}
      """.utf8), name: "reuse", folder: "", overrides: overrides.compactMap { .init($0) })
}

private func run(_ system: String, _ overrides: [String] = []) throws -> Comparison {
  let comparison = try Comparison(try workload(system, overrides), jobs: 1)
  #expect(comparison.violations == [])
  #expect(comparison.runs[0].requests.allSatisfy { $0.outcome == .completed })
  return comparison
}

private func bytes(_ comparison: Comparison, _ path: String) throws -> Int {
  try #require(comparison.runs[0].bytes.first { $0.path == path }).bytes
}

@Suite struct FullHitTests {
  private static let kv = 131_072.0

  /// What the parts take, from the workload's own figures.
  private struct Parts {
    let workload: Workload
    let system: SystemSpec
    /// A step that computes the last token of the prompt.
    let step: Double

    init(_ workload: Workload) throws {
      self.workload = workload
      system = workload.systems[0]
      let model = try #require(
        StepTimeModel(
          gpu: workload.rack.prefill.gpu, model: workload.model, tensorParallel: 1,
          weights: .bf16, kv: .bf16))
      step = model.decodeSeconds(sequences: 1, contextTokens: 6401)
    }

    /// A call of `keys` keys.
    func call(_ keys: Int) -> Double { system.rpcSeconds + Double(keys - 1) * system.rpcKeySeconds }

    /// DRAM to GPU on one host.
    var load: Double {
      system.copy.launchSeconds + workload.rack.dram.latencySeconds + 6400 * kv
        / min(
          workload.rack.prefill.gpu.pcieBandwidth, 6400 * kv / (99 * system.copy.launchSeconds))
    }

    /// RDMA of so many tokens, in descriptors of 128 KiB.
    func rdma(_ tokens: Double) -> Double {
      let engine = system.transferEngine ?? workload.rack.rdmaEngine
      return system.launchSeconds + workload.rack.nic.latencySeconds + tokens * kv
        / min(workload.rack.nic.txBandwidth, engine.rate(descriptorBytes: 131_072))
    }

    /// CXL pool to GPU.
    func read(_ tokens: Double) -> Double {
      system.copy.launchSeconds + workload.rack.cxl.latencySeconds + tokens * kv
        / workload.rack.cxl.gpuDMABandwidth
    }
  }

  private func check(
    _ name: String, _ overrides: [String] = [], _ expected: (Parts) -> Double
  ) throws {
    let parts = try Parts(try workload(name, overrides))
    let record = try run(name, overrides).runs[0].requests[1]
    #expect(record.cachedTokens == (name == "\"nixl\"" ? 0 : 6400))
    let ttft = try #require(record.firstToken).seconds - record.arrival.seconds
    #expect(abs(ttft / expected(parts) - 1) < 1e-6, "\(ttft), not \(expected(parts))")
  }

  @Test func ideal() throws { try check("\"ideal\"") { 2 * $0.step } }

  @Test func nixl() throws {
    try check("\"nixl\"") { parts in
      let model = StepTimeModel(
        gpu: parts.workload.rack.prefill.gpu, model: parts.workload.model, tensorParallel: 1,
        weights: .bf16, kv: .bf16)!
      return model.prefillSeconds(tokens: 6401, cached: 0) + parts.rdma(6401) + parts.step
    }
  }

  @Test func lmcache() throws {
    try check("\"lmcache\"") { $0.load + $0.step + $0.rdma(6401) + $0.step }
  }

  /// The prefix lies in the prefill worker's own DRAM.
  @Test func mooncakeAtHome() throws {
    try check("\"mooncake\"") {
      $0.call(100) + $0.load + $0.step + $0.rdma(6401) + $0.step
    }
  }

  /// The second request goes to the second worker, the prefix is in the first one's DRAM.
  @Test func mooncakeAway() throws {
    try check("\"mooncake\"", ["rack.prefill.count=2"]) {
      $0.call(100) + $0.rdma(6400) + $0.step + $0.rdma(6401) + $0.step
    }
  }

  /// Only the last token is written; its block has to be there before decode reads.
  @Test func beluga() throws {
    try check("\"beluga\"") { parts in
      let write =
        parts.system.copy.launchSeconds + Self.kv
        // So few bytes lie on one device.
        / min(
          parts.workload.rack.cxl.gpuDMABandwidth, parts.workload.rack.cxl.deviceWriteBandwidth)
      return parts.call(100) + parts.read(6400) + parts.step + parts.call(101) + write
        + parts.call(1) + parts.call(101) + parts.read(6401) + parts.step
    }
  }
}

@Suite struct EqualPromptTests {
  /// Three equal prompts at once on three workers.
  private func three(_ system: String) throws -> Comparison {
    let comparison = try run(
      system,
      [
        "rack.prefill.count=3", "stop.requests=3",
        "traffic.arrivals={\"process\":\"closed_loop\",\"concurrency\":3}",
      ])
    // None finds what the others are computing at this moment.
    #expect(comparison.runs[0].requests.map(\.cachedTokens) == [0, 0, 0])
    return comparison
  }

  /// Computed three times, written once: the master answers the others that the block exists.
  @Test func mooncakeWritesOnce() throws {
    let comparison = try three("\"mooncake\"")
    #expect(try bytes(comparison, "prefill_to_cache") == 6400 * 131_072)
    #expect(comparison.metrics[0]["store_deduplicated_tokens"] == 12_800)
    #expect(comparison.metrics[0]["store_blocks_published"] == 100)
  }

  /// Computed three times; the shared blocks are written once, each request's tail by itself.
  @Test func belugaWritesOnce() throws {
    let comparison = try three("\"beluga\"")
    #expect(try bytes(comparison, "prefill_to_cache") == (6400 + 3) * 131_072)
    #expect(comparison.metrics[0]["store_deduplicated_tokens"] == 12_800)
    // All three hand over when the one write is done.
    let released = comparison.runs[0].requests.compactMap { $0.prefillReleased?.seconds }
    #expect(released.count == 3)
    #expect(try #require(released.max()) - #require(released.min()) < 1e-4)
  }

  /// Each node computes and keeps its own.
  @Test func lmcacheWritesOnEachNode() throws {
    #expect(try bytes(try three("\"lmcache\""), "prefill_to_cache") == 3 * 6400 * 131_072)
  }

  /// Equal prompts in one batch of one node: computed and copied for each (LMCache drops a chunk it
  /// has after copying it), kept once: the cache has room for just one.
  @Test func lmcacheKeepsOne() throws {
    let comparison = try run(
      "{\"base\":\"lmcache\",\"cache_gib\":0.8}",
      [
        "stop.requests=3", "engine.max_batched_tokens=20000",
        "traffic.arrivals={\"process\":\"closed_loop\",\"concurrency\":2}",
      ])
    #expect(comparison.runs[0].requests.map(\.cachedTokens) == [0, 0, 6400])
    #expect(try bytes(comparison, "prefill_to_cache") == 2 * 6400 * 131_072)
  }
}

@Suite struct MetadataCallTests {
  /// Two lookups of 100 keys reach the server at once: on one thread the second waits for the first.
  @Test(arguments: ["mooncake", "beluga"], [1, 2]) func callsQueue(
    system: String, threads: Int
  ) throws {
    let (trip, key) = system == "mooncake" ? (100, 2) : (2.11, 0.08244)
    let alone = trip + 99 * key
    let wait = threads == 1 ? 100 * key : 0
    let metrics = try run(
      "{\"base\":\"\(system)\",\"rpc_threads\":\(threads)}",
      [
        "rack.prefill.count=2",
        "traffic.arrivals={\"process\":\"closed_loop\",\"concurrency\":2}",
      ]
    ).metrics[0]
    #expect(metrics["store_lookups"] == 2)
    #expect(abs(try #require(metrics["store_max_lookup_us"]) - alone - wait) < 1e-5)
    #expect(abs(try #require(metrics["store_mean_lookup_us"]) - alone - wait / 2) < 1e-5)
  }

  /// Lines through a degraded pool, or a network interface that is down.
  @Test func callsSufferFromFaults() throws {
    let slow = "{\"kind\":\"cxl_degradation\",\"at_s\":0,\"for_s\":99,\"latency_factor\":5}"
    let degraded = try run("\"beluga\"", ["stop.requests=1", "faults=[\(slow)]"]).metrics[0]
    let ways = 5 * (2.11 - 0.08244)
    #expect(abs(try #require(degraded["store_max_lookup_us"]) - ways - 8.244) < 1e-5)
    let down =
      "{\"kind\":\"link_down\",\"link\":\"nic\",\"worker\":0,\"at_s\":9.5,\"for_s\":1}"
    let cut = try run("\"mooncake\"", ["stop.requests=1", "faults=[\(down)]"]).metrics[0]
    #expect(abs(try #require(cut["store_max_lookup_us"]) - 0.5e6 - 298) < 1e-4)
  }
}

@Suite struct TransferBlockTests {
  /// By DMA each piece is launched: 64 pieces for each `transfer_tokens`; 6401 tokens round up in
  /// bytes, not in pieces. With large pieces it is the bandwidth that limits.
  @Test(arguments: [(16, 6401.0 / 16), (32, 6401.0 / 32)])
  func piecesAreLaunched(tokens: Int, pieces: Double) throws {
    let system =
      "{\"base\":\"beluga\",\"copy_method\":\"dma\",\"copy_call_us\":7.87,"
      + "\"transfer_tokens\":\(tokens)}"
    let record = try run(system, ["stop.requests=1"]).runs[0].requests[0]
    let launches = 64 * pieces * 7.87e-6
    // The save, and then the load, one after the other.
    let span = try #require(record.firstToken) - #require(record.prefillDone)
    #expect(abs(span.seconds - 2 * launches) < 0.01, "\(span.seconds), not \(2 * launches)")
    let kernel = try run("\"beluga\"", ["stop.requests=1"]).runs[0].requests[0]
    let fast = try #require(kernel.firstToken) - #require(kernel.prefillDone)
    #expect(abs(fast.seconds - 2 * 6401 * 131_072 / 26e9) < 0.01)
  }

  /// A descriptor is `transfer_tokens` of one layer's keys: the law of the engine says its time.
  @Test(arguments: [4, 16, 64]) func descriptorsTakeTheirTime(tokens: Int) throws {
    let system = "{\"base\":\"mooncake\",\"transfer_tokens\":\(tokens)}"
    // The second request saves nothing meanwhile.
    let record = try run(system).runs[0].requests[1]
    let engine = try #require(Catalogue.builtIn.transferEngine("mooncake-te"))
    let size = Double(tokens * 2048)
    let expected = 6401 * 131_072 / size * engine.descriptorTime(bytes: size) + 0.376e-3 + 1.5e-6
    #expect(abs(record.decode.kvRead.seconds / expected - 1) < 1e-6)
  }
}

@Suite struct PoolLimitTests {
  /// A prompt larger than the pool can never be handed over: it is refused when it arrives.
  @Test func belugaRefusesWhatCannotFit() throws {
    let comparison = try Comparison(
      try workload("{\"base\":\"beluga\",\"cache_gib\":0.5}", []), jobs: 1)
    #expect(comparison.violations == [])
    let failures = comparison.metrics[0].failures
    #expect(
      failures.map(\.reason) == ["needs 101 blocks of the CXL pool, which has 64; raise cache_gib"])
  }

  /// A pool that holds little more than one prompt: requests take turns, and all end.
  @Test func belugaWaitsForSpace() throws {
    let comparison = try run(
      "{\"base\":\"beluga\",\"cache_gib\":1.2}",
      [
        "rack.prefill.count=3", "rack.decode.count=2", "stop.requests=60",
        "traffic.prefix_groups=9", "traffic.unique_tokens=900", "traffic.output_tokens=20",
        "traffic.arrivals={\"process\":\"poisson\",\"rate_rps\":40}",
      ])
    let metrics = comparison.metrics[0]
    #expect(try #require(metrics["store_evictions"]) > 0)
    #expect(try #require(metrics["store_allocation_failures"]) > 0, "space was not scarce")
  }

  /// The engine waits for its saves, which wait for space that a queued request's prefix has
  /// pinned: the prefix is given up.
  @Test func belugaGivesUpPrefixes() throws {
    _ = try run(
      "{\"base\":\"beluga\",\"cache_gib\":0.6,\"synchronous_save\":true,\"rpc_us\":5000}",
      [
        "seed=725", "rack={\"preset\":\"tract-testbed\",\"decode\":{\"count\":2}}",
        "engine.gpu_memory_utilization=0.43", "stop.requests=120",
        "traffic={\"kind\":\"synthetic\",\"input_tokens\":3000,\"input_tokens_std\":100,"
          + "\"output_tokens\":30,\"unique_tokens\":200,\"prefix_groups\":3,"
          + "\"arrivals\":{\"process\":\"closed_loop\",\"concurrency\":8}}",
      ])
  }

  @Test(arguments: ["mooncake", "beluga"]) func noBlockFits(system: String) throws {
    let workload = try workload("{\"base\":\"\(system)\",\"cache_gib\":0.001}", [])
    #expect(ServingRun.obstacle(workload.systems[0], workload)?.contains("holds no block") == true)
  }
}

@Suite struct RouterRunTests {
  /// In per-node caches it matters who gets which prompt: by session or prefix nearly all is reused.
  @Test func affinityFindsWhatRandomMisses() throws {
    func reuse(_ router: String) throws -> Double {
      try #require(
        try run(
          "\"lmcache\"",
          [
            "router=\(router)", "rack.prefill.count=4", "stop.requests=80",
            "traffic.prefix_groups=8",
            "traffic.arrivals={\"process\":\"deterministic\",\"rate_rps\":2}",
          ]
        ).metrics[0]["prefix_cache_reused_ratio"])
    }
    // 80 prompts of 8 groups: at home each group misses once; at random it may on each of 4 nodes.
    #expect(abs(try reuse("session_affinity") - 0.9) < 0.01)
    #expect(abs(try reuse("kv_aware") - 0.9) < 0.01)
    #expect(try reuse("random") < 0.75)
  }
}

/// The remote reader of a host that dies begins anew; the blocks are gone.
@Test func mooncakeLosesAHostsBlocks() throws {
  let overrides = ["rack.prefill.count=2", "rack.nic.tx_gbps=0.5", "rack.nic.rx_gbps=0.5"]
  let plain = try run("\"mooncake\"", overrides).runs[0].requests[1]
  let middle = try #require(plain.prefillScheduled).seconds + 0.5
  let comparison = try run(
    "\"mooncake\"",
    overrides + ["faults=[{\"kind\":\"node_crash\",\"worker\":0,\"at_s\":\(middle)}]"])
  let record = comparison.runs[0].requests[1]
  #expect(plain.cachedTokens == 6400 && plain.prefillWorker == 1)
  #expect(record.recomputations == 1 && record.prefillWorker == 1 && record.cachedTokens == 0)
}

/// What is in the CXL pool outlives the host that wrote it; those who waited for a dead writer's
/// blocks write them themselves.
@Test func belugaOutlivesAHost() throws {
  let overrides = [
    "rack.prefill.count=2", "stop.requests=2", "rack.cxl.gpu_dma_gbps=0.5",
    "traffic.arrivals={\"process\":\"closed_loop\",\"concurrency\":2}",
  ]
  let plain = try run("\"beluga\"", overrides).runs[0].requests
  let middle = try #require(plain[0].prefillDone).seconds + 0.5
  let comparison = try run(
    "\"beluga\"",
    overrides + ["faults=[{\"kind\":\"node_crash\",\"worker\":0,\"at_s\":\(middle)}]"])
  let records = comparison.runs[0].requests
  #expect(records.map(\.recomputations) == [1, 0])
  // The second began to write anew when the first died.
  let span = try #require(records[1].prefillReleased).seconds - middle
  #expect(abs(span - 6401 * 131_072 / 0.5e9) < 0.01, "\(span)")
}
