// `tract`: KV crosses CXL shared memory, which is also the rack's prefix cache; the store is real.

import EventKernel
import TractStore

/// Whether a connector over shared memory finds blocks that other requests left.
protocol ReusePolicy {
  static var reuses: Bool { get }
}

/// Blocks are named by their content and stay until they are evicted.
enum RackWideReuse: ReusePolicy {
  static var reuses: Bool { true }
}

/// Prefill writes blocks to shared memory and publishes them; decode reads them from there.
///
/// Blocks that cannot be named by content (a prompt's partial tail; all blocks without reuse; a
/// block that another request is writing at this moment) get a private name and are removed once
/// decode has read them.
struct CXLConnector<Policy: ReusePolicy>: Connector, ~Copyable {
  static var preparesAhead: Bool { Policy.reuses }

  private struct State {
    /// Hashes that were looked up, until the prompt is computed.
    var hashes: [BlockHash] = []
    /// Blocks of the prompt found in the cache and pinned by the prefill node.
    var hits = 0
    /// Index and name of new blocks that have no reservation yet.
    var unreserved: [(block: Int, hash: BlockHash)] = []
    /// Blocks found READY when they were to be reserved, to be pinned instead.
    var existing: [(block: Int, hash: BlockHash)] = []
    var writeQueue: [Written] = []
    /// The batch whose bytes are on their way.
    var writing: [Written] = []
    var publishing: [[Written]] = []
    /// New blocks that are neither published nor found.
    var unsettled = 0
    /// Blocks decode may read, pinned by the prefill node.
    var readable: [Readable] = []
    /// The batch decode is reading.
    var reading: [Readable] = []
    var decodePins: [PinnedBlock] = []
    var tokensRead = 0
    var wantsBlocks = false
    var isSaving = false
    /// Milliseconds until space is asked for again, and when that will be.
    var retryPause = SimDuration.zero
    var retryTime: SimTime?
    /// The prefill node's life: later ones know nothing of this request.
    var prefillLife = 0
    var deduplicatedTokens = 0

    /// Begins to write the first `count` of the queue.
    mutating func takeBatch(_ count: Int) {
      guard count < writeQueue.count else { return swap(&writing, &writeQueue) }
      writing = Array(writeQueue[..<count])
      writeQueue.removeFirst(count)
    }

    /// Begins to read all that is readable.
    mutating func takeReadable() { swap(&reading, &readable) }
  }

  private struct Written {
    var block: Int
    var reservation: Reservation
  }

  private struct Readable {
    var block: Int
    var pinned: PinnedBlock
  }

  private var store: StoreDriver
  private var states = RequestTable(State())
  /// By host, the requests that have blocks to reserve, in the order in which they were computed;
  /// only the first one asks. So a request waits for space that earlier ones hold, never the other
  /// way round, and decode admits in the same order.
  private var reserving: [RequestLine]
  /// New blocks found in the cache after all, so that they were not written.
  private(set) var deduplicatedTokens = 0

  private static var stall: (span: SimDuration, reason: String) {
    (
      ServingConstants.stallLimit,
      "the CXL pool has no space that anybody could free; raise cache_gib"
    )
  }

  init(core: inout ServingCore) {
    store = StoreDriver(core: &core)
    reserving = Array(repeating: RequestLine(), count: core.engines.count)
  }

  private func prefillNode(_ request: Int, _ core: borrowing ServingCore) -> Int {
    core.engines[core.records[request].prefillWorker].host
  }

  private func decodeNode(_ request: Int, _ core: borrowing ServingCore) -> Int {
    core.engines[core.records[request].decodeWorker].host
  }

  private func tokens(ofBlock block: Int, request: Int, _ core: borrowing ServingCore) -> Int {
    min(
      core.system.blockTokens, core.records[request].inputTokens - block * core.system.blockTokens)
  }

  // MARK: Prefill

  mutating func prepare(_ request: Int, _ core: inout ServingCore) {
    states[request].prefillLife = store.lives[prefillNode(request, core)]
    let hashes = Policy.reuses ? core.cacheableHashes(request) : []
    guard !hashes.isEmpty else {
      core.prepared(request: request, cachedTokens: 0)
      return
    }
    states[request].hashes = hashes
    store.start(
      .pin(PinBlocks(hashes, stopsAtMiss: true)), .lookup, node: prefillNode(request, core),
      request: request, &core)
  }

