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
    var entry: IndexEntry
    var victim: Reservation
  }

  private var victims: [Reservation]
  private var group: [Reservation] = []
  private var lock = LockSet([0])
  private var scan = PinScan()
  private var state = State.group
  private var marked: [Marked] = []
  /// Victims whose entries are gone.
  private var lost: [Reservation] = []
  private var removed = 0
  /// Lines before lines that have become empty.
  private var sweeping: [Int] = []

  /// - Parameter victims: own resident blocks.
  init(_ victims: [Reservation], _ geometry: PoolGeometry) {
    self.victims = victims.sorted {
      (geometry.shard(of: $0.hash), $0.slot) < (geometry.shard(of: $1.hash), $1.slot)
    }
  }

  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Int> {
    switch state {
    case .group:
      guard !victims.isEmpty else { return .done(removed) }
      takeGroup(client.geometry)
      state = .lock
      return .sync
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
      mark(&memory, client)
      memory.reach(.evictionMarked)
      state = client.mutant == .scansBeforeMarking ? .decide : .scan
      return .sync
    case .scan:
      switch scan.step(&memory, client) {
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
        sweep(&memory, client.geometry)
        return .sync
      }
      lock.release(&memory, &client)
      state = .group
      return .sync
    }
  }

  /// The victims of as many shards as one lock set covers.
  private mutating func takeGroup(_ geometry: PoolGeometry) {
    let (lock, end) = LockSet.covering(victims.lazy.map(\.hash), in: geometry)
    self.lock = lock
    group = Array(victims[..<end])
    victims.removeFirst(end)
    scan = PinScan()
  }

  /// E1.
  private mutating func mark<M: SharedMemory & ~Copyable>(_ memory: inout M, _ client: StoreClient)
  {
    let geometry = client.geometry
    memory.invalidate(group.compactMap { $0.slot < 0 ? nil : geometry.entry($0.slot) })
    lost = []
    marked = group.compactMap { victim in
      guard client.heap.isResident(victim.block, victim.generation),
        !client.pins.isPinned(block: victim.block, generation: victim.generation)
      else { return nil }
      // A withheld block has no line.
      if victim.slot < 0 {
        lost.append(victim)
        return nil
      }
      // Where the line no longer tells of the block, the device has lost it and recovery has
      // mended the line: there is nothing to mark, but the block is to be had back.
      guard let entry = IndexEntry(memory.loadLine(geometry.entry(victim.slot)), in: geometry)
      else {
        return Marked(
          entry: IndexEntry(state: .ready, writer: client.member, victim), victim: victim)
      }
      // The whole entry: another node may have put the same hash into the same line.
      guard entry.holds(victim) else {
        lost.append(victim)
        return nil
      }
      guard entry.state == .ready else { return nil }
      return Marked(entry: entry, victim: victim)
    }
    if client.mutant != .evictsUnmarked { write(.evicting, marked, &memory, geometry) }
  }

  private func write<M: SharedMemory & ~Copyable>(
    _ state: IndexEntry.State, _ marked: [Marked], _ memory: inout M, _ geometry: PoolGeometry
  ) {
    let writes = marked.map { marked in
      var entry = marked.entry
      entry.state = state
      return LineWrite(entry.line, at: geometry.entry(marked.victim.slot))
    }
    memory.writeLines(writes)
  }

  /// E3. An entry before an empty one needs no tomb, as no probe goes on past it. Of a run only the
  /// last becomes empty at once: if this host died while the lines are on their way, in any order,
  /// an entry further on could stay behind an empty line.
  private mutating func decide<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    let geometry = client.geometry
    let pinned = client.mutant == .evictsPinned ? [] : scan.pinned
    func isPinned(_ marked: Marked) -> Bool {
      pinned.contains(
        PinTable.word(block: marked.victim.block, generation: marked.victim.generation))
    }
    let kept = marked.filter { isPinned($0) }
    let gone = marked.filter { !isPinned($0) }.sorted { $0.victim.slot > $1.victim.slot }
    write(.ready, kept, &memory, geometry)
    // Somebody is reading them: a second chance, or they would be tried again every time.
    for marked in kept { client.heap.touch(marked.victim.block) }
    memory.invalidate(gone.map { geometry.entry(geometry.next(after: $0.victim.slot)) })
    var emptied = -1
    var writes: [LineWrite] = []
    for marked in gone {
      let slot = marked.victim.slot
      let next = geometry.next(after: slot)
      let isLast =
        client.mutant == .emptiesRunsAtOnce && next == emptied
        || client.mutant == .deletesWithoutTomb
        || IndexEntry(memory.loadLine(geometry.entry(next)), in: geometry)?.state == .empty
      if isLast {
        emptied = slot
        sweeping.append(geometry.previous(before: slot))
      }
      var entry = marked.entry
      entry.state = .tomb
      writes.append(LineWrite(isLast ? Line64() : entry.line, at: geometry.entry(slot)))
    }
    memory.writeLines(writes)
    for marked in gone { client.heap.unsettle(marked.victim.block) }
    // Of a block that was found lost the generation may not be known.
    for victim in lost where !pinned.contains(where: { PinTable.pin($0).block == victim.block }) {
      client.heap.unsettle(victim.block)
    }
    removed += gone.count
    client.counters.evicted += gone.count
  }

  /// Tombs right before an empty line keep no probe going, and would make probes ever longer: they
  /// become empty, one line of each run a step.
  private mutating func sweep<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) {
    memory.invalidate(sweeping.map { geometry.entry($0) })
    let tombs = sweeping.filter {
      IndexEntry(memory.loadLine(geometry.entry($0)), in: geometry)?.state == .tomb
    }
    memory.writeLines(tombs.map { LineWrite(Line64(), at: geometry.entry($0)) })
    sweeping = tombs.map { geometry.previous(before: $0) }
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
