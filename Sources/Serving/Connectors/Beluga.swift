// `beluga`: KV crosses a CXL pool that is also the rack's prefix cache; a central server keeps its metadata.

import EventKernel
import TractStore

/// Prefill writes blocks to the pool and decode reads them there; each asks the server by a call.
///
/// The rules of the server are assumed, as the paper's text does not give them: a block has one
/// writer, and others that want to write it wait until it is done; least recently used blocks that
/// nobody has pinned are evicted; space is given in the order in which prompts were computed. A
/// prefix is pinned from its lookup until it is loaded, unless space runs out before its load begins;
/// after prefill all blocks of the prompt are pinned or written again, and stay until decode has read
/// them, all at once. A prompt's partial tail gets a private name and is dropped then. A dead host's pins are dropped at once.
struct BelugaConnector: Connector, ~Copyable {
  private struct Block {
    var hash: BlockHash
    var tokens: Int
    /// Found by the lookup before prefill.
    var wasHit: Bool
  }

  private struct State {
    /// Cached blocks pinned until they are loaded.
    var hits: [BlockHash] = []
    /// The prompt's blocks, of which the first `settled` are pinned.
    var blocks: [Block] = []
    var settled = 0
    /// From the call that asks for space until its answer.
    var isAsking = false
    /// That call, while the server has no answer.
    var slot: Int?
    /// Blocks that others write.
    var awaited = 0
    /// Blocks that have space, and those that are on their way to it.
    var granted: [Block] = []
    var underWay: [Block] = []
    var isSaving = false
    var wantsBlocks = false
  }

  private var server: MetadataServer
  private var cache: BlockCache
  /// Who waits for each block that is being written.
  private var writing: [BlockHash: [Int]] = [:]
  private var line = RequestLine()
  /// Requests whose prefix was found and is not being loaded yet; one a prefill worker at most.
  private var found: [Int] = []
  private var states = RequestTable(State())
  /// Tokens of blocks that were not written, since they or somebody who writes them were there.
  private var foundTokens = 0
  /// The first in line, when a timer watches it.
  private var watched: Int?

  private static var stall: (span: SimDuration, reason: String) {
    (
      ServingConstants.stallLimit,
      "the CXL pool has no space that anybody could free; raise cache_gib"
    )
  }

  init(core: inout ServingCore) {
    server = MetadataServer(.cxl, core.system)
    cache = BlockCache(
      capacity: core.system.cacheBytes / (core.system.blockTokens * core.kvBytesPerToken))
  }