  mutating func loadPrefix(_ request: Int, _ core: inout ServingCore) {
    let bytes = states[request].hits * core.system.blockTokens * core.kvBytesPerToken
    core.startCopy(
      .prefillLoad, request: request, bytes: bytes, .cxlToGPU, host: prefillNode(request, core))
  }

  mutating func prefilled(_ request: Int, _ core: inout ServingCore) {
    let full = core.fullBlocks(request)
    let known = states[request].hashes
    states[request].hashes = []
    let all =
      (core.records[request].inputTokens + core.system.blockTokens - 1) / core.system.blockTokens
    states[request].unreserved.reserveCapacity(all - states[request].hits)
    for block in states[request].hits..<all {
      let hash =
        if !Policy.reuses || block >= full {
          privateHash(request, block, core)
        } else if block < known.count {
          known[block]
        } else {
          core.fullBlockHash(request, block)
        }
      states[request].unreserved.append((block, hash))
    }
    states[request].unsettled = all - states[request].hits
    states[request].isSaving = true
    if core.system.synchronousSave { core.holdSteps(of: core.records[request].prefillWorker) }
    // There always is something to write: at least one token is computed.
    if reserving[prefillNode(request, core)].join(request) { reserve(request, &core) }
    core.handOver(request)
  }

  private func privateHash(_ request: Int, _ block: Int, _ core: borrowing ServingCore) -> BlockHash
  {
    BlockHashing.privateHash(
      request: request, block: block, attempt: core.faults.attempts[request])
  }

  /// Whether the prefill node still is in the life in which it began the request.
  private func hasPrefillNode(_ request: Int, _ core: borrowing ServingCore) -> Bool {
    store.lives[prefillNode(request, core)] == states[request].prefillLife
  }

  private mutating func reserve(_ request: Int, _ core: inout ServingCore) {
    store.start(
      .reserve(PutStart(states[request].unreserved.map(\.hash))), .reserve,
      node: prefillNode(request, core), request: request, &core)
  }

  mutating func retry(_ request: Int, _ core: inout ServingCore) {
    // Else an attempt asked that has come to nothing.
    guard states[request].retryTime == core.now else { return }
    states[request].retryTime = nil
    reserve(request, &core)
  }

  /// Sorts out what could be reserved; what could not is pinned, renamed or asked for again.
  private mutating func reserved(
    _ outcomes: [PutOutcome], _ request: Int, _ core: inout ServingCore
  ) {
    let asked = states[request].unreserved
    states[request].unreserved = []
    var waits = false
    states[request].writeQueue.reserveCapacity(asked.count)
    for (item, outcome) in zip(asked, outcomes) {
      switch outcome {
      case .reserved(let reservation):
        states[request].retryPause = .zero
        states[request].writeQueue.append(Written(block: item.block, reservation: reservation))
      case .exists: states[request].existing.append(item)
      case .inFlight: rename(item.block, request, core)
      case .noSpace, .timedOut:
        states[request].unreserved.append(item)
        waits = true
      }
    }
    writeNext(request, &core)
    if !states[request].existing.isEmpty {
      let hashes = states[request].existing.map(\.hash)
      store.start(
        .pin(PinBlocks(hashes, stopsAtMiss: false)), .confirm, node: prefillNode(request, core),
        request: request, &core)
    } else {
      reserveRest(request, afterPause: waits, &core)
    }
  }

  private mutating func rename(_ block: Int, _ request: Int, _ core: borrowing ServingCore) {
    states[request].unreserved.append((block, privateHash(request, block, core)))
  }

  private mutating func reserveRest(
    _ request: Int, afterPause: Bool, _ core: inout ServingCore
  ) {
    guard !states[request].unreserved.isEmpty else {
      if let next = reserving[prefillNode(request, core)].leave(request) { reserve(next, &core) }
      return
    }
    if afterPause {
      guard !core.abandonIfStalled(Self.stall) else { return }
      let pause = max(ServingConstants.spaceRetryFirst, states[request].retryPause)
      states[request].retryPause = min(pause * 2, ServingConstants.spaceRetryLongest)
      let time = core.now + pause
      states[request].retryTime = time
      core.schedule(.retry(request: Int32(request)), at: time)
    } else {
      reserve(request, &core)
    }
  }

