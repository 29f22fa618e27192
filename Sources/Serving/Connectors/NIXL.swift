// `nixl`: decode pulls the prompt's KV from the prefill GPU by RDMA; no reuse.

import EventKernel

/// The RDMA leg shared by `nixl` and `lmcache`: one read per request, launched by the decode side.
struct RDMAPull {
  /// Launches are serial on each decode worker: one Python loop posts them.
  private var launchers: [FIFOServer]

  init(core: borrowing ServingCore) {
    launchers = Array(repeating: FIFOServer(), count: core.engines.count)
  }

  /// A worker's launcher is gone, with what was queued there.
  mutating func forget(_ worker: Int) { launchers[worker] = FIFOServer() }

  /// Reads the whole prompt's KV: launch, latency, then descriptors at the engine's own rate.
  mutating func start(_ request: Int, _ core: inout ServingCore) {
    let record = core.records[request]
    let launched = launchers[record.decodeWorker].admit(
      service: .seconds(core.system.launchSeconds), at: core.now)
    let bytes = record.inputTokens * core.kvBytesPerToken
    core.startRDMA(
      .handOver, request: request, bytes: bytes, .gpuToGPU,
      from: core.engines[record.prefillWorker].host, to: core.engines[record.decodeWorker].host,
      launch: launched - core.now)
  }
}

/// Stock disaggregation: every block crosses the network, the prefill side holds it until then.
struct NIXLConnector: Connector {
  private var pull: RDMAPull

  init(core: inout ServingCore) { pull = RDMAPull(core: core) }

  mutating func prepare(_ request: Int, _ core: inout ServingCore) {
    core.prepared(request: request, cachedTokens: 0)
  }

  mutating func prefilled(_ request: Int, _ core: inout ServingCore) { core.handOver(request) }

  mutating func fetch(_ request: Int, _ core: inout ServingCore) { pull.start(request, &core) }

  mutating func nodeDown(_ worker: Int, _ core: inout ServingCore) { pull.forget(worker) }

  mutating func transferEnded(_ transfer: Transfer, _ core: inout ServingCore) {
    let request = Int(transfer.request)
    core.records[request].handedOverBytes += transfer.bytes
    core.loaded(SequenceID(request: request, side: .decode))
    core.releasePrefill(request)
  }
}
