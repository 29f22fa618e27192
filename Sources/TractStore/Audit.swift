// What a pool holds, and which invariants it breaks.

import SharedMemory

/// Counts over a quiescent pool, and the broken invariants that can be seen in it: I1 (a line is
/// written by its owner), I2 (no line is left torn), I5 (what is pinned stays) and I6 (a block is in
/// one place). The others concern the course of events, which tests watch.
public struct Audit: Hashable, Sendable {
  public private(set) var ready = 0
  public private(set) var reserved = 0
  public private(set) var evicting = 0
  public private(set) var tombs = 0
  public private(set) var pins = 0
  /// Lock requests of living members that wait or hold.
  public private(set) var lockRequests = 0
  public private(set) var freeChunks = 0
  public private(set) var ownedChunks = 0
  public private(set) var quarantinedChunks = 0
  public private(set) var orphanedChunks = 0
  /// Members that have neither left nor been fenced.
  public private(set) var members: [Member] = []
  /// Fenced members whose traces nobody has cleared away; until then RESERVED and EVICTING
  /// entries, torn lines and chunks of theirs are to be expected.
  public private(set) var unrecovered: [Member] = []
  /// Broken invariants in words; empty in a correct pool.
  public private(set) var problems: [String] = []

  /// What operations have left behind, in words; empty when all of them have ended.
  public var leftovers: [String] {
    var found: [String] = []
    if reserved > 0 { found.append("\(reserved) blocks end RESERVED") }
    if evicting > 0 { found.append("\(evicting) blocks end EVICTING") }
    if pins > 0 { found.append("\(pins) pins are left") }
    if lockRequests > 0 { found.append("\(lockRequests) lock requests are left") }
    for member in unrecovered { found.append("\(member) has died and is not recovered") }
    return found
  }

  /// Whether no block is in use or held by anybody.
  public var isEmpty: Bool { ready + reserved + evicting + pins == 0 }

  /// Index lines that are dropped from the cache together.
  private static var batch: Int { 1 << 12 }

  /// Block and generation of each READY entry, as pins name them.
  private var readyWords: Set<UInt64> = []
  private var fences: [Fence] = []

  /// Reads the whole pool; nobody may be using it.
  /// - Complexity: O(index lines + pin lines + chunks).
  public init<M: SharedMemory & ~Copyable>(_ memory: inout M, _ geometry: PoolGeometry) {
    readMembers(&memory, geometry)
    let chunks = readChunks(&memory, geometry)
    readIndex(&memory, geometry, chunks)
    readPins(&memory, geometry)
    readRequests(&memory, geometry)
    readRoots(&memory, geometry)
  }

  private func isDead(_ member: Member) -> Bool {
    fences[member.node].covers(member)
  }

