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
    case claim(ClaimChunk)
    case evict(Evict)
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
  /// Indices of `hashes` in order of shard.
  private var pending: [Int] = []
  private var group: [Int] = []
  private var lock = LockSet([0])
  private var probe = Probe([])
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
      return .sync
    case .claim(var claim):
      switch claim.step(&memory, &client) {
      case .done(let found):
        mayClaim = found
        state = .space
      case .sync: state = .claim(claim)
      case .wait(let nanoseconds):
        state = .claim(claim)
        return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .evict(var evict):
      switch evict.step(&memory, &client) {
      case .done: state = .space
      case .sync: state = .evict(evict)
      case .wait(let nanoseconds):
        state = .evict(evict)
        return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .group:
      guard !pending.isEmpty else { return .done(finished(&client)) }
      takeGroup(client)
      state = .lock
      return .sync
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
      guard case .done = probe.step(&memory, client.geometry, mutant: client.mutant) else {
        return .sync
      }
      // A hash whose vacancy another one of the group took is probed again, under the same locks.
      group = reserve(&memory, client)
      memory.reach(.blockReserved)
      if group.isEmpty {
        state = .release
      } else {
        probe = Probe(group.map { hashes[$0] }[...])
      }
      return .sync
    case .release:
      if lock.isHeld { lock.release(&memory, &client) }
      state = .group
      return .sync
    }
  }

  /// Sets blocks aside for all hashes, or for as many as can be had.
  private mutating func findSpace(_ client: inout StoreClient) {
    let mutant = client.mutant
    while supply.count < hashes.count,
      let (block, generation) = client.heap.take(mutant)
    {
      supply.append(Supply(block: block, generation: generation))
    }
    let missing = hashes.count - supply.count
    if missing > 0, mayClaim, !client.heap.poolIsClaimed,
      client.heap.chunkCount < client.chunkQuota
    {
      state = .claim(
        ClaimChunk(
          client.geometry, blocks: missing, limit: client.chunkQuota - client.heap.chunkCount))
      return
    }
    if missing > 0, evictions < Self.evictionRounds {
      evictions += 1
      let pins = client.pins
      let victims = client.heap.eldest(max(missing, Self.evictionBatch)) {
        !pins.isPinned(block: $0, generation: $1)
      }
      if !victims.isEmpty {
        state = .evict(Evict(victims, client.geometry))
        return
      }
    }
    client.counters.allocationFailures += missing
    let geometry = client.geometry
    // Hashes beyond the supply are not even looked for: a full pool costs no locks.
    pending = hashes.indices.prefix(supply.count).sorted {
      (geometry.shard(of: hashes[$0]), $0) < (geometry.shard(of: hashes[$1]), $1)
    }
    state = .group
  }

  private mutating func takeGroup(_ client: StoreClient) {
    let hashes = hashes
    let (lock, end) = LockSet.covering(pending.lazy.map { hashes[$0] }, in: client.geometry)
    self.lock =
      client.mutant == .locksOneShardOfMany ? LockSet(LockNumbers(lock.locks.prefix(1))) : lock
    group = Array(pending[..<end])
    pending.removeFirst(end)
    probe = Probe(group.map { hashes[$0] }[...])
  }

  /// Writes RESERVED entries into the vacancies that the probe found; returns those left over.
  private mutating func reserve<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: StoreClient
  ) -> [Int] {
    var taken: Set<Int> = []
    var reserved: [BlockHash: Int] = [:]
    var writes: [LineWrite] = []
    var again: [Int] = []
    for (index, finding) in zip(group, probe.findings) {
      switch finding {
      case .entry(let entry, _):
        outcomes[index] = entry.state == .ready ? .exists : .inFlight
      case .unreadable:
        outcomes[index] = .inFlight
      case .absent(let vacant):
        if reserved[hashes[index]] != nil {
          outcomes[index] = .inFlight
          continue
        }
        guard vacant >= 0, !supply.isEmpty else { continue }
        guard taken.insert(vacant).inserted else {
          again.append(index)
          continue
        }
        let place = supply.removeLast()
        let reservation = Reservation(
          hash: hashes[index], block: place.block, generation: place.generation, slot: vacant)
        let entry = IndexEntry(state: .reserved, writer: client.member, reservation)
        writes.append(LineWrite(entry.line, at: client.geometry.entry(vacant)))
        reserved[hashes[index]] = index
        outcomes[index] = .reserved(reservation)
      }
    }
    memory.writeLines(writes)
    return again
  }

  private mutating func finished(_ client: inout StoreClient) -> [PutOutcome] {
    for place in supply { client.heap.give(place.block) }
    supply = []
    return outcomes
  }
}
