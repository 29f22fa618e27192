// `mooncake`: a prefix cache in the DRAM of all hosts, reached over RDMA; blocks go to decode by RDMA.

import EventKernel
import Rack
import TractStore

/// Hits are read from whichever hosts hold them, new blocks written where the master says, both
/// while the engine goes on; decode pulls the whole prompt from the prefill GPU, as `nixl` does.
///
/// A read keeps its blocks from the lookup until its last byte (Mooncake counts readers but lets a
/// read fail whose lease has run out; such failures are not modelled).
struct MooncakeConnector: Connector, ~Copyable {
  static var preparesAhead: Bool { true }

  private struct State {
    /// Blocks found, by the host that holds them.
    var hits: [BlockHash] = []
    var sources: [Int] = []
    var loadsLeft = 0
    /// Blocks that this request writes, and the hosts they go to.
    var puts: [BlockHash] = []
    var targets: [Int] = []
    var savesLeft = 0
    var isSaving = false
    /// Ends it still waits for before its GPU blocks are free: the save and the send.
    var holds = 0
  }

  private var pull: RDMAPull
  private var server: MetadataServer
  private var master: MooncakeMaster
  private var states = RequestTable(State())

  init(core: inout ServingCore) {
    pull = RDMAPull(core: core)
    server = MetadataServer(.network, core.system)
    master = MooncakeMaster(
      segments: core.engines.count,
      segmentBlocks: core.system.cacheBytes / (core.system.blockTokens * core.kvBytesPerToken),
      core.system, seed: core.workload.seed)
  }

  // MARK: Prefill

  mutating func prepare(_ request: Int, _ core: inout ServingCore) {
    let hashes = core.cacheableHashes(request)
    guard !hashes.isEmpty else {
      core.prepared(request: request, cachedTokens: 0)
      return
    }
    server.call(
      .lookup, hashes, request: request, worker: core.records[request].prefillWorker, &core)
  }

  /// One transfer from each host that holds some of the prefix.
  mutating func loadPrefix(_ request: Int, _ core: inout ServingCore) {
    let host = core.engines[core.records[request].prefillWorker].host
    for (source, blocks) in counts(states[request].sources) {
      states[request].loadsLeft += 1
      let bytes = blocks * core.system.blockTokens * core.kvBytesPerToken
      if source == host {
        core.startCopy(.prefillLoad, request: request, bytes: bytes, .dramToGPU, host: host)
      } else {
        core.startRDMA(
          .prefillLoad, request: request, bytes: bytes, .dramToGPU, from: source, to: host,
          launch: .seconds(core.system.launchSeconds))
      }
    }
  }

  mutating func prefilled(_ request: Int, _ core: inout ServingCore) {
    let worker = core.records[request].prefillWorker
    let new = Array(core.fullBlockHashes(request).dropFirst(states[request].hits.count))
    states[request].hits = []
    states[request].holds = 1
    if !new.isEmpty {
      states[request].holds = 2
      states[request].isSaving = true
      if core.system.synchronousSave { core.holdSteps(of: worker) }
      server.call(.putStart, new, request: request, worker: worker, &core)
    }
    core.handOver(request)
  }

  /// Space is allocated: one transfer to each host that has some.
  private mutating func save(_ request: Int, _ core: inout ServingCore) {
    let host = core.engines[core.records[request].prefillWorker].host
    guard !states[request].targets.isEmpty else { return saved(request, &core) }
    for (target, blocks) in counts(states[request].targets) {
      states[request].savesLeft += 1
      let bytes = blocks * core.system.blockTokens * core.kvBytesPerToken
      if target == host {
        core.startCopy(.prefillSave, request: request, bytes: bytes, .gpuToDRAM, host: host)
      } else {
        core.startRDMA(
          .prefillSave, request: request, bytes: bytes, .gpuToDRAM, from: host, to: target,
          launch: .seconds(core.system.launchSeconds))
      }
    }
  }

  /// How many blocks each host has, by host.
  private func counts(_ hosts: [Int]) -> [(host: Int, blocks: Int)] {
    var counts = [Int](repeating: 0, count: master.used.count)
    for host in hosts { counts[host] += 1 }
    return counts.enumerated().filter { $0.element > 0 }.map { ($0.offset, $0.element) }
  }

  /// Nothing more of the request leaves for the pool.
  private mutating func saved(_ request: Int, _ core: inout ServingCore) {
    states[request].isSaving = false
    if core.system.synchronousSave { core.resumeSteps(of: core.records[request].prefillWorker) }
    release(request, &core)
  }

  private mutating func release(_ request: Int, _ core: inout ServingCore) {
    states[request].holds -= 1
    if states[request].holds == 0 { core.releasePrefill(request) }
  }

  // MARK: Decode

  mutating func fetch(_ request: Int, _ core: inout ServingCore) { pull.start(request, &core) }

  // MARK: Events

  mutating func transferEnded(_ transfer: Transfer, _ core: inout ServingCore) {
    let request = Int(transfer.request)
    switch transfer.kind {
    case .prefillLoad:
      states[request].loadsLeft -= 1
      guard states[request].loadsLeft == 0 else { return }
      master.endRead(states[request].hits)
      states[request].sources = []
      core.loaded(SequenceID(request: request, side: .prefill))
    case .prefillSave:
      states[request].savesLeft -= 1
      guard states[request].savesLeft == 0 else { return }
      server.call(
        .putEnd, states[request].puts, request: request,
        worker: core.records[request].prefillWorker, &core)
      saved(request, &core)
    case .handOver:
      core.records[request].handedOverBytes += transfer.bytes
      core.loaded(SequenceID(request: request, side: .decode))
      release(request, &core)
    case .decodeLoad: preconditionFailure("mooncake sends by RDMA")
    }
  }