  func refusal(_ request: Int, _ core: borrowing ServingCore) -> String? {
    let size = core.system.blockTokens
    let needed = (core.records[request].inputTokens + size - 1) / size
    guard needed > cache.capacity else { return nil }
    return "needs \(needed) blocks of the CXL pool, which has \(cache.capacity); raise cache_gib"
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

  mutating func loadPrefix(_ request: Int, _ core: inout ServingCore) {
    found.removeAll { $0 == request }
    read(
      .prefillLoad, request, tokens: states[request].hits.count * core.system.blockTokens,
      worker: core.records[request].prefillWorker, &core)
  }

  private func read(
    _ kind: TransferKind, _ request: Int, tokens: Int, worker: Int, _ core: inout ServingCore
  ) {
    core.startCopy(
      kind, request: request, bytes: tokens * core.kvBytesPerToken, .cxlToGPU,
      host: core.engines[worker].host, isOneKernel: true)
  }

  mutating func prefilled(_ request: Int, _ core: inout ServingCore) {
    let size = core.system.blockTokens
    let hits = core.records[request].cachedTokens / size
    var blocks = core.fullBlockHashes(request).enumerated().map {
      Block(hash: $0.element, tokens: size, wasHit: $0.offset < hits)
    }
    let tail = core.records[request].inputTokens % size
    if tail > 0 {
      let hash = BlockHashing.privateHash(
        request: request, block: blocks.count, attempt: core.faults.attempts[request])
      blocks.append(Block(hash: hash, tokens: tail, wasHit: false))
    }
    states[request].blocks = blocks
    states[request].isSaving = true
    if core.system.synchronousSave { core.holdSteps(of: core.records[request].prefillWorker) }
    ask(request, &core)
    core.handOver(request)
  }

  /// Asks for space for the blocks that are not settled yet.
  private mutating func ask(_ request: Int, _ core: inout ServingCore) {
    states[request].isAsking = true
    _ = line.join(request)
    server.call(
      .putStart, states[request].blocks[states[request].settled...].map(\.hash), request: request,
      worker: core.records[request].prefillWorker, &core)
  }

  /// Gives space to those in line, in order, while there is some.
  private mutating func serveLine(_ core: inout ServingCore) {
    while let request = line.first, let slot = states[request].slot {
      guard settle(request) || reclaim(&core) && settle(request) else {
        guard watched != request else { return }
        watched = request
        server.use.allocationFailures += 1
        core.schedule(
          .retry(request: Int32(request)), at: core.now + Self.stall.span + .seconds(1))
        return
      }
      states[request].slot = nil
      _ = line.leave(request)
      server.answer(slot, &core)
    }
  }

  /// Pins the request's blocks in order, those that are not there to be written; false if space
  /// ran out.
  private mutating func settle(_ request: Int) -> Bool {
    while states[request].settled < states[request].blocks.count {
      let block = states[request].blocks[states[request].settled]
      if cache.pin(block.hash) {
        if writing[block.hash] != nil {
          writing[block.hash]!.append(request)
          states[request].awaited += 1
        }
        foundTokens += block.tokens
        if !block.wasHit { server.use.deduplicatedTokens += block.tokens }
      } else {
        guard cache.insert(block.hash) else { return false }
        _ = cache.pin(block.hash)
        writing[block.hash] = []
        states[request].granted.append(block)
      }
      states[request].settled += 1
    }
    return true
  }

  /// Drops the pins of prefixes that nobody loads yet: else those who wait for memory that is held
  /// until it is written would keep space from those who write it. Such requests compute all. False
  /// if there are none.
  private mutating func reclaim(_ core: inout ServingCore) -> Bool {
    guard !found.isEmpty else { return false }
    for request in found {
      unpin(states[request].hits)
      states[request].hits = []
      core.prepared(request: request, cachedTokens: 0)
    }
    found = []
    return true
  }

  /// Writes what has space; one transfer after another.
  private mutating func write(_ request: Int, _ core: inout ServingCore) {
    guard states[request].underWay.isEmpty, !states[request].granted.isEmpty else { return }
    states[request].underWay = states[request].granted
    states[request].granted = []
    let tokens = states[request].underWay.reduce(0) { $0 + $1.tokens }
    core.startCopy(
      .prefillSave, request: request, bytes: tokens * core.kvBytesPerToken, .gpuToCXL,
      host: core.engines[core.records[request].prefillWorker].host, isOneKernel: true)
  }

  /// All blocks are in the pool: the prefill GPU's can go, and decode may read.
  private mutating func releaseIfDone(_ request: Int, _ core: inout ServingCore) {
    let state = states[request]
    guard state.isSaving, !state.isAsking, state.awaited == 0, state.granted.isEmpty,
      state.underWay.isEmpty
    else { return }
    states[request].isSaving = false
    if core.system.synchronousSave { core.resumeSteps(of: core.records[request].prefillWorker) }
    core.releasePrefill(request)
    readIfThere(request, &core)
  }

  // MARK: Decode

  mutating func fetch(_ request: Int, _ core: inout ServingCore) {
    states[request].wantsBlocks = true
    readIfThere(request, &core)
  }

  private mutating func readIfThere(_ request: Int, _ core: inout ServingCore) {
    guard states[request].wantsBlocks, !states[request].isSaving else { return }
    states[request].wantsBlocks = false
    server.call(
      .get, states[request].blocks.map(\.hash), request: request,
      worker: core.records[request].decodeWorker,
      &core)
  }

  // MARK: Events

  mutating func transferEnded(_ transfer: Transfer, _ core: inout ServingCore) {
    let request = Int(transfer.request)
    let record = core.records[request]
    switch transfer.kind {
    case .prefillLoad:
      server.call(
        .release, states[request].hits, request: request, worker: record.prefillWorker, &core)
      states[request].hits = []
      core.loaded(SequenceID(request: request, side: .prefill))
    case .prefillSave:
      server.call(
        .putEnd, states[request].underWay.map(\.hash), request: request,
        worker: record.prefillWorker, &core)
    case .decodeLoad:
      core.records[request].handedOverBytes += transfer.bytes
      server.call(
        .release, states[request].blocks.map(\.hash), request: request,
        worker: record.decodeWorker, &core)
      states[request].blocks = []
      states[request].settled = 0
      core.loaded(SequenceID(request: request, side: .decode))
    case .handOver: preconditionFailure("beluga hands over through shared memory")
    }
  }

  mutating func storeStep(process: Int, _ core: inout ServingCore) {
    switch server.step(process, &core) {
    case .underWay: break
    case .served(let call): served(call, process, &core)
    case .answered(let call):
      let request = call.request
      guard call.attempt == core.faults.attempts[request] else { return }
      switch call.purpose {
      case .lookup:
        core.prepared(
          request: request,
          cachedTokens: states[request].hits.count * core.system.blockTokens)
        guard !states[request].hits.isEmpty else { return }
        found.append(request)
        // Somebody may be waiting for the space that it has pinned.
        serveLine(&core)
      case .putStart:
        states[request].isAsking = false
        // Blocks may have been lost with those who wrote them.
        if states[request].settled < states[request].blocks.count { ask(request, &core) }
        write(request, &core)
        releaseIfDone(request, &core)
      case .putEnd:
        write(request, &core)
        releaseIfDone(request, &core)
      case .get:
        read(
          .decodeLoad, request, tokens: core.records[request].inputTokens,
          worker: core.records[request].decodeWorker, &core)
      case .release: preconditionFailure("nobody waits for this answer")
      }
    }
  }

  private mutating func served(_ call: MetadataCall, _ slot: Int, _ core: inout ServingCore) {
    let request = call.request
    if case .release = call.purpose {
      // What it names belongs to the call, whatever has become of the request.
      unpin(call.keys)
      server.finish(slot, &core)
      return serveLine(&core)
    }
    guard call.attempt == core.faults.attempts[request] else { return server.finish(slot, &core) }
    switch call.purpose {
    case .lookup:
      states[request].hits = Array(
        call.keys.prefix(cache.prefixLength(call.keys)).prefix { writing[$0] == nil })
      for hash in states[request].hits { _ = cache.pin(hash) }
      server.use.blocksHit += states[request].hits.count
      server.answer(slot, &core)
    case .putStart:
      states[request].slot = slot
      serveLine(&core)
    case .putEnd:
      published(request, &core)
      server.answer(slot, &core)
    case .get: server.answer(slot, &core)
    case .release: break
    }
  }

  /// The request's blocks are complete: those who wait for them go on.
  private mutating func published(_ request: Int, _ core: inout ServingCore) {
    let done = states[request].underWay
    states[request].underWay = []
    server.use.blocksPublished += done.count
    for block in done {
      for waiter in writing.removeValue(forKey: block.hash) ?? [] {
        states[waiter].awaited -= 1
        releaseIfDone(waiter, &core)
      }
    }
  }

  /// Private blocks are of no use to anyone afterwards.
  private mutating func unpin(_ hashes: [BlockHash]) {
    for hash in hashes {
      cache.unpin(hash)
      if BlockHashing.isPrivate(hash) { cache.remove(hash) }
    }
  }

  mutating func retry(_ request: Int, _ core: inout ServingCore) {
    guard watched == request else { return }
    watched = nil
    guard line.first == request, states[request].slot != nil else { return }
    if !core.abandonIfStalled(Self.stall) { serveLine(&core) }
  }

  // MARK: Faults

  /// Blocks that the request was writing are dropped; those who waited for them ask again.
  mutating func abort(_ request: Int, _ core: inout ServingCore) {
    let state = states[request]
    let worker = core.records[request].prefillWorker
    if state.isSaving, core.system.synchronousSave, core.engines[worker].isUp {
      core.resumeSteps(of: worker)
    }
    found.removeAll { $0 == request }
    if let slot = state.slot { server.finish(slot, &core) }
    _ = line.drop(request)
    states[request] = State()
    unpin(state.hits)
    let own = Set((state.granted + state.underWay).map(\.hash))
    for block in state.blocks.prefix(state.settled) {
      if own.contains(block.hash) {
        revoke(block.hash, &core)
        continue
      }
      if let place = writing[block.hash]?.firstIndex(of: request) {
        writing[block.hash]!.remove(at: place)
      }
      unpin([block.hash])
    }
    serveLine(&core)
  }

  private mutating func revoke(_ hash: BlockHash, _ core: inout ServingCore) {
    cache.remove(hash)
    for waiter in writing.removeValue(forKey: hash) ?? [] {
      guard let place = states[waiter].blocks.firstIndex(where: { $0.hash == hash }) else {
        preconditionFailure("a request waits for a block that is not its own")
      }
      // To the end, to be asked for again.
      states[waiter].blocks.append(states[waiter].blocks.remove(at: place))
      states[waiter].settled -= 1
      states[waiter].awaited -= 1
      if !states[waiter].isAsking { ask(waiter, &core) }
    }
  }

  mutating func forget(before request: Int) { states.drop(before: request) }

  mutating func close(_ core: inout ServingCore) -> (StoreUse?, [String]) {
    var problems: [String] = []
    if cache.pinned > 0 { problems.append("beluga: \(cache.pinned) blocks are pinned at the end") }
    if !writing.isEmpty { problems.append("beluga: \(writing.count) blocks are never completed") }
    if cache.count > cache.capacity { problems.append("beluga: more blocks than the pool holds") }
    let kind = TransferKind.prefillSave.rawValue
    let written = core.bytesByKind[kind] / core.kvBytesPerToken
    let expected = core.totals.completedTokens
    if !core.faults.isPresent, written + foundTokens != expected {
      problems.append(
        "beluga: \(written) tokens written and \(foundTokens) found make not \(expected)")
    }
    var use = server.use
    use.evictions = cache.evictions
    use.pinsAtEnd = cache.pinned
    return (use, problems)
  }
}
