// What a pool at rest holds, and which invariants it breaks.

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
  public private(set) var ownedChunks = 0
  /// Broken invariants in words; empty in a correct pool.
  public private(set) var problems: [String] = []

  /// What operations have left behind, in words; empty when all of them have ended.
  public var leftovers: [String] {
    var found: [String] = []
    if reserved > 0 { found.append("\(reserved) blocks end RESERVED") }
    if evicting > 0 { found.append("\(evicting) blocks end EVICTING") }
    if pins > 0 { found.append("\(pins) pins are left") }
    return found
  }

  /// Whether no block is in use or held by anybody.
  public var isEmpty: Bool { ready + reserved + evicting + pins == 0 }

  /// Block and generation of each READY entry, as pins name them.
  private var readyWords: Set<UInt64> = []

  /// Reads the whole pool; nobody may be using it.
  /// - Complexity: O(index lines + pin lines + chunks).
  public init<M: SharedMemory & ~Copyable>(_ memory: inout M, _ geometry: PoolGeometry) {
    let owners = readChunks(&memory, geometry)
    readIndex(&memory, geometry, owners)
    readPins(&memory, geometry)
  }

  private mutating func readChunks<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) -> [Int?] {
    let chunks = 0..<geometry.chunks
    memory.invalidate(chunks.map { geometry.chunkLine($0) })
    return chunks.map { chunk in
      guard let entry = ChunkEntry(memory.loadLine(geometry.chunkLine(chunk))) else {
        problems.append("I2: the line of chunk \(chunk) is torn")
        return nil
      }
      guard let owner = entry.owner else { return nil }
      ownedChunks += 1
      if owner >= geometry.nodes { problems.append("I1: chunk \(chunk) is owned by node \(owner)") }
      return owner
    }
  }

  private mutating func readIndex<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry, _ owners: [Int?]
  ) {
    var holders: [Int: Int] = [:]
    var places: [BlockHash: Int] = [:]
    let slots = 0..<geometry.shards * geometry.entriesPerShard
    memory.invalidate(slots.map { geometry.entry($0) })
    for slot in slots {
      guard let entry = IndexEntry(memory.loadLine(geometry.entry(slot))) else {
        problems.append("I2: index line \(slot) is torn")
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
      case .reserved: reserved += 1
      case .evicting: evicting += 1
      }
      guard entry.block < geometry.blocks else {
        problems.append("I6: index line \(slot) names block \(entry.block), which does not exist")
        continue
      }
      if owners[entry.block / geometry.blocksPerChunk] != entry.node {
        problems.append("I1: block \(entry.block) is in use by node \(entry.node), not its owner")
      }
      if let other = holders.updateValue(slot, forKey: entry.block) {
        problems.append("I6: block \(entry.block) is in index lines \(other) and \(slot)")
      }
      if let other = places.updateValue(slot, forKey: entry.hash) {
        problems.append("I6: one hash is in index lines \(other) and \(slot)")
      }
      if slot / geometry.entriesPerShard != geometry.shard(of: entry.hash) {
        problems.append("I6: index line \(slot) holds a hash of another shard")
      }
    }
  }

  private mutating func readPins<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) {
    for node in 0..<geometry.nodes {
      let header = memory.readFresh(geometry.pinHeader(node: node))
      let used = 0..<Int(min(header[0], UInt64(geometry.pinLinesPerNode)))
      memory.invalidate(used.map { geometry.pinLine(node: node, $0) })
      for line in used {
        let words = memory.loadLine(geometry.pinLine(node: node, line))
        if !words.isSealed {
          problems.append("I2: pin line \(line) of node \(node) is torn")
        }
        for place in 0..<PoolGeometry.pinsPerLine where words[place] != 0 {
          pins += 1
          if !readyWords.contains(words[place]) {
            problems.append("I5: node \(node) pins block \(words[place] >> 32), which is gone")
          }
        }
      }
    }
  }
}
