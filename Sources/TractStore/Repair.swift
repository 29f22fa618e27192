// Mending a damaged pool that nobody uses: what recovery may mend, and what no member may decide.

import SharedMemory

/// An offline repair: afterwards an `Audit` finds neither problems nor leftovers, and READY blocks
/// that no damage touched are still there.
///
/// Nobody may use the pool, on any host: every member is taken for gone. A pool whose superblock or
/// layout is damaged cannot be opened, and so not be mended. The rules:
///
/// * Numbers that no pool reaches in its life (`limit`) are damage, wherever they stand.
/// * An index line stays if it is whole, lies where probes for its hash look and its block is not in
///   a free chunk. RESERVED blocks are given up; an eviction under way is undone.
/// * Of several entries for one block, the one with the highest generation was written last, so the
///   payload is its: it stays. If that one was only RESERVED, or if two entries with different
///   hashes have that generation, nobody knows whose the payload is, and all of them go.
/// * Of several entries with one hash, the one that probes find first stays.
/// * Chunks of members, and damaged chunk lines, become orphans with a generation above any that is
///   known: the next node to need space takes them over with what is published in them.
/// * Nodes' lines are vacated. Their incarnations go on from the highest that any whole line names.
public struct Repair {
  /// What was mended, in words, in the order in which it was done.
  public private(set) var actions: [String] = []

  private let geometry: PoolGeometry
  /// The highest believable incarnation of each node.
  private var incarnations: [UInt32]
  /// Chunks whose blocks are in use, and the highest generation of those.
  private var used: [Int: UInt64] = [:]
  private var isFree: [Bool]

  /// Epochs, sequence numbers and versions from here on are damage: they rise by a few a
  /// microsecond at most.
  private static var limit: UInt64 { 1 << 62 }
  /// The same for incarnations and for the generations of chunks, which rise with each life.
  private static var lifeLimit: UInt64 { 1 << 31 }

  /// Mends the pool.
  /// - Complexity: O(lines of metadata).
  public init<M: SharedMemory & ~Copyable>(_ memory: inout M, _ geometry: PoolGeometry) {
    self.geometry = geometry
    incarnations = Array(repeating: 0, count: geometry.nodes)
    isFree = Array(repeating: false, count: geometry.chunks)
    countLives(&memory)
    mendManagers(&memory)
    mendNodes(&memory)
    mendPins(&memory)
    readChunks(&memory)
    mendIndex(&memory)
    mendChunks(&memory)
    mendRoots(&memory)
  }

  private mutating func write<M: SharedMemory & ~Copyable>(
    _ line: Line64, at address: Address, _ memory: inout M, _ action: String
  ) {
    memory.writeLine(line, at: address)
    actions.append(action)
  }

  // MARK: Managers and members