  private mutating func confirmed(
    _ outcomes: [PinOutcome], _ request: Int, _ core: inout ServingCore
  ) {
    for (item, outcome) in zip(states[request].existing, outcomes) {
      if case .pinned(let pinned) = outcome {
        states[request].unsettled -= 1
        let tokens = tokens(ofBlock: item.block, request: request, core)
        deduplicatedTokens += tokens
        states[request].deduplicatedTokens += tokens
        states[request].readable.append(Readable(block: item.block, pinned: pinned))
      } else {
        rename(item.block, request, core)
      }
    }
    states[request].existing = []
    reserveRest(request, afterPause: true, &core)
    readNext(request, &core)
    releaseIfSettled(request, &core)
  }

  /// Starts the next batch of writes; a request's batches follow one another on one copy engine.
  private mutating func writeNext(_ request: Int, _ core: inout ServingCore) {
    guard states[request].writing.isEmpty, !states[request].writeQueue.isEmpty else { return }
    let count = min(core.system.writeBatchBlocks, states[request].writeQueue.count)
    states[request].takeBatch(count)
    let tokens = states[request].writing.reduce(0) {
      $0 + self.tokens(ofBlock: $1.block, request: request, core)
    }
    core.startCopy(
      .prefillSave, request: request, bytes: tokens * core.kvBytesPerToken, .gpuToCXL,
      host: prefillNode(request, core))
  }

  private mutating func releaseIfSettled(_ request: Int, _ core: inout ServingCore) {
    guard states[request].isSaving, states[request].unsettled == 0 else { return }
    states[request].isSaving = false
    if core.system.synchronousSave { core.resumeSteps(of: core.records[request].prefillWorker) }
    core.releasePrefill(request)
  }

  // MARK: Decode

  mutating func fetch(_ request: Int, _ core: inout ServingCore) {
    states[request].wantsBlocks = true
    readNext(request, &core)
  }

  /// Pins, then reads, all blocks that have become READY since the last batch; the whole prompt at
  /// once if decode waits for it.
  private mutating func readNext(_ request: Int, _ core: inout ServingCore) {
    guard states[request].wantsBlocks, states[request].reading.isEmpty,
      !states[request].readable.isEmpty
    else { return }
    if core.system.readyWait == .wholePrompt {
      let ready = states[request].readable.reduce(states[request].tokensRead) {
        $0 + tokens(ofBlock: $1.block, request: request, core)
      }
      guard ready == core.records[request].inputTokens else { return }
    }
    states[request].takeReadable()
    let hashes = states[request].reading.map(\.pinned.hash)
    store.start(
      .pin(PinBlocks(hashes, stopsAtMiss: false)), .decodePin, node: decodeNode(request, core),
      request: request, &core)
  }

  /// Decode holds its own pins: the prefill node's can go, and the bytes can flow.
  private mutating func decodePinned(
    _ outcomes: [PinOutcome], _ request: Int, _ core: inout ServingCore
  ) {
    var kept = 0
    var isLost = false
    states[request].decodePins.reserveCapacity(outcomes.count)
    for (index, outcome) in outcomes.enumerated() {
      let item = states[request].reading[index]
      switch outcome {
      case .pinned(let pinned):
        states[request].reading[kept] = item
        kept += 1
        states[request].decodePins.append(pinned)
      case .absent where !hasPrefillNode(request, core):
        // The pins of the dead do not keep a block.
        isLost = true
      case .notReady, .absent:
        // Only a full pin table can refuse a block that the prefill node has pinned.
        states[request].readable.append(item)
      }
    }
    states[request].reading.removeLast(states[request].reading.count - kept)
    let batch = states[request].reading
    guard !isLost else { return core.lose(request) }
    guard !batch.isEmpty else {
      readNext(request, &core)
      return
    }
    if hasPrefillNode(request, core) {
      store.start(
        .unpin(Unpin(batch.map(\.pinned))), .prefillUnpin, node: prefillNode(request, core),
        request: request, &core)
    }
    let tokens = batch.reduce(0) { $0 + self.tokens(ofBlock: $1.block, request: request, core) }
    core.startCopy(
      .decodeLoad, request: request, bytes: tokens * core.kvBytesPerToken, .cxlToGPU,
      host: decodeNode(request, core))
  }

