// Taking chunks of the pool for this node's heap: free ones, then those whose owner is gone.

import SharedMemory

/// A chunk's line in the chunk table; written under its lock.
struct ChunkEntry: Hashable {
  enum State: UInt64 {
    case free = 0
    case owned = 1
    /// Its owner has died and DMA may still write into it.
    case quarantined = 2
    /// Its owner is gone; it may hold published blocks.
    case orphaned = 3
  }

  var state: State
  /// The owning member, or the last one.
  var owner: Member
  /// Rises whenever the chunk changes hands, and its blocks' generations with it.
  var generation: UInt32

  /// Lines read in one step.
  static var batch: Int { 64 }

  init(_ state: State, owner: Member, generation: UInt32) {
    self.state = state
    self.owner = owner
    self.generation = generation
  }

  /// Reads a line; nil if it is torn.
  init?(_ line: Line64) {
    guard line.isSealed, let state = State(rawValue: line[0]) else { return nil }
    self.state = state
    owner = Member(word: line[1])
    generation = UInt32(truncatingIfNeeded: line[2])
  }

  /// What becomes of a line whose writer died in mid-write: nothing that is in use is lost, and the
  /// generation is above any that was given out.
  init(mending line: Line64) {
    state = .orphaned
    owner = Member(word: line[1])
    let torn = UInt32(truncatingIfNeeded: line[2])
    generation = torn == .max ? .max : torn + 1
  }

  var line: Line64 {
    Line64(state.rawValue, owner.word, UInt64(generation), 0, 0, 0, 0, 0).sealed(sequence: 1)
  }

  /// Whether a node may take the chunk; one whose generations are used up is never taken again.
  var isClaimable: Bool { (state == .free || state == .orphaned) && generation < .max }
}

/// Claims chunks under the chunk table's lock; false if there were fewer than asked for, or the lock
/// was not to be had.
///
/// Free chunks come first. An orphan may hold published blocks: the index is walked for them before
/// the chunk's other blocks count as free.
struct ClaimChunk: Operation {
  private enum State: Hashable {
    case lock
    case scan(offset: Int)
    case scanOrphans(offset: Int)
    case release(found: Bool)
    case walk(slot: Int, found: Bool)
    case pins(PinScan, found: Bool)
  }

  private var lock: LockSet
  private var state = State.lock
  private var wanted: Int
  private var lastClaimed = -1
  /// Orphans claimed, with their new generation.
  private var orphans: [Int: UInt32] = [:]
  /// Their published blocks. They enter the heap together with the free ones: what was evicted in
  /// between would be free twice.
  private var residents: [Reservation] = []
  private var seesOrphans = false

  /// As many chunks as hold `blocks`, from one to `limit`.
  init(_ geometry: PoolGeometry, blocks: Int, limit: Int = .max) {
    lock = LockSet([geometry.chunkLock])
    wanted = max(1, (blocks + geometry.blocksPerChunk - 1) / geometry.blocksPerChunk)
    wanted = min(wanted, limit)
  }

  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    switch state {
    case .lock:
      if client.mutant == .claimsUnlocked {
        state = .scan(offset: 0)
        return .sync
      }
      switch lock.acquire(&memory, &client) {
      case .done(let isGranted):
        if !isGranted { return .done(false) }
        state = .scan(offset: 0)
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .scan(let offset):
      claim(.free, from: offset, &memory, &client)
      let end = offset + ChunkEntry.batch
      if wanted == 0 {
        state = .release(found: true)
      } else if end < client.geometry.chunks {
        state = .scan(offset: end)
      } else {
        state = seesOrphans ? .scanOrphans(offset: 0) : .release(found: false)
      }
      return .sync
    case .scanOrphans(let offset):
      claim(.orphaned, from: offset, &memory, &client)
      let end = offset + ChunkEntry.batch
      if wanted == 0 {
        state = .release(found: true)
      } else {
        state =
          end < client.geometry.chunks ? .scanOrphans(offset: end) : .release(found: false)
      }
      return .sync
    case .release(let found):
      // The next search begins where this node's chunks end, mostly.
      client.heap.chunkHint = lastClaimed + 1
      if !found { client.heap.poolIsClaimed = true }
      if lock.isHeld { lock.release(&memory, &client) }
      if orphans.isEmpty { return .done(found) }
      state = .walk(slot: 0, found: found)
      return .sync
    case .walk(let slot, let found):
      let end = client.mutant == .adoptsWithoutWalk ? Int.max : walk(from: slot, &memory, client)
      state =
        end < client.geometry.entries
        ? .walk(slot: end, found: found) : .pins(PinScan(), found: found)
      return .sync
    case .pins(var scan, let found):
      switch scan.step(&memory, &client) {
      case .done:
        adopt(client.mutant == .adoptsPinned ? [] : scan.pinned, &client)
        memory.reach(.orphanWalked)
        return .done(found)
      case .sync:
        state = .pins(scan, found: found)
        return .sync
      case .wait(let nanoseconds):
        state = .pins(scan, found: found)
        return .wait(nanoseconds: nanoseconds)
      }
    }
  }

