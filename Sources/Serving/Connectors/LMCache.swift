// `lmcache`: a prefix cache in each prefill worker's DRAM; every block still goes to decode by RDMA.

import EventKernel
import TractStore

/// Hits are copied DRAM→GPU before prefill, new blocks GPU→DRAM after it; decode pulls the whole
/// prompt from the prefill GPU, as `nixl` does.
struct LMCacheConnector: Connector, ~Copyable {
  private var pull: RDMAPull
  /// One cache for each prefill worker, indexed by engine.
  private var caches: [BlockCache]
  /// Blocks pinned while they are copied into the GPU, by request.
  private var hits = RequestTable<[BlockHash]>([])
  /// Ends a request still waits for before its GPU blocks are free: the save and the send.
  private var holds = RequestTable<UInt8>(0)
  /// Requests whose new blocks are on their way to DRAM.
  private var isSaving = RequestTable(false)

  init(core: inout ServingCore) {
    pull = RDMAPull(core: core)
    let blockBytes = core.system.blockTokens * core.kvBytesPerToken
    let capacity = core.system.cacheBytes / blockBytes
    caches = core.prefillRouter.pool.map { _ in BlockCache(capacity: capacity) }
  }

  mutating func prepare(_ request: Int, _ core: inout ServingCore) {
    let worker = core.records[request].prefillWorker
    let hashes = core.cacheableHashes(request)
    let found = Array(hashes.prefix(caches[worker].prefixLength(hashes)))
    for hash in found { _ = caches[worker].pin(hash) }
    hits[request] = found
    core.prepared(request: request, cachedTokens: found.count * core.system.blockTokens)
  }

  mutating func loadPrefix(_ request: Int, _ core: inout ServingCore) {
    let host = core.engines[core.records[request].prefillWorker].host
    core.startCopy(
      .prefillLoad, request: request,
      bytes: hits[request].count * core.system.blockTokens * core.kvBytesPerToken,
      .dramToGPU, host: host)
  }

  mutating func prefilled(_ request: Int, _ core: inout ServingCore) {
    let worker = core.records[request].prefillWorker
    holds[request] = 1
    let newBlocks = core.fullBlocks(request) - hits[request].count
    if newBlocks > 0 {
      holds[request] = 2
      isSaving[request] = true
      if core.system.synchronousSave { core.holdSteps(of: worker) }
      core.startCopy(
        .prefillSave, request: request,
        bytes: newBlocks * core.system.blockTokens * core.kvBytesPerToken,
        .gpuToDRAM, host: core.engines[worker].host)
    }
    core.handOver(request)
  }

  mutating func fetch(_ request: Int, _ core: inout ServingCore) { pull.start(request, &core) }

  mutating func transferEnded(_ transfer: Transfer, _ core: inout ServingCore) {
    let request = Int(transfer.request)
    let worker = core.records[request].prefillWorker
    switch transfer.kind {
    case .prefillLoad:
      for hash in hits[request] { caches[worker].unpin(hash) }
      core.loaded(SequenceID(request: request, side: .prefill))
    case .prefillSave:
      isSaving[request] = false
      // A full cache of pinned blocks refuses the rest: a future miss, not an error.
      for hash in core.fullBlockHashes(request) where !caches[worker].insert(hash) { break }
      if core.system.synchronousSave { core.resumeSteps(of: worker) }
      release(request, &core)
    case .handOver:
      core.records[request].handedOverBytes += transfer.bytes
      core.loaded(SequenceID(request: request, side: .decode))
      release(request, &core)
    case .decodeLoad:
      preconditionFailure("lmcache sends by RDMA")
    }
  }

  mutating func nodeDown(_ worker: Int, _ core: inout ServingCore) {
    pull.forget(worker)
    guard caches.indices.contains(worker) else { return }
    caches[worker] = BlockCache(capacity: caches[worker].capacity)
  }

  mutating func abort(_ request: Int, _ core: inout ServingCore) {
    let worker = core.records[request].prefillWorker
    if isSaving[request], core.system.synchronousSave, core.engines[worker].isUp {
      core.resumeSteps(of: worker)
    }
    prefillLost(request, &core)
  }

  mutating func prefillLost(_ request: Int, _ core: inout ServingCore) {
    isSaving[request] = false
    hits[request] = []
    holds[request] = 0
  }

  private mutating func release(_ request: Int, _ core: inout ServingCore) {
    holds[request] -= 1
    if holds[request] == 0 { core.releasePrefill(request) }
  }

  mutating func forget(before request: Int) {
    hits.drop(before: request)
    holds.drop(before: request)
    isSaving.drop(before: request)
  }

  mutating func close(_ core: inout ServingCore) -> (StoreUse?, [String]) {
    var problems: [String] = []
    for (worker, cache) in caches.enumerated() where cache.pinned > 0 {
      problems.append("lmcache: worker \(worker) ends with \(cache.pinned) pinned blocks")
    }
    let blockBytes = core.system.blockTokens * core.kvBytesPerToken
    let kind = TransferKind.prefillSave.rawValue
    let saved =
      core.bytesByKind[kind] - core.faults.lostBytes[kind] + core.faults.cutBytes[kind]
    let expected = core.totals.newBlocks * blockBytes
    if saved != expected { problems.append("lmcache: \(saved) bytes saved, not \(expected)") }
    return (nil, problems)
  }
}