  private mutating func readMembers<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) {
    fences = geometry.readFences(&memory)
    for (node, done) in geometry.readRecovered(&memory).enumerated()
    where fences[node].incarnation > done.incarnation {
      unrecovered.append(Member(node: node, incarnation: fences[node].incarnation))
    }
    for (node, status) in geometry.readNodes(&memory).enumerated() {
      let member = Member(node: node, incarnation: status.incarnation)
      if status.state != .vacant, !isDead(member) { members.append(member) }
      if !status.isWhole, !isDead(member) { problems.append("I2: the line of \(member) is torn") }
    }
  }

  private mutating func readChunks<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) -> [ChunkEntry?] {
    let chunks = 0..<geometry.chunks
    memory.invalidate(chunks.map { geometry.chunkLine($0) })
    return chunks.map { chunk in
      guard let entry = ChunkEntry(memory.loadLine(geometry.chunkLine(chunk))) else {
        if unrecovered.isEmpty { problems.append("I2: the line of chunk \(chunk) is torn") }
        return nil
      }
      if entry.owner.node >= geometry.nodes {
        problems.append("I1: chunk \(chunk) belongs to node \(entry.owner.node), which cannot be")
        return nil
      }
      switch entry.state {
      case .free: freeChunks += 1
      case .owned:
        ownedChunks += 1
        if !members.contains(entry.owner), !unrecovered.contains(where: { $0.covers(entry.owner) })
        {
          problems.append("I1: chunk \(chunk) is owned by \(entry.owner), which is no member")
        }
      case .quarantined: quarantinedChunks += 1
      case .orphaned: orphanedChunks += 1
      }
      return entry
    }
  }

  private mutating func readIndex<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry, _ chunks: [ChunkEntry?]
  ) {
    var holders: [Int: Int] = [:]
    var places: [BlockHash: Int] = [:]
    for slot in 0..<geometry.entries {
      if slot % Self.batch == 0 {
        let slots = slot..<min(slot + Self.batch, geometry.entries)
        memory.invalidate(slots.map { geometry.entry($0) })
      }
      guard let entry = IndexEntry(memory.loadLine(geometry.entry(slot)), in: geometry) else {
        if unrecovered.isEmpty {
          problems.append("I2: index line \(slot) is torn or names what does not exist")
        }
        continue
      }
      switch entry.state {
      case .empty: continue
      case .tomb:
        tombs += 1
        continue
      case .ready:
        ready += 1
        readyWords.insert(PinTable.word(block: entry.block, generation: entry.generation))
      case .reserved, .evicting:
        note(entry, slot)
      }
      if chunks[entry.block / geometry.blocksPerChunk]?.state == .free {
        problems.append("I1: block \(entry.block) is in use, but its chunk is free")
      }
      if entry.state != .reserved || !isDead(entry.writer) {
        if let other = holders.updateValue(slot, forKey: entry.block) {
          problems.append("I6: block \(entry.block) is in index lines \(other) and \(slot)")
        }
      }
      if let other = places.updateValue(slot, forKey: entry.hash) {
        problems.append("I6: one hash is in index lines \(other) and \(slot)")
      }
      if slot / geometry.entriesPerShard != geometry.shard(of: entry.hash) {
        problems.append("I6: index line \(slot) holds a hash of another shard")
      }
    }
  }

  /// An entry that an operation has begun to change.
  private mutating func note(_ entry: IndexEntry, _ slot: Int) {
    if entry.state == .evicting {
      evicting += 1
    } else if !isDead(entry.writer) {
      reserved += 1
      if !members.contains(entry.writer) {
        problems.append("I1: index line \(slot) is reserved by \(entry.writer), which is no member")
      }
    } else if !unrecovered.contains(where: { $0.covers(entry.writer) }) {
      problems.append("I1: index line \(slot) is still reserved by \(entry.writer), recovered")
    }
  }

  private mutating func readPins<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) {
    for member in members {
      let header = memory.readFresh(geometry.pinHeader(node: member.node))
      guard header.isSealed, header[0] <= UInt64(geometry.pinLinesPerNode) else {
        problems.append("I2: the pin header of \(member) is torn")
        continue
      }
      let used = 0..<Int(header[0])
      memory.invalidate(used.map { geometry.pinLine(node: member.node, $0) })
      for line in used {
        let words = memory.loadLine(geometry.pinLine(node: member.node, line))
        if !words.isSealed { problems.append("I2: pin line \(line) of \(member) is torn") }
        for place in 0..<PoolGeometry.pinsPerLine where words[place] != 0 {
          pins += 1
          if !readyWords.contains(words[place]) {
            problems.append(
              "I5: \(member) pins block \(Int(words[place] >> 32) - 1), which is gone")
          }
        }
      }
    }
  }

  private mutating func readRequests<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) {
    for member in members {
      for box in 0..<geometry.requestBoxes {
        let line = memory.readFresh(geometry.request(node: member.node, box: box))
        guard line != Line64() else { continue }
        guard let request = LockRequest(line, in: geometry) else {
          problems.append("I2: request \(box) of \(member) is torn or asks for no lock")
          continue
        }
        if request.kind != .release { lockRequests += 1 }
      }
    }
  }

  private mutating func readRoots<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) {
    guard unrecovered.isEmpty else { return }
    for place in 0..<PoolGeometry.rootLimit {
      for side in 0..<2 where !memory.readFresh(geometry.root(place, side: side)).isSealed {
        problems.append("I2: root \(place) is torn")
      }
    }
  }
}

extension Member {
  /// Whether the other is this life of the same node or an earlier one.
  func covers(_ other: Member) -> Bool {
    node == other.node && other.incarnation <= incarnation
  }
}