  /// Claims chunks of one state among the batch at `offset` past the hint.
  private mutating func claim<M: SharedMemory & ~Copyable>(
    _ kind: ChunkEntry.State, from offset: Int, _ memory: inout M, _ client: inout StoreClient
  ) {
    let geometry = client.geometry
    let hint = client.heap.chunkHint
    let chunks = (offset..<min(offset + ChunkEntry.batch, geometry.chunks)).map {
      ($0 + hint) % geometry.chunks
    }
    memory.invalidate(chunks.map { geometry.chunkLine($0) })
    var writes: [LineWrite] = []
    for chunk in chunks where wanted > 0 {
      let address = geometry.chunkLine(chunk)
      guard var entry = ChunkEntry(memory.loadLine(address)) else { continue }
      if client.mutant == .adoptsFromTheLiving, entry.state == .owned,
        entry.owner.node != client.node
      {
        entry.state = .orphaned
      }
      // A damaged line may offer a chunk that is this node's already.
      guard entry.isClaimable, !client.heap.has(chunk: chunk), orphans[chunk] == nil else {
        continue
      }
      if entry.state == .orphaned { seesOrphans = true }
      guard entry.state == kind else { continue }
      let generation = entry.generation + 1
      let claimed = ChunkEntry(.owned, owner: client.member, generation: generation)
      writes.append(LineWrite(claimed.line, at: address))
      if kind == .orphaned {
        orphans[chunk] = generation
      } else {
        client.heap.adopt(chunk: chunk, generation: generation)
      }
      wanted -= 1
      lastClaimed = chunk
    }
    memory.writeLines(writes)
    memory.reach(kind == .orphaned ? .orphanClaimed : .chunkClaimed)
  }

  /// Finds the published blocks of claimed orphans in one batch of index lines; returns where the
  /// next begins. No lock is needed: recovery is done with these entries, and from now on only
  /// this node takes them away.
  private mutating func walk<M: SharedMemory & ~Copyable>(
    from first: Int, _ memory: inout M, _ client: StoreClient
  ) -> Int {
    let geometry = client.geometry
    let slots = first..<min(first + ChunkEntry.batch, geometry.entries)
    memory.invalidate(slots.map { geometry.entry($0) })
    for slot in slots {
      guard let entry = IndexEntry(memory.loadLine(geometry.entry(slot)), in: geometry),
        entry.state == .ready, orphans[entry.block / geometry.blocksPerChunk] != nil
      else { continue }
      residents.append(
        Reservation(
          hash: entry.hash, block: entry.block, generation: entry.generation, slot: slot))
    }
    return slots.upperBound
  }

  /// Takes the orphans into the heap. A pinned block that the index does not tell of may have lost
  /// its line at the device, with somebody reading it: it is withheld.
  ///
  /// - Parameter pinned: in ascending order.
  private func adopt(_ pinned: [UInt64], _ client: inout StoreClient) {
    let geometry = client.geometry
    for resident in residents { client.heap.restore(resident) }
    for word in pinned {
      let pin = PinTable.pin(word)
      guard (0..<geometry.blocks).contains(pin.block),
        let generation = orphans[pin.block / geometry.blocksPerChunk]
      else { continue }
      client.heap.withhold(
        pin.block, generation: UInt64(generation) << 32 | UInt64(pin.generation))
    }
    for (chunk, generation) in orphans.sorted(by: { $0.key < $1.key }) {
      client.heap.adopt(chunk: chunk, generation: generation)
    }
  }
}
