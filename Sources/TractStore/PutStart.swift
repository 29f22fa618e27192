// Reserving blocks for KV that is about to be written.

import SharedMemory

/// What became of one hash that was to be reserved.
public enum PutOutcome: Hashable, Sendable {
  /// Write the payload, then `PutEnd`.
  case reserved(Reservation)
  /// READY already: nothing to write.
  case exists
  /// Another writer has reserved it and is not done.
  case inFlight
  /// Neither free memory, nor anything that may be evicted, nor a free index line.
  case noSpace
  /// A lock was not granted in time (`StoreClient.lockPatience`).
  case timedOut
}

/// Reserves a block and an index entry for each hash.
///
/// Space comes first (free blocks, then a free chunk, then eviction of own blocks, oldest first),
/// so that no shard's lock is held while it is found; then shards are locked in sets.
public struct PutStart: Operation {
  private enum State: Hashable {
    case space
    case claim
    case evict
    case group
    case lock
    case probe
    case release
  }

  private struct Supply: Hashable {
    var block: Int
    var generation: UInt64
  }

  private let hashes: [BlockHash]
  /// Indices of `hashes` in order of shard, with the shard in the upper half.
  private var pending: [UInt64] = []
  /// How many of `pending` have been in a group.
  private var grouped = 0
  /// Indices of the hashes whose shards are locked, without those that are done.
  private var group: [Int] = []
  private var lock = LockSet([0])
  private var probe = Probe()
  private var claim: ClaimChunk?
  private var evict: Evict?
  private var outcomes: [PutOutcome]
  private var supply: [Supply] = []
  private var state = State.space
  private var mayClaim = true
  private var evictions = 0

  /// Blocks evicted together at least, so that one scan of all pins serves many victims.
  private static var evictionBatch: Int { 64 }
  /// Rounds of eviction before the rest counts as no space.
  private static var evictionRounds: Int { 2 }

  public init(_ hashes: [BlockHash]) {
    self.hashes = hashes
    outcomes = Array(repeating: .noSpace, count: hashes.count)
  }

