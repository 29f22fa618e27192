// Clearing away what dead members left: half-done entries, torn lines, chunks without an owner.

import SharedMemory

/// What `Recover` found and did.
public struct RecoveryReport: Hashable, Sendable {
  /// Members whose traces were cleared away; empty if others had done it already.
  public var recovered: [Member] = []
  /// Reservations given up.
  public var reservationsDropped = 0
  /// Entries that were being evicted and are READY again.
  public var evictionsUndone = 0
  /// Lines that were torn.
  public var linesMended = 0
  public var chunksOrphaned = 0
  public var chunksQuarantined = 0

  public init() {}
}

/// Clears away the traces of all fenced members, as an ordinary operation of a living one.
///
/// A fence is a barrier: before it is written the dead have stopped, and what their caches held is
/// at the device or lost for good. So lines can be mended in place, under the locks that guard
/// them, which the manager has freed meanwhile: any prefix of what a critical section writes is a
/// legal state, and living nodes may have worked on from there. All steps may be done again; if the
/// recovering node dies, another begins anew.
///
/// The order matters: chunks with reserved blocks are quarantined before the reservations are
/// dropped, and chunks are given up only after the index is scrubbed, or an adopter could reuse a
/// block whose entry becomes READY again.
public struct Recover: Operation {
  private enum State: Hashable {
    case lock
    case look
    case lookForReserved(slot: Int)
    case quarantine(Int)
    case scrubShard(Int)
    case scrub(shard: Int, slot: Int)
    case chunks(Int)
    case roots
    case record
  }

  private var guarding: LockSet
  private var lock: LockSet
  private var state = State.lock
  /// Who was dead when this began. Whoever dies meanwhile is left to the next recovery, or parts of
  /// the pool would already have been passed over.
  private var fences: [Fence] = []
  private var recovered: [Recovered] = []
  /// Chunks in which dead members had reserved blocks.
  private var reservedIn: Set<Int> = []
  private var quarantineNodes: Set<Int> = []
  /// Chunks that dead members own.
  private var deadChunks: Set<Int> = []
  private var report = RecoveryReport()

