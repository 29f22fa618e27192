// Taking published blocks away: only their owner does it, and never from under a pin.

import SharedMemory

/// Removes own blocks that no node has pinned, and returns how many went.
///
/// E1 marks the entries EVICTING, E2 reads every node's pins, E3 empties the unpinned entries and
/// restores the others. All of E1 is at the device before E2 begins; with P1 and P2 of pinning this
/// is Dekker's argument: either the pinner sees EVICTING or the evictor sees the pin.
struct Evict: Operation {
  private enum State: Hashable {
    case group
    case lock
    case mark
    case scan
    case decide
    case sweep
  }

  private struct Marked: Hashable {
    var victim: Reservation
    /// As the entry names it.
    var writer: Member
  }

  /// In order of shard and line.
  private var victims: [Reservation]
  /// The victims whose shards are locked.
  private var group = 0..<0
  private var lock = LockSet([0])
  private var scan = PinScan()
  private var state = State.group
  private var marked: [Marked] = []
  /// Victims whose entries are gone.
  private var lost: [Reservation] = []
  private var removed = 0
  /// Lines before lines that have become empty.
  private var sweeping: [Int] = []
  /// Which of `marked` become empty rather than tombs; holds something only within a step.
  private var isEmptied: [Bool] = []

  /// - Parameter victims: own resident blocks.
  init(_ victims: [Reservation], _ geometry: PoolGeometry) {
    // A withheld block has line −1.
    var order = victims.indices.map { index in
      let shard = geometry.shard(of: victims[index].hash)
      let place = UInt64(shard) << 32 | UInt64(victims[index].slot + 1)
      return UInt128(place) << 64 | UInt128(index)
    }
    order.sort()
    self.victims = order.map { victims[Int(truncatingIfNeeded: $0)] }
  }

  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Int> {
    switch state {
    case .group:
      guard group.upperBound < victims.count else { return .done(removed) }
      takeGroup(client)
      state = .lock
      return step(&memory, &client)
    case .lock:
      switch lock.acquire(&memory, &client) {
      case .done(let isGranted):
        if !isGranted { return .done(removed) }
        state = client.mutant == .scansBeforeMarking ? .scan : .mark
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .mark:
      mark(&memory, &client)
      memory.reach(.evictionMarked)
      state = client.mutant == .scansBeforeMarking ? .decide : .scan
      return .sync
    case .scan:
      switch scan.step(&memory, &client) {
      case .done:
        memory.reach(.evictionScanned)
        state = client.mutant == .scansBeforeMarking ? .mark : .decide
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .decide:
      decide(&memory, &client)
      memory.reach(.evictionDecided)
      state = .sweep
      return .sync
    case .sweep:
      guard sweeping.isEmpty else {
        sweep(&memory, &client)
        return .sync
      }
      lock.release(&memory, &client)
      if group.upperBound == victims.count { return .done(removed) }
      state = .group
      return .sync
    }
  }

  /// The victims of as many shards as one lock set covers.
  private mutating func takeGroup(_ client: borrowing StoreClient) {
    let start = group.upperBound
    let (lock, count) = LockSet.covering(victims.count - start, limit: client.shardsPerSet) {
      client.geometry.shard(of: victims[start + $0].hash)
    }
    self.lock = lock
    group = start..<start + count
    scan.restart(count) { victims[start + $0].block }
  }

  /// E1.
  private mutating func mark<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    for index in group where victims[index].slot >= 0 {
      memory.flush(client.geometry.entry(victims[index].slot))
    }
    memory.fence()
    lost.removeAll(keepingCapacity: true)
    marked.removeAll(keepingCapacity: true)
    marked.reserveCapacity(group.count)
    for index in group {
      let victim = victims[index]
      guard client.heap.isResident(victim.block, victim.generation),
        !client.pins.isPinned(block: victim.block, generation: victim.generation)
      else { continue }
      // A withheld block has no line.
      guard victim.slot >= 0 else {
        lost.append(victim)
        continue
      }
      // Where the line no longer tells of the block, the device has lost it and recovery has
      // mended the line: there is nothing to mark, but the block is to be had back.
      let line = memory.loadLine(client.geometry.entry(victim.slot))
      guard let entry = IndexEntry(line, in: client.geometry.names) else {
        marked.append(Marked(victim: victim, writer: client.member))
        continue
      }
      // The whole entry: another node may have put the same hash into the same line.
      guard entry.holds(victim) else {
        lost.append(victim)
        continue
      }
      if entry.state == .ready { marked.append(Marked(victim: victim, writer: entry.writer)) }
    }
    if client.mutant != .evictsUnmarked { write(.evicting, marked, &memory, &client) }
  }

  private func write<M: SharedMemory & ~Copyable>(
    _ state: IndexEntry.State, _ marked: [Marked], _ memory: inout M, _ client: inout StoreClient
  ) {
    memory.writeLines(marked.count) { index in
      let entry = IndexEntry(state: state, writer: marked[index].writer, marked[index].victim)
      return LineWrite(entry.line, at: client.geometry.entry(marked[index].victim.slot))
    }
  }

  /// E3. An entry before an empty one needs no tomb, as no probe goes on past it. Of a run only the
  /// last becomes empty at once: if this host died while the lines are on their way, in any order,
  /// an entry further on could stay behind an empty line.
  private mutating func decide<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    if client.mutant == .evictsPinned { scan.restart() }
    var kept: [Marked] = []
    marked.removeAll { one in
      let isPinned = scan.isPinned(block: one.victim.block, generation: one.victim.generation)
      if isPinned { kept.append(one) }
      return isPinned
    }
    write(.ready, kept, &memory, &client)
    // Somebody is reading them: a second chance, or they would be tried again every time.
    for one in kept { client.heap.touch(one.victim.block) }
    // Last lines first; unless lines are damaged they are in order.
    marked.reverse()
    marked.sort { $0.victim.slot > $1.victim.slot }
    memory.invalidate(marked.count) {
      client.geometry.entry(client.geometry.next(after: marked[$0].victim.slot))
    }
    var emptied = -1
    isEmptied.reserveCapacity(marked.count)
    for one in marked {
      let slot = one.victim.slot
      let next = client.geometry.next(after: slot)
      let isLast =
        client.mutant == .emptiesRunsAtOnce && next == emptied
        || client.mutant == .deletesWithoutTomb
        || isEmpty(next, &memory, &client)
      if isLast {
        emptied = slot
        sweeping.append(client.geometry.previous(before: slot))
      }
      isEmptied.append(isLast)
    }
    memory.writeLines(marked.count) { index in
      let entry = IndexEntry(state: .tomb, writer: marked[index].writer, marked[index].victim)
      return LineWrite(
        isEmptied[index] ? Line64() : entry.line,
        at: client.geometry.entry(marked[index].victim.slot))
    }
    for one in marked { client.heap.unsettle(one.victim.block) }
    // Of a block that was found lost the generation may not be known.
    for victim in lost
    where !scan.pinned.contains(where: { PinTable.pin($0).block == victim.block }) {
      client.heap.unsettle(victim.block)
    }
    removed += marked.count
    client.counters.evicted += marked.count
    isEmptied.removeAll(keepingCapacity: true)
  }