  private mutating func batchRead(_ request: Int, bytes: Int, _ core: inout ServingCore) {
    let node = decodeNode(request, core)
    core.records[request].handedOverBytes += bytes
    let pins = states[request].decodePins
    states[request].decodePins = []
    store.start(.unpin(Unpin(pins)), .decodeUnpin, node: node, request: request, &core)
    for item in states[request].reading {
      states[request].tokensRead += tokens(ofBlock: item.block, request: request, core)
    }
    states[request].reading = []
    if states[request].tokensRead == core.records[request].inputTokens {
      core.loaded(SequenceID(request: request, side: .decode))
    } else {
      readNext(request, &core)
    }
  }

  /// Private blocks that decode has read are of no use to anyone.
  private mutating func removePrivate(
    _ blocks: [PinnedBlock], _ request: Int, _ core: inout ServingCore
  ) {
    let hashes = blocks.map(\.hash).filter { BlockHashing.isPrivate($0) }
    guard !hashes.isEmpty, hasPrefillNode(request, core) else { return }
    store.start(
      .remove(Remove(hashes)), .remove, node: prefillNode(request, core), request: request, &core)
  }

  // MARK: Events

  mutating func transferEnded(_ transfer: Transfer, _ core: inout ServingCore) {
    let request = Int(transfer.request)
    switch transfer.kind {
    case .prefillLoad: core.loaded(SequenceID(request: request, side: .prefill))
    case .prefillSave:
      let batch = states[request].writing
      states[request].writing = []
      states[request].publishing.append(batch)
      store.start(
        .publish(PutEnd(batch.map(\.reservation), pinning: true)), .publish,
        node: prefillNode(request, core), request: request, &core)
      writeNext(request, &core)
    case .decodeLoad: batchRead(request, bytes: transfer.bytes, &core)
    case .handOver: preconditionFailure("tract hands over through shared memory")
    }
  }

  mutating func storeStep(process: Int, _ core: inout ServingCore) {
    guard let ended = store.step(process, &core), let answer = ended.answer else { return }
    store.note(ended, &core)
    let request = ended.request
    guard ended.purpose != .cleanUp else { return }
    guard ended.attempt == core.faults.attempts[request] else {
      return giveBack(answer, ended.node, &core)
    }
    switch (ended.purpose, answer) {
    case (.lookup, .pinned(let outcomes)):
      states[request].readable.reserveCapacity(outcomes.count)
      for case .pinned(let pinned) in outcomes {
        let block = states[request].readable.count
        states[request].readable.append(Readable(block: block, pinned: pinned))
      }
      let hits = states[request].readable.count
      states[request].hits = hits
      core.prepared(request: request, cachedTokens: hits * core.system.blockTokens)
    case (.reserve, .reserved(let outcomes)): reserved(outcomes, request, &core)
    case (.confirm, .pinned(let outcomes)): confirmed(outcomes, request, &core)
    case (.publish, .published(let pinned)):
      let batch = states[request].publishing.removeFirst()
      states[request].readable.reserveCapacity(batch.count)
      for (item, pinned) in zip(batch, pinned) {
        states[request].readable.append(Readable(block: item.block, pinned: pinned))
      }
      states[request].unsettled -= batch.count
      readNext(request, &core)
      releaseIfSettled(request, &core)
    case (.decodePin, .pinned(let outcomes)): decodePinned(outcomes, request, &core)
    case (.decodeUnpin, .unpinned(let blocks)): removePrivate(blocks, request, &core)
    case (.prefillUnpin, .unpinned), (.remove, .done): break
    default: preconditionFailure("a store process answered another question")
    }
  }

  mutating func lockManagerStep(seat: Int, version: UInt32, _ core: inout ServingCore) {
    store.stepManager(seat, version: version, &core)
  }