  /// Looks for the highest incarnation of each node that has left a trace.
  private mutating func countLives<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    for node in 0..<geometry.nodes {
      let pins = memory.readFresh(geometry.pinHeader(node: node))
      note(Member(node: node, incarnation: UInt32(truncatingIfNeeded: pins[1])), pins.isSealed)
      // A torn line counts, too: the next life may have begun to announce itself.
      let status = NodeStatus(memory.readFresh(geometry.node(node)))
      note(Member(node: node, incarnation: status.incarnation), true)
      let done = Recovered(memory.readFresh(geometry.recovered(node: node)))
      note(Member(node: node, incarnation: done.incarnation), true)
      for seat in 0..<geometry.seats {
        let fence = Fence(memory.readFresh(geometry.fence(seat: seat, node: node)))
        note(Member(node: node, incarnation: fence.incarnation), true)
      }
    }
    for chunk in 0..<geometry.chunks {
      if let entry = ChunkEntry(memory.readFresh(geometry.chunkLine(chunk))) {
        note(entry.owner, true)
      }
    }
  }

  private mutating func note(_ member: Member, _ isWhole: Bool) {
    guard isWhole, member.node < geometry.nodes, member.incarnation < Self.lifeLimit else { return }
    incarnations[member.node] = max(incarnations[member.node], member.incarnation)
  }

  private mutating func mendManagers<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    for seat in 0..<geometry.seats {
      let line = memory.readFresh(geometry.seat(seat))
      let isSane =
        line.isSealed && SeatStatus.State(rawValue: line[0]) != nil && line[1] < Self.limit
      if !isSane {
        write(
          Line64(), at: geometry.seat(seat), &memory,
          "the line of manager seat \(seat) was damaged: cleared")
      }
      for node in 0..<geometry.nodes {
        mendGrants(seat, node, &memory)
        let address = geometry.fence(seat: seat, node: node)
        let fence = memory.readFresh(address)
        if !fence.isSealed || Fencing(rawValue: fence[0]) == nil || fence[1] >= Self.lifeLimit {
          write(
            Line64(), at: address, &memory,
            "what seat \(seat) knew of deaths at node \(node) was damaged: cleared")
        }
      }
    }
  }

  private mutating func mendGrants<M: SharedMemory & ~Copyable>(
    _ seat: Int, _ node: Int, _ memory: inout M
  ) {
    for box in 0..<geometry.requestBoxes {
      let address = geometry.grant(seat: seat, node: node, box: box)
      let grant = LockGrant(memory.readFresh(address))
      if let grant, grant.epoch < Self.limit, grant.sequence < Self.limit { continue }
      write(
        Line64(), at: address, &memory,
        "grant \(box) of seat \(seat) to node \(node) was damaged: cleared")
    }
  }

  private mutating func mendNodes<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    let fences = geometry.readFences(&memory)
    for node in 0..<geometry.nodes {
      let line = memory.readFresh(geometry.node(node))
      let status = NodeStatus(line)
      let known = incarnations[node]
      let vacant = NodeStatus(
        .vacant, incarnation: known, heartbeat: 0, epoch: 0, process: ProcessIdentity())
      let isSane =
        status.isWhole && NodeStatus.State(rawValue: line[0] & 0xFF) != nil
        && status.epoch < Self.limit
      if !isSane || status.incarnation > known {
        write(
          vacant.line, at: geometry.node(node), &memory,
          "the line of node \(node) was damaged: vacated after incarnation \(known)")
      } else if status.state != .vacant {
        let member = Member(node: node, incarnation: status.incarnation)
        write(vacant.line, at: geometry.node(node), &memory, "\(member) had not left: vacated")
      } else if status.incarnation < known {
        write(
          vacant.line, at: geometry.node(node), &memory,
          "the line of node \(node) was behind: its lives go on after incarnation \(known)")
      }
      mendRecovered(node, fences[node], &memory)
      mendRequests(node, &memory)
    }
  }

  /// Nothing is left to recover afterwards.
  private mutating func mendRecovered<M: SharedMemory & ~Copyable>(
    _ node: Int, _ fence: Fence, _ memory: inout M
  ) {
    let address = geometry.recovered(node: node)
    let line = memory.readFresh(address)
    let done = Recovered(line)
    let isSane = line.isSealed && line[0] < Self.lifeLimit
    guard !isSane || done.incarnation < fence.incarnation || done.hasQuarantine else { return }
    let believed = isSane ? max(done.incarnation, fence.incarnation) : fence.incarnation
    write(
      Recovered(believed, hasQuarantine: false).line, at: address, &memory,
      "node \(node) counts as recovered up to incarnation \(believed)")
  }

  /// A manager reads the requests of vacant nodes as well: none may want or hold anything.
  private mutating func mendRequests<M: SharedMemory & ~Copyable>(
    _ node: Int, _ memory: inout M
  ) {
    let doorbell = geometry.doorbell(node: node)
    if !memory.readFresh(doorbell).isSealed {
      write(Line64(), at: doorbell, &memory, "the doorbell of node \(node) was damaged: cleared")
    }
    for box in 0..<geometry.requestBoxes {
      let address = geometry.request(node: node, box: box)
      let line = memory.readFresh(address)
      guard line != Line64() else { continue }
      guard let request = LockRequest(line, in: geometry), request.sequence < Self.limit else {
        write(
          Line64(), at: address, &memory, "request \(box) of node \(node) was damaged: cleared")
        continue
      }
      guard request.kind != .release else { continue }
      let released = LockRequest(.release, sequence: request.sequence, locks: request.locks)
      write(
        released.line, at: address, &memory,
        "request \(box) of node \(node) \(request.kind == .wait ? "waited" : "held locks"): released"
      )
    }
  }

  private mutating func mendPins<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    for node in 0..<geometry.nodes {
      let address = geometry.pinHeader(node: node)
      let header = memory.readFresh(address)
      var cleared = Line64(0, UInt64(incarnations[node]), 0, 0, 0, 0, 0, 0)
      if incarnations[node] > 0 { cleared = cleared.sealed(sequence: 1) }
      guard header.isSealed, header[0] <= UInt64(geometry.pinLinesPerNode),
        header[1] < Self.lifeLimit
      else {
        write(cleared, at: address, &memory, "the pin header of node \(node) was damaged: cleared")
        continue
      }
      var pins = 0
      var torn = 0
      for number in 0..<Int(header[0]) {
        let line = memory.readFresh(geometry.pinLine(node: node, number))
        if !line.isSealed { torn += 1 }
        pins += (0..<PoolGeometry.pinsPerLine).count { line[$0] != 0 }
      }
      guard pins + torn > 0 else { continue }
      write(
        cleared, at: address, &memory,
        "\(pins) pins and \(torn) damaged pin lines of node \(node): cleared")
    }
  }

  // MARK: Index

  private struct Found {
    var slot: Int
    var entry: IndexEntry
    /// Lines that probes for its hash look at before this one.
    var distance: Int
    var name: String { "index line \(slot)" }
  }

  private mutating func mendIndex<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    var found: [Found] = []
    for slot in 0..<geometry.entries {
      let line = memory.readFresh(geometry.entry(slot))
      guard let entry = believe(line, slot, &memory) else { continue }
      switch entry.state {
      case .empty, .tomb: continue
      case .reserved, .ready, .evicting:
        found.append(Found(slot: slot, entry: entry, distance: distance(slot, entry.hash)))
      }
    }
    found = placed(found, &memory)
    found = holding(found, &memory)
    found = ready(found, &memory)
    found = unique(found, &memory)
    for kept in found {
      let chunk = kept.entry.block / geometry.blocksPerChunk
      used[chunk] = max(used[chunk] ?? 0, kept.entry.generation >> 32)
    }
    connect(found, &memory)
  }

  /// What a line says; a damaged one becomes what recovery would make of it.
  private mutating func believe<M: SharedMemory & ~Copyable>(
    _ line: Line64, _ slot: Int, _ memory: inout M
  ) -> IndexEntry? {
    if let entry = IndexEntry(line, in: geometry) { return entry }
    // Only the seal of a change between READY and EVICTING fits so: the rest of the line is whole.
    if let torn = IndexEntry.torn(line, in: geometry), torn.states == [.ready, .evicting] {
      var entry = torn.entry
      entry.state = .ready
      write(
        entry.line, at: geometry.entry(slot), &memory,
        "index line \(slot) was torn by an eviction: READY again")
      return entry
    }
    write(
      IndexEntry.tomb.line, at: geometry.entry(slot), &memory,
      "index line \(slot) was torn or named what does not exist: dropped")
    return nil
  }

  private func distance(_ slot: Int, _ hash: BlockHash) -> Int {
    let start = geometry.slot(of: hash, distance: 0)
    guard slot / geometry.entriesPerShard == geometry.shard(of: hash) else { return .max }
    let ahead = slot - start
    return ahead < 0 ? ahead + geometry.entriesPerShard : ahead
  }

  private mutating func drop<M: SharedMemory & ~Copyable>(
    _ found: Found, _ memory: inout M, _ reason: String
  ) {
    write(
      IndexEntry.tomb.line, at: geometry.entry(found.slot), &memory,
      "\(found.name) \(reason): dropped")
  }

  /// Those that lie where they are looked for, in chunks that have or had an owner.
  private mutating func placed<M: SharedMemory & ~Copyable>(
    _ found: [Found], _ memory: inout M
  ) -> [Found] {
    var kept: [Found] = []
    for candidate in found {
      let block = candidate.entry.block
      if candidate.distance >= min(geometry.probeWindow, geometry.entriesPerShard) {
        drop(candidate, &memory, "held a hash that is not looked for there")
      } else if isFree[block / geometry.blocksPerChunk] {
        drop(candidate, &memory, "named block \(block), whose chunk is free")
      } else if candidate.entry.generation >> 32 >= Self.lifeLimit {
        drop(candidate, &memory, "named a generation that no block reaches")
      } else {
        kept.append(candidate)
      }
    }
    return kept
  }

  /// One entry for each block: the one whose payload is there.
  private mutating func holding<M: SharedMemory & ~Copyable>(
    _ found: [Found], _ memory: inout M
  ) -> [Found] {
    var kept: [Found] = []
    for (block, rivals) in Dictionary(grouping: found, by: \.entry.block).sorted(by: {
      $0.key < $1.key
    }) {
      let last = rivals.map(\.entry.generation).max()!
      let latest = rivals.filter { $0.entry.generation == last }
      let isKnown = Set(latest.map(\.entry.hash)).count == 1
      for rival in rivals where rivals.count > 1 {
        if rival.entry.generation < last {
          drop(rival, &memory, "named block \(block), which was written again later")
        } else if !isKnown {
          drop(rival, &memory, "named block \(block) as others did, and nobody knows whose it is")
        }
      }
      if isKnown { kept += latest }
    }
    return kept.sorted { $0.slot < $1.slot }
  }

  /// Those that are or become READY.
  private mutating func ready<M: SharedMemory & ~Copyable>(
    _ found: [Found], _ memory: inout M
  ) -> [Found] {
    // If one of a block's entries was being written, so was the payload of the others.
    let unwritten = Set(found.lazy.filter { $0.entry.state == .reserved }.map(\.entry.block))
    var kept: [Found] = []
    for candidate in found {
      var entry = candidate.entry
      if unwritten.contains(entry.block) {
        drop(candidate, &memory, "was reserved by \(entry.writer), who is gone")
        continue
      }
      if entry.state == .evicting {
        entry.state = .ready
        write(
          entry.line, at: geometry.entry(candidate.slot), &memory,
          "\(candidate.name) was being evicted: READY again")
      }
      kept.append(candidate)
    }
    return kept
  }

  /// One entry for each hash.
  private mutating func unique<M: SharedMemory & ~Copyable>(
    _ found: [Found], _ memory: inout M
  ) -> [Found] {
    var nearest: [BlockHash: Found] = [:]
    for candidate in found {
      if let other = nearest[candidate.entry.hash], other.distance <= candidate.distance {
        continue
      }
      nearest[candidate.entry.hash] = candidate
    }
    var kept: [Found] = []
    for candidate in found {
      let other = nearest[candidate.entry.hash]!
      if other.slot == candidate.slot {
        kept.append(candidate)
      } else {
        drop(candidate, &memory, "held the same hash as \(other.name)")
      }
    }
    return kept
  }

  /// Probes end at an empty line: none may lie before an entry that they are to find.
  private mutating func connect<M: SharedMemory & ~Copyable>(
    _ found: [Found], _ memory: inout M
  ) {
    for kept in found {
      for step in 0..<kept.distance {
        let slot = geometry.slot(of: kept.entry.hash, distance: step)
        let line = memory.readFresh(geometry.entry(slot))
        guard IndexEntry(line, in: geometry)?.state == .empty else { continue }
        write(
          IndexEntry.tomb.line, at: geometry.entry(slot), &memory,
          "index line \(slot) was empty and hid \(kept.name): a tomb")
      }
    }
  }

  // MARK: Chunks and roots

  private func isSane(_ entry: ChunkEntry?) -> Bool {
    guard let entry else { return false }
    return entry.owner.node < geometry.nodes && entry.owner.incarnation < Self.lifeLimit
      && entry.generation < Self.lifeLimit
  }

  private mutating func readChunks<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    for chunk in 0..<geometry.chunks {
      let entry = ChunkEntry(memory.readFresh(geometry.chunkLine(chunk)))
      isFree[chunk] = isSane(entry) && entry?.state == .free
    }
  }

  private mutating func mendChunks<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    for chunk in 0..<geometry.chunks {
      let address = geometry.chunkLine(chunk)
      let line = memory.readFresh(address)
      let entry = ChunkEntry(line)
      // The entries' generations are below the limit, so that the sum is no overflow.
      let known = UInt32(used[chunk] ?? 0)
      guard let entry, isSane(entry) else {
        let word = UInt32(truncatingIfNeeded: line[2])
        let highest = max(known, word < Self.lifeLimit ? word : 0)
        let generation = min(highest + 1, UInt32(Self.lifeLimit) - 1)
        write(
          ChunkEntry(.orphaned, owner: Member(node: 0, incarnation: 0), generation: generation)
            .line,
          at: address, &memory, "the line of chunk \(chunk) was damaged: orphaned")
        continue
      }
      guard entry.state == .owned || entry.state == .quarantined || known > entry.generation else {
        continue
      }
      let reason =
        switch entry.state {
        case .owned: "was owned by \(entry.owner), who is gone"
        case .quarantined: "was in quarantine after \(entry.owner)"
        case .free, .orphaned: "was of an earlier generation than its blocks"
        }
      let orphan = ChunkEntry(
        .orphaned, owner: entry.owner, generation: max(known, entry.generation))
      write(orphan.line, at: address, &memory, "chunk \(chunk) \(reason): orphaned")
    }
  }

  private mutating func mendRoots<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    var names: Set<RootName> = []
    for place in 0..<PoolGeometry.rootLimit {
      for side in 0..<2 {
        let address = geometry.root(place, side: side)
        let line = memory.readFresh(address)
        if !line.isSealed || line[0] > 1 || line[6] >= Self.limit {
          write(Line64(), at: address, &memory, "a line of root \(place) was damaged: cleared")
        }
      }
      let lines = (0..<2).map { memory.readFresh(geometry.root(place, side: $0)) }
      guard let root = RootPlace(lines).root else { continue }
      if root.lies(in: geometry), names.insert(root.name).inserted { continue }
      for side in 0..<2 { memory.writeLine(Line64(), at: geometry.root(place, side: side)) }
      actions.append(
        root.lies(in: geometry)
          ? "root \(place) had the name of another one, \(root.name): removed"
          : "root \(place), \(root.name), lay outside the pool: removed")
    }
  }
}