  /// Outcomes in the order of the hashes.
  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<[PutOutcome]> {
    switch state {
    case .space:
      findSpace(&client)
      return step(&memory, &client)
    case .claim:
      switch claim!.step(&memory, &client) {
      case .done(let found):
        claim = nil
        mayClaim = found
        state = .space
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .evict:
      switch evict!.step(&memory, &client) {
      case .done:
        evict = nil
        state = .space
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .group:
      guard grouped < pending.count else { return .done(finished(&client)) }
      takeGroup(&client)
      state = .lock
      return step(&memory, &client)
    case .lock:
      if client.mutant == .reservesUnlocked {
        state = .probe
        return .sync
      }
      switch lock.acquire(&memory, &client) {
      case .done(true): state = .probe
      case .done(false):
        for index in group { outcomes[index] = .timedOut }
        state = .group
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .probe:
      guard case .done = probe.step(&memory, &client) else { return .sync }
      reserve(&memory, &client)
      memory.reach(.blockReserved)
      if group.isEmpty {
        probe.end()
        state = .release
      } else {
        // A hash whose vacancy another one of the group took is probed again, under the same locks.
        probe.begin(group.count, in: client.geometry) { hashes[group[$0]] }
      }
      return .sync
    case .release:
      if lock.isHeld { lock.release(&memory, &client) }
      if grouped == pending.count { return .done(finished(&client)) }
      state = .group
      return .sync
    }
  }

  /// Sets blocks aside for all hashes, or for as many as can be had.
  private mutating func findSpace(_ client: inout StoreClient) {
    supply.reserveCapacity(hashes.count)
    while supply.count < hashes.count,
      let (block, generation) = client.heap.take(client.mutant)
    {
      supply.append(Supply(block: block, generation: generation))
    }
    let missing = hashes.count - supply.count
    if missing > 0, mayClaim, !client.heap.poolIsClaimed,
      client.heap.chunkCount < client.chunkQuota
    {
      claim = ClaimChunk(
        client.geometry, blocks: missing, limit: client.chunkQuota - client.heap.chunkCount)
      state = .claim
      return
    }
    if missing > 0, evictions < Self.evictionRounds {
      evictions += 1
      let victims = client.heap.eldest(
        max(missing, Self.evictionBatch), unpinnedIn: client.pins)
      if !victims.isEmpty {
        evict = Evict(victims, client.geometry)
        state = .evict
        return
      }
    }
    client.counters.allocationFailures += missing
    // Hashes beyond the supply are not even looked for: a full pool costs no locks.
    pending.reserveCapacity(supply.count)
    for index in supply.indices {
      pending.append(UInt64(client.geometry.shard(of: hashes[index])) << 32 | UInt64(index))
    }
    pending.sort()
    state = .group
  }

  private mutating func takeGroup(_ client: inout StoreClient) {
    let start = grouped
    let (lock, count) = LockSet.covering(
      pending.count - start, limit: client.shardsPerSet
    ) { Int(pending[start + $0] >> 32) }
    self.lock =
      client.mutant == .locksOneShardOfMany ? LockSet(LockNumbers(lock.locks.prefix(1))) : lock
    grouped += count
    group.removeAll(keepingCapacity: true)
    group.reserveCapacity(count)
    for index in start..<grouped { group.append(Int(pending[index] & 0xFFFF_FFFF)) }
    probe.begin(count, in: client.geometry) { hashes[group[$0]] }
  }

  /// Writes RESERVED entries into the vacancies that the probe found; in `group` stays what is left
  /// over.
  /// - Complexity: O(n²) in hashes of one shard at worst, a few instructions each.
  private mutating func reserve<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    var again: [Int] = []
    // Where the hashes of the present shard begin in the group.
    var (shard, start) = (-1, 0)
    for (place, index) in group.enumerated() {
      switch probe.findings[place] {
      case .entry(let entry, _):
        outcomes[index] = entry.state == .ready ? .exists : .inFlight
      case .unreadable:
        outcomes[index] = .inFlight
      case .absent(let vacant):
        let hash = hashes[index]
        let ownShard = client.geometry.shard(of: hash)
        if shard != ownShard { (shard, start) = (ownShard, place) }
        switch rival(of: hash, at: vacant, among: start..<place) {
        case .hash: outcomes[index] = .inFlight
        case .line where !supply.isEmpty: again.append(index)
        case nil where !supply.isEmpty && vacant >= 0:
          let place = supply.removeLast()
          outcomes[index] = .reserved(
            Reservation(
              hash: hash, block: place.block, generation: place.generation, slot: vacant))
        default: break
        }
      }
    }
    group.removeAll { if case .reserved = outcomes[$0] { false } else { true } }
    memory.writeLines(group.count) { place in
      guard case .reserved(let reservation) = outcomes[group[place]] else { preconditionFailure() }
      let entry = IndexEntry(state: .reserved, writer: client.member, reservation)
      return LineWrite(entry.line, at: client.geometry.entry(reservation.slot))
    }
    group.removeAll(keepingCapacity: true)
    group.append(contentsOf: again)
  }

  /// What a hash has in common with another one that this step has reserved.
  private enum Rival {
    case hash
    case line
  }

  private func rival(of hash: BlockHash, at vacant: Int, among places: Range<Int>) -> Rival? {
    var found: Rival?
    for place in places {
      guard case .reserved(let other) = outcomes[group[place]] else { continue }
      if other.hash == hash { return .hash }
      if other.slot == vacant { found = .line }
    }
    return found
  }

  private mutating func finished(_ client: inout StoreClient) -> [PutOutcome] {
    for place in supply { client.heap.give(place.block) }
    supply.removeAll(keepingCapacity: true)
    return outcomes
  }
}
