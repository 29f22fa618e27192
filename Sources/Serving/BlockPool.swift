// GPU blocks one by one, as an engine's prefix cache needs them.

import TractStore

/// The blocks of one engine, each with its users and, once it is full, its name.
///
/// As vLLM's block pool: blocks that nobody uses wait in a queue from whose head new ones are
/// taken. A nameless block goes back to the head, since nobody can find it; a named one goes to the
/// tail and can be found until its turn has come. So the prefix released longest ago is lost first.
struct BlockPool {
  private struct Block {
    var name = BlockHash(hi: 0, lo: 0)
    var isNamed = false
    var users: Int32 = 0
    /// Neighbours in the queue of free blocks; −1 at its ends.
    var previous: Int32 = -1
    var next: Int32 = -1
    /// The next block of the same name, −1 for none: requests that compute the same at the same
    /// time, or compute again what must not be taken from the cache.
    var twin: Int32 = -1
  }

  private var blocks: [Block]
  /// First block of each name.
  private var named: [BlockHash: Int32] = [:]
  private var head: Int32 = -1
  private var tail: Int32 = -1

  init(count: Int) {
    blocks = Array(repeating: Block(), count: count)
    for block in 0..<Int32(count) { append(block) }
  }

  /// The block of that name, if one is left.
  func find(_ name: BlockHash) -> Int32? { named[name] }

  func isFree(_ block: Int32) -> Bool { blocks[Int(block)].users == 0 }

  /// One more sequence uses a block that was found.
  mutating func use(_ block: Int32) {
    if blocks[Int(block)].users == 0 { unlink(block) }
    blocks[Int(block)].users += 1
  }

  /// The next free block, whose former contents are lost.
  /// - Precondition: there is one.
  mutating func take() -> Int32 {
    let block = head
    unlink(block)
    forget(block)
    blocks[Int(block)].users = 1
    return block
  }

  /// Lets a block be found from now on.
  mutating func name(_ block: Int32, _ name: BlockHash) {
    guard !blocks[Int(block)].isNamed else { return }
    blocks[Int(block)].name = name
    blocks[Int(block)].isNamed = true
    guard var last = named[name] else {
      named[name] = block
      return
    }
    while blocks[Int(last)].twin >= 0 { last = blocks[Int(last)].twin }
    blocks[Int(last)].twin = block
  }

  /// A sequence gives its blocks back; returns how many nobody uses any more.
  ///
  /// The last goes first, so that a prefix outlives what continues it.
  mutating func release(_ table: [Int32]) -> Int {
    var freed = 0
    for block in table.reversed() {
      blocks[Int(block)].users -= 1
      guard blocks[Int(block)].users == 0 else { continue }
      freed += 1
      if blocks[Int(block)].isNamed { append(block) } else { prepend(block) }
    }
    return freed
  }

  private mutating func forget(_ block: Int32) {
    guard blocks[Int(block)].isNamed, let first = named[blocks[Int(block)].name] else { return }
    let twin = blocks[Int(block)].twin
    if first == block {
      named[blocks[Int(block)].name] = twin >= 0 ? twin : nil
    } else {
      var before = first
      while blocks[Int(before)].twin != block { before = blocks[Int(before)].twin }
      blocks[Int(before)].twin = twin
    }
    blocks[Int(block)].isNamed = false
    blocks[Int(block)].twin = -1
  }

  private mutating func append(_ block: Int32) {
    blocks[Int(block)].previous = tail
    blocks[Int(block)].next = -1
    if tail >= 0 { blocks[Int(tail)].next = block } else { head = block }
    tail = block
  }

  private mutating func prepend(_ block: Int32) {
    blocks[Int(block)].previous = -1
    blocks[Int(block)].next = head
    if head >= 0 { blocks[Int(head)].previous = block } else { tail = block }
    head = block
  }

  private mutating func unlink(_ block: Int32) {
    let (previous, next) = (blocks[Int(block)].previous, blocks[Int(block)].next)
    if previous >= 0 { blocks[Int(previous)].next = next } else { head = next }
    if next >= 0 { blocks[Int(next)].previous = previous } else { tail = previous }
  }
}