  public init(_ geometry: PoolGeometry) {
    guarding = LockSet([geometry.recoveryLock], patience: .unlimited)
    lock = LockSet([geometry.chunkLock], patience: .unlimited)
  }

  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<RecoveryReport> {
    let geometry = client.geometry
    if client.mutant == .recordsLateDeaths { fences = client.fences }
    switch state {
    case .lock:
      switch guarding.acquire(&memory, &client) {
      case .done: state = .look
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
    case .look:
      fences = geometry.readFences(&memory)
      client.fences = fences
      recovered = geometry.readRecovered(&memory)
      memory.reach(.recoveryBegun)
      guard zip(recovered, fences).contains(where: { $0.isBehind($1) }) else {
        guarding.release(&memory, &client)
        return .done(report)
      }
      state = .lookForReserved(slot: 0)
    case .lookForReserved(let slot):
      let end = lookForReserved(from: slot, &memory, client)
      state = end == geometry.entries ? .quarantine(0) : .lookForReserved(slot: end)
    case .quarantine(let chunk):
      return underLock(geometry.chunkLock, &memory, &client) { recovery, memory, client in
        let end = recovery.quarantine(from: chunk, &memory, client)
        if end < geometry.chunks { return .quarantine(end) }
        memory.reach(.chunksQuarantined)
        return client.mutant == .orphansBeforeScrubbing ? .chunks(0) : .scrubShard(0)
      }
    case .scrubShard(let shard):
      lock = LockSet([UInt16(shard)], patience: .unlimited)
      state = .scrub(shard: shard, slot: shard * geometry.entriesPerShard)
    case .scrub(let shard, let slot):
      return underLock(UInt16(shard), &memory, &client) { recovery, memory, client in
        let end = recovery.scrub(shard: shard, from: slot, &memory, client)
        if end < (shard + 1) * geometry.entriesPerShard { return .scrub(shard: shard, slot: end) }
        memory.reach(.shardScrubbed)
        if shard + 1 < geometry.shards { return .scrubShard(shard + 1) }
        return client.mutant == .orphansBeforeScrubbing ? .roots : .chunks(0)
      }
    case .chunks(let chunk):
      return underLock(geometry.chunkLock, &memory, &client) { recovery, memory, client in
        let end = recovery.orphan(from: chunk, &memory, client)
        if end < geometry.chunks { return .chunks(end) }
        memory.reach(.chunksOrphaned)
        return client.mutant == .orphansBeforeScrubbing ? .scrubShard(0) : .roots
      }
    case .roots:
      return underLock(geometry.rootLock, &memory, &client) { recovery, memory, client in
        recovery.mendRoots(&memory, client.geometry)
        return .record
      }
    case .record:
      record(&memory, client)
      memory.reach(.recoveryRecorded)
      guarding.release(&memory, &client)
      return .done(report)
    }
    return .sync
  }

  /// A damaged chunk line may name a node that cannot be: it is left to `Repair`.
  private func isDead(_ member: Member) -> Bool {
    fences.indices.contains(member.node) && fences[member.node].covers(member)
  }

  /// Runs `body`, once a step, with a lock held, until it goes on to another kind of work.
  private mutating func underLock<M: SharedMemory & ~Copyable>(
    _ wanted: UInt16, _ memory: inout M, _ client: inout StoreClient,
    _ body: (inout Recover, inout M, StoreClient) -> State
  ) -> Step<RecoveryReport> {
    if !lock.isHeld {
      if lock.locks != [wanted] { lock = LockSet([wanted], patience: .unlimited) }
      switch lock.acquire(&memory, &client) {
      case .done, .sync: return .sync
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
    }
    let next = body(&self, &memory, client)
    let goesOn =
      switch (state, next) {
      case (.quarantine, .quarantine), (.scrub, .scrub), (.chunks, .chunks): true
      default: false
      }
    if !goesOn { lock.release(&memory, &client) }
    state = next
    return .sync
  }

  // MARK: Quarantine

  private mutating func lookForReserved<M: SharedMemory & ~Copyable>(
    from first: Int, _ memory: inout M, _ client: StoreClient
  ) -> Int {
    let geometry = client.geometry
    let slots = first..<min(first + ChunkEntry.batch, geometry.entries)
    memory.invalidate(slots.map { geometry.entry($0) })
    for slot in slots {
      let line = memory.loadLine(geometry.entry(slot))
      guard
        let entry = IndexEntry(line, in: geometry) ?? IndexEntry.torn(line, in: geometry)?.entry
      else { continue }
      // A torn READY may have been RESERVED: quarantine costs little.
      guard entry.state == .reserved || !line.isSealed, isDead(entry.writer) else {
        continue
      }
      reservedIn.insert(entry.block / geometry.blocksPerChunk)
    }
    return slots.upperBound
  }

  private mutating func quarantine<M: SharedMemory & ~Copyable>(
    from first: Int, _ memory: inout M, _ client: StoreClient
  ) -> Int {
    eachChunk(from: first, &memory, client.geometry) { recovery, chunk, line in
      guard var entry = ChunkEntry(line), recovery.isDead(entry.owner) else { return nil }
      // Also if an earlier recovery came as far as this, and died.
      let isQuarantined = entry.state == .quarantined && client.mutant != .passesOverQuarantined
      guard entry.state == .owned || isQuarantined else { return nil }
      recovery.deadChunks.insert(chunk)
      guard entry.state == .owned, recovery.reservedIn.contains(chunk),
        recovery.fences[entry.owner.node].fencing < .silenced, client.mutant != .skipsQuarantine
      else { return nil }
      entry.state = .quarantined
      recovery.report.chunksQuarantined += 1
      return entry
    }
  }

  // MARK: The index

  private mutating func scrub<M: SharedMemory & ~Copyable>(
    shard: Int, from first: Int, _ memory: inout M, _ client: StoreClient
  ) -> Int {
    let geometry = client.geometry
    let end = min(first + ChunkEntry.batch, (shard + 1) * geometry.entriesPerShard)
    memory.invalidate((first..<end).map { geometry.entry($0) })
    var writes: [LineWrite] = []
    for slot in first..<end {
      let address = geometry.entry(slot)
      guard let mended = mend(memory.loadLine(address), client) else { continue }
      writes.append(LineWrite(mended.line, at: address))
    }
    memory.writeLines(writes)
    return end
  }

  /// What a line must become; nil if it may stay.
  private mutating func mend(_ line: Line64, _ client: StoreClient) -> IndexEntry? {
    let geometry = client.geometry
    guard var entry = IndexEntry(line, in: geometry) else {
      return client.mutant == .leavesTornLines ? nil : mendTorn(line, client)
    }
    switch entry.state {
    case .empty, .tomb, .ready: return nil
    case .reserved:
      guard isDead(entry.writer) || client.mutant == .scrubsTheLiving else { return nil }
      report.reservationsDropped += 1
      entry.state = .tomb
    case .evicting:
      guard deadChunks.contains(entry.block / geometry.blocksPerChunk) else { return nil }
      // The eviction did not come to its end, so nothing has overwritten the payload.
      report.evictionsUndone += 1
      entry.state = client.mutant == .dropsEvicting ? .tomb : .ready
    }
    return entry
  }

  private mutating func mendTorn(_ line: Line64, _ client: StoreClient) -> IndexEntry? {
    guard let torn = IndexEntry.torn(line, in: client.geometry) else {
      // Not a change of state alone: written under the shard's lock, which is ours now, so by one
      // of the dead.
      report.linesMended += 1
      return .tomb
    }
    var entry = torn.entry
    if torn.states == [.ready, .evicting] {
      guard deadChunks.contains(entry.block / client.geometry.blocksPerChunk) else { return nil }
      entry.state = .ready
    } else if torn.states.contains(.evicting) {
      guard deadChunks.contains(entry.block / client.geometry.blocksPerChunk) else { return nil }
      entry.state = .tomb
    } else {
      guard isDead(entry.writer) else { return nil }
      entry.state = .tomb
    }
    report.linesMended += 1
    return entry
  }

  // MARK: Chunks and roots

  private mutating func orphan<M: SharedMemory & ~Copyable>(
    from first: Int, _ memory: inout M, _ client: StoreClient
  ) -> Int {
    eachChunk(from: first, &memory, client.geometry) { recovery, chunk, line in
      guard var entry = ChunkEntry(line) else {
        // Torn under the chunk table's lock, which is ours now.
        recovery.report.linesMended += 1
        return ChunkEntry(mending: line)
      }
      guard recovery.isDead(entry.owner) else { return nil }
      switch entry.state {
      case .owned:
        entry.state = .orphaned
        recovery.report.chunksOrphaned += 1
      case .quarantined:
        guard recovery.fences[entry.owner.node].fencing == .silenced else {
          recovery.quarantineNodes.insert(entry.owner.node)
          return nil
        }
        entry.state = .orphaned
        recovery.report.chunksOrphaned += 1
      case .free, .orphaned: return nil
      }
      return entry
    }
  }

  /// Writes what `change` makes of a batch of chunk lines; returns where the next batch begins.
  private mutating func eachChunk<M: SharedMemory & ~Copyable>(
    from first: Int, _ memory: inout M, _ geometry: PoolGeometry,
    _ change: (inout Recover, Int, Line64) -> ChunkEntry?
  ) -> Int {
    let chunks = first..<min(first + ChunkEntry.batch, geometry.chunks)
    memory.invalidate(chunks.map { geometry.chunkLine($0) })
    var writes: [LineWrite] = []
    for chunk in chunks {
      let address = geometry.chunkLine(chunk)
      guard let entry = change(&self, chunk, memory.loadLine(address)) else { continue }
      writes.append(LineWrite(entry.line, at: address))
    }
    memory.writeLines(writes)
    return chunks.upperBound
  }

  private mutating func mendRoots<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) {
    let places = (0..<PoolGeometry.rootLimit).flatMap { place in
      (0..<2).map { geometry.root(place, side: $0) }
    }
    memory.invalidate(places)
    let torn = places.filter { !memory.loadLine($0).isSealed }
    report.linesMended += torn.count
    memory.writeLines(torn.map { LineWrite(Line64(), at: $0) })
  }

  private mutating func record<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: StoreClient
  ) {
    var writes: [LineWrite] = []
    for (node, fence) in fences.enumerated() where recovered[node].isBehind(fence) {
      let done = Recovered(fence.incarnation, hasQuarantine: quarantineNodes.contains(node))
      writes.append(LineWrite(done.line, at: client.geometry.recovered(node: node)))
      report.recovered.append(Member(node: node, incarnation: fence.incarnation))
    }
    memory.writeLines(writes)
  }
}
