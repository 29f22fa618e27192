// What a pool at rest holds, and which invariants it breaks.

import SharedMemory

/// Counts over a quiescent pool.
public struct Audit: Hashable, Sendable {
  public var ready = 0
  public var reserved = 0
  public var evicting = 0
  public var tombs = 0
  public var pins = 0
  public var ownedChunks = 0
  /// Broken invariants in words; empty in a correct pool.
  public var problems: [String] = []

  /// Reads the whole pool; nobody may be using it.
  /// - Complexity: O(index lines + pin lines + chunks).
  public init<M: SharedMemory & ~Copyable>(_ memory: inout M, _ geometry: PoolGeometry) {
    var holders: [Int: Int] = [:]
    var places: [BlockHash: Int] = [:]
    for slot in 0..<geometry.shards * geometry.entriesPerShard {
      guard let entry = IndexEntry(memory.readFresh(geometry.entry(slot))) else {
        problems.append("I2: index line \(slot) is torn")
        continue
      }
      switch entry.state {
      case .empty: continue
      case .tomb:
        tombs += 1
        continue
      case .ready: ready += 1
      case .reserved: reserved += 1
      case .evicting: evicting += 1
      }
      if let other = holders.updateValue(slot, forKey: entry.block) {
        problems.append("I6: block \(entry.block) is in index lines \(other) and \(slot)")
      }
      if let other = places.updateValue(slot, forKey: entry.hash) {
        problems.append("one hash is in index lines \(other) and \(slot)")
      }
      if slot / geometry.entriesPerShard != geometry.shard(of: entry.hash) {
        problems.append("index line \(slot) holds a hash of another shard")
      }
    }
    for node in 0..<geometry.nodes {
      let header = memory.readFresh(geometry.pinHeader(node: node))
      for line in 0..<min(Int(header[0]), geometry.pinLinesPerNode) {
        let words = memory.readFresh(geometry.pinLine(node: node, line))
        pins += (0..<PoolGeometry.pinsPerLine).count { words[$0] != 0 }
      }
    }
    for chunk in 0..<geometry.chunks where memory.readFresh(geometry.chunkLine(chunk))[0] == 1 {
      ownedChunks += 1
    }
  }
}
