// An LRU set of KV blocks with a capacity: LMCache's per-node DRAM tier.

import TractStore

/// Blocks by hash in least-recently-used order; pinned blocks are never evicted.
struct BlockCache {
  private struct Node {
    var hash: BlockHash
    var previous: Int32
    var next: Int32
    var pins: Int32
  }

  let capacity: Int
  private var index: [BlockHash: Int32] = [:]
  private var nodes: [Node] = []
  private var free: [Int32] = []
  /// Most and least recently used node; −1 when empty.
  private var newest: Int32 = -1
  private var oldest: Int32 = -1
  private(set) var evictions = 0
  private(set) var pinned = 0

  init(capacity: Int) { self.capacity = capacity }

  var count: Int { index.count }

  /// Length of the run of cached blocks from the head; modifies nothing.
  func prefixLength(_ hashes: [BlockHash]) -> Int {
    hashes.firstIndex { index[$0] == nil } ?? hashes.count
  }

  /// Pins the block and makes it the most recently used; false if it is not cached.
  mutating func pin(_ hash: BlockHash) -> Bool {
    guard let node = index[hash] else { return false }
    if nodes[Int(node)].pins == 0 { pinned += 1 }
    nodes[Int(node)].pins += 1
    touch(node)
    return true
  }

  mutating func unpin(_ hash: BlockHash) {
    guard let node = index[hash] else { return }
    nodes[Int(node)].pins -= 1
    if nodes[Int(node)].pins == 0 { pinned -= 1 }
  }

  /// Adds a block, evicting the oldest unpinned ones; false if everything else is pinned.
  mutating func insert(_ hash: BlockHash) -> Bool {
    if let node = index[hash] {
      touch(node)
      return true
    }
    if index.count >= capacity, !evictOldest() { return false }
    let node: Int32
    if let reused = free.popLast() {
      node = reused
      nodes[Int(node)] = Node(hash: hash, previous: -1, next: -1, pins: 0)
    } else {
      node = Int32(nodes.count)
      nodes.append(Node(hash: hash, previous: -1, next: -1, pins: 0))
    }
    index[hash] = node
    linkNewest(node)
    return true
  }

  /// Drops the least recently used unpinned block; false if there is none.
  private mutating func evictOldest() -> Bool {
    var node = oldest
    while node >= 0, nodes[Int(node)].pins > 0 { node = nodes[Int(node)].previous }
    guard node >= 0 else { return false }
    unlink(node)
    index[nodes[Int(node)].hash] = nil
    free.append(node)
    evictions += 1
    return true
  }

  /// Drops a block, pinned or not; what is not cached is left alone.
  mutating func remove(_ hash: BlockHash) {
    guard let node = index.removeValue(forKey: hash) else { return }
    if nodes[Int(node)].pins > 0 { pinned -= 1 }
    unlink(node)
    free.append(node)
  }

  private mutating func touch(_ node: Int32) {
    guard node != newest else { return }
    unlink(node)
    linkNewest(node)
  }

  private mutating func linkNewest(_ node: Int32) {
    nodes[Int(node)].previous = -1
    nodes[Int(node)].next = newest
    if newest >= 0 { nodes[Int(newest)].previous = node }
    newest = node
    if oldest < 0 { oldest = node }
  }

  private mutating func unlink(_ node: Int32) {
    let (previous, next) = (nodes[Int(node)].previous, nodes[Int(node)].next)
    if previous >= 0 { nodes[Int(previous)].next = next } else { newest = next }
    if next >= 0 { nodes[Int(next)].previous = previous } else { oldest = previous }
  }
}