  private func isEmpty<M: SharedMemory & ~Copyable>(
    _ slot: Int, _ memory: inout M, _ client: inout StoreClient
  ) -> Bool {
    let line = memory.loadLine(client.geometry.entry(slot))
    return line.isZero || IndexEntry.isState(.empty, line, in: client.geometry.names)
  }

  /// Tombs right before an empty line keep no probe going, and would make probes ever longer: they
  /// become empty, one line of each run a step.
  private mutating func sweep<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    memory.invalidate(sweeping.count) { client.geometry.entry(sweeping[$0]) }
    sweeping.removeAll { slot in
      let line = memory.loadLine(client.geometry.entry(slot))
      return line.isZero || !IndexEntry.isState(.tomb, line, in: client.geometry.names)
    }
    memory.writeLines(sweeping.count) {
      LineWrite(Line64(), at: client.geometry.entry(sweeping[$0]))
    }
    for index in sweeping.indices {
      sweeping[index] = client.geometry.previous(before: sweeping[index])
    }
  }
}

/// Removes own blocks by hash; pinned ones and those of other nodes stay.
public struct Remove: Operation {
  private let hashes: [BlockHash]
  private var evict: Evict?

  public init(_ hashes: [BlockHash]) { self.hashes = hashes }

  /// How many were removed.
  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Int> {
    if evict == nil { evict = Evict(client.heap.resident(hashes), client.geometry) }
    return evict!.step(&memory, &client)
  }
}