  mutating func storeStep(process: Int, _ core: inout ServingCore) {
    switch server.step(process, &core) {
    case .underWay: break
    case .served(let call): served(call, process, &core)
    case .answered(let call):
      guard call.attempt == core.faults.attempts[call.request] else { return }
      switch call.purpose {
      case .lookup:
        core.prepared(
          request: call.request,
          cachedTokens: states[call.request].hits.count * core.system.blockTokens)
      // Else the prefill node has died, and the request goes on without it.
      case .putStart: if states[call.request].isSaving { save(call.request, &core) }
      case .putEnd, .get, .release: preconditionFailure("nobody waits for this answer")
      }
    }
  }

  private mutating func served(_ call: MetadataCall, _ slot: Int, _ core: inout ServingCore) {
    let request = call.request
    guard call.attempt == core.faults.attempts[request] else { return server.finish(slot, &core) }
    switch call.purpose {
    case .lookup:
      states[request].sources = master.get(call.keys, at: core.now)
      states[request].hits = Array(call.keys.prefix(states[request].sources.count))
      blocksHit += states[request].hits.count
      server.answer(slot, &core)
    case .putStart:
      guard states[request].isSaving else { return server.finish(slot, &core) }
      let outcomes = master.putStart(call.keys, request: request, host: call.host, at: core.now)
      for (hash, outcome) in zip(call.keys, outcomes) {
        switch outcome {
        case .allocated(let segment):
          states[request].puts.append(hash)
          states[request].targets.append(segment)
        case .exists: deduplicatedBlocks += 1
        case .noSpace: break
        }
      }
      allocatedBlocks += states[request].puts.count
      server.answer(slot, &core)
    case .putEnd:
      published += master.putEnd(call.keys, request: request, at: core.now)
      states[request].puts = []
      states[request].targets = []
      server.finish(slot, &core)
    case .get, .release: preconditionFailure("mooncake makes no such call")
    }
  }

  // MARK: Faults

  /// The host's segment goes with it. Requests that wait for blocks in it begin anew; saves of which
  /// a part goes to it are given up.
  mutating func nodeDown(_ worker: Int, _ core: inout ServingCore) {
    pull.forget(worker)
    let host = core.engines[worker].host
    master.unmount(host)
    for request in core.records.first..<core.supplied {
      if states[request].sources.contains(host) { core.lose(request) }
      guard states[request].isSaving, states[request].targets.contains(host) else { continue }
      core.cancelTransfers(of: request, only: .prefillSave)
      revoke(request, &core)
      if core.engines[core.records[request].prefillWorker].isUp { saved(request, &core) }
    }
  }

  mutating func nodeUp(_ worker: Int, _ core: inout ServingCore) {
    master.mount(core.engines[worker].host)
    core.engineUp(worker)
  }

  mutating func abort(_ request: Int, _ core: inout ServingCore) {
    let worker = core.records[request].prefillWorker
    if states[request].isSaving, core.system.synchronousSave, core.engines[worker].isUp {
      core.resumeSteps(of: worker)
    }
    if !states[request].sources.isEmpty { master.endRead(states[request].hits) }
    prefillLost(request, &core)
  }

  mutating func prefillLost(_ request: Int, _ core: inout ServingCore) {
    revoke(request, &core)
    states[request] = State()
  }

  private mutating func revoke(_ request: Int, _ core: inout ServingCore) {
    master.putRevoke(states[request].puts, request: request)
    states[request].puts = []
    states[request].targets = []
    states[request].savesLeft = 0
  }

  // MARK: The end

  private var blocksHit = 0
  private var published = 0
  private var deduplicatedBlocks = 0
  private var allocatedBlocks = 0

  mutating func forget(before request: Int) { states.drop(before: request) }

  mutating func close(_ core: inout ServingCore) -> (StoreUse?, [String]) {
    var problems: [String] = []
    if master.readCount > 0 {
      problems.append("mooncake: \(master.readCount) blocks are still being read")
    }
    if master.writtenCount > 0 {
      problems.append("mooncake: \(master.writtenCount) blocks are still being written")
    }
    for (segment, used) in master.used.enumerated() where used > master.segmentBlocks {
      problems.append(
        "mooncake: segment \(segment) holds \(used) of \(master.segmentBlocks) blocks")
    }
    let blockBytes = core.system.blockTokens * core.kvBytesPerToken
    let saved = core.bytesByKind[TransferKind.prefillSave.rawValue]
    if !core.faults.isPresent, saved != published * blockBytes || published != allocatedBlocks {
      problems.append(
        "mooncake: \(saved) bytes saved, \(allocatedBlocks) blocks allocated, \(published) published"
      )
    }
    var use = server.use
    use.blocksHit = blocksHit
    use.blocksPublished = published
    use.evictions = master.evictions
    use.allocationFailures = master.failures
    use.deduplicatedTokens = deduplicatedBlocks * core.system.blockTokens
    return (use, problems)
  }
}