  // MARK: Faults

  mutating func tick(node: Int, life: Int, _ core: inout ServingCore) {
    store.tick(node, life: life, &core)
  }

  mutating func pauseManager(until end: SimTime, _ core: inout ServingCore) {
    store.pauseManager(until: end)
  }

  mutating func nodeDown(_ worker: Int, _ core: inout ServingCore) {
    store.nodeDown(core.engines[worker].host, &core)
    reserving[worker] = RequestLine()
  }

  mutating func nodeUp(_ worker: Int, _ core: inout ServingCore) {
    store.nodeUp(core.engines[worker].host, &core)
  }

  /// Pins and reservations on living nodes are given back; private blocks that are published
  /// already are left to eviction. Operations under way give back what they get when they end.
  mutating func abort(_ request: Int, _ core: inout ServingCore) {
    let record = core.records[request]
    guard record.prefillWorker >= 0 else { return }
    if core.engines[record.prefillWorker].isUp, hasPrefillNode(request, core) {
      abortPrefill(request, &core)
    }
    let state = states[request]
    if record.decodeWorker >= 0, core.engines[record.decodeWorker].isUp {
      cleanUp(
        .unpin(Unpin(state.decodePins)), state.decodePins.count, decodeNode(request, core), &core)
    }
    deduplicatedTokens -= state.deduplicatedTokens
    states[request] = State()
  }

  private mutating func abortPrefill(_ request: Int, _ core: inout ServingCore) {
    let state = states[request]
    let node = prefillNode(request, core)
    if state.isSaving, core.system.synchronousSave {
      core.resumeSteps(of: core.records[request].prefillWorker)
    }
    // Decode's pins have replaced the prefill node's on what it reads now.
    let read = state.decodePins.isEmpty ? state.reading : []
    let pins = (state.readable + read).map(\.pinned)
    cleanUp(.unpin(Unpin(pins)), pins.count, node, &core)
    let reserved = (state.writeQueue + state.writing).map(\.reservation)
    cleanUp(.revoke(PutRevoke(reserved)), reserved.count, node, &core)
    if let next = reserving[node].drop(request) { reserve(next, &core) }
  }

  private mutating func cleanUp(
    _ operation: StoreProcess.Operation, _ count: Int, _ node: Int, _ core: inout ServingCore
  ) {
    guard count > 0 else { return }
    store.start(operation, .cleanUp, node: node, request: -1, &core)
  }

  /// Gives back what an operation got for an attempt that has come to nothing meanwhile.
  private mutating func giveBack(
    _ answer: StoreProcess.Answer, _ node: Int, _ core: inout ServingCore
  ) {
    switch answer {
    case .pinned(let outcomes):
      let pins = outcomes.compactMap { outcome in
        if case .pinned(let block) = outcome { block } else { nil }
      }
      cleanUp(.unpin(Unpin(pins)), pins.count, node, &core)
    case .published(let pins): cleanUp(.unpin(Unpin(pins)), pins.count, node, &core)
    case .reserved(let outcomes):
      let reserved = outcomes.compactMap { outcome in
        if case .reserved(let reservation) = outcome { reservation } else { nil }
      }
      cleanUp(.revoke(PutRevoke(reserved)), reserved.count, node, &core)
    case .unpinned, .done: break
    case .joined, .ticked, .recovered: preconditionFailure("the store's own affair")
    }
  }

  mutating func forget(before request: Int) { states.drop(before: request) }

  mutating func close(_ core: inout ServingCore) -> (StoreUse?, [String]) {
    var (use, problems) = store.close()
    let kind = TransferKind.prefillSave.rawValue
    let written = (core.bytesByKind[kind] - core.faults.lostBytes[kind]) / core.kvBytesPerToken
    let expected = core.totals.completedTokens - core.totals.completedCachedTokens
    if core.totals.completed == core.requestCount, written + deduplicatedTokens != expected {
      problems.append(
        "tract: \(written) tokens written and \(deduplicatedTokens) found make not \(expected)")
    }
    use.deduplicatedTokens = deduplicatedTokens
    return (use, problems)
  }
}
