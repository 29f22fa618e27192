// The blocks a node owns: free lists and recency, in its own DRAM.

import SharedMemory

/// Blocks of the chunks this node has claimed.
///
/// Nothing here is in shared memory: the index is the root set, and free lists can be derived from
/// it, so a crash leaks nothing. Recency is this node's own view of use; reads by other nodes do
/// not refresh it.
struct BlockHeap: Hashable {
  private struct Block: Hashable {
    var hash = BlockHash(hi: 0, lo: 0)
    var generation: UInt64 = 0
    var slot: Int32 = -1
    var newer: Int32 = -1
    var older: Int32 = -1
    /// The next block that is found under the same bucket of hashes.
    var next: Int32 = -1
    var isResident = false
  }

  private let blocksPerChunk: Int
  private var blocks: [Block]
  private var adopted: [Bool]
  private var free: [Int32] = []
  private var newest: Int32 = -1
  private var oldest: Int32 = -1
  /// The first block of each bucket of hashes, a power of two of them; −1 if there is none.
  private var buckets: [Int32]
  /// Where the next search for a free chunk begins.
  var chunkHint = 0
  /// Whether every chunk of the pool was found to have an owner. Somebody may leave or die, so
  /// that `Tick` forgets it.
  var poolIsClaimed = false
  private(set) var residentCount = 0
  /// Blocks that may be in use though the index does not tell of them.
  private(set) var withheldCount = 0
  private(set) var chunkCount = 0
  /// Blocks taken and neither published nor given back.
  private(set) var takenCount = 0

  init(_ geometry: PoolGeometry) {
    blocksPerChunk = geometry.blocksPerChunk
    blocks = Array(repeating: Block(), count: geometry.blocks)
    adopted = Array(repeating: false, count: geometry.chunks)
    var count = 1
    while count < geometry.blocks { count *= 2 }
    buckets = Array(repeating: -1, count: count)
  }

  var freeCount: Int { free.count }

  /// Adds the blocks of a claimed chunk, free but for those that are resident already. The chunk's
  /// generation is above any before, and is the upper half of its blocks' generations.
  mutating func adopt(chunk: Int, generation: UInt32) {
    chunkCount += 1
    adopted[chunk] = true
    for index in (0..<blocksPerChunk).reversed() {
      let block = chunk * blocksPerChunk + index
      guard !blocks[block].isResident else { continue }
      blocks[block].generation = UInt64(generation) << 32
      free.append(Int32(block))
    }
  }

  /// Whether the chunk's blocks are here already, whatever its line says.
  func has(chunk: Int) -> Bool { adopted[chunk] }

  /// Takes a published block over that another member left in the index.
  mutating func restore(_ reservation: Reservation) {
    // In a damaged index two entries may name one block: it would be in the list of ages twice.
    guard !blocks[reservation.block].isResident else { return }
    blocks[reservation.block].generation = reservation.generation
    takenCount += 1
    settle(reservation)
  }

  /// Keeps a block back that somebody may be reading though the index does not tell of it. It has no
  /// index line (`slot` is -1), grows old like a resident one, and an eviction finds it lost once its
  /// pin has gone.
  mutating func withhold(_ block: Int, generation: UInt64) {
    guard !blocks[block].isResident else { return }
    blocks[block].generation = generation
    blocks[block].hash = BlockHash(hi: 0, lo: 0)
    blocks[block].slot = -1
    blocks[block].isResident = true
    withheldCount += 1
    linkNewest(Int32(block))
  }

  /// A free block with a generation it never had before (invariant I7). The lower half counts the
  /// uses since the chunk was claimed: 2³² of them last longer than any rack.
  mutating func take(_ mutant: Mutant? = nil) -> (block: Int, generation: UInt64)? {
    // A damaged entry may have left a block its last generation: it is not used again.
    var last = free.popLast()
    while let block = last, blocks[Int(block)].generation == .max { last = free.popLast() }
    guard let block = last else { return nil }
    var generation = blocks[Int(block)].generation
    let uses = generation & 0xFFFF_FFFF
    if mutant == .wrapsGenerations, uses == 4 {
      generation -= 3
    } else if mutant != .keepsGeneration || uses == 0 {
      generation += 1
    }
    blocks[Int(block)].generation = generation
    takenCount += 1
    return (Int(block), generation)
  }

  /// Gives a block back that was taken.
  mutating func give(_ block: Int) {
    takenCount -= 1
    free.append(Int32(block))
  }

  /// The block holds published KV now, and is the most recently used.
  mutating func settle(_ reservation: Reservation) {
    takenCount -= 1
    blocks.withUnsafeMutableBufferPointer { blocks in
      blocks[reservation.block].hash = reservation.hash
      blocks[reservation.block].slot = Int32(reservation.slot)
      blocks[reservation.block].isResident = true
    }
    name(Int32(reservation.block))
    residentCount += 1
    linkNewest(Int32(reservation.block))
  }

  /// The block's KV is gone; its place is free.
  mutating func unsettle(_ block: Int) {
    unlink(Int32(block))
    if blocks[block].slot < 0 {
      withheldCount -= 1
    } else {
      unname(Int32(block))
      residentCount -= 1
    }
    blocks[block].isResident = false
    takenCount += 1
    give(block)
  }

  /// Marks a use, if the block is this node's.
  mutating func touch(_ block: Int) {
    guard blocks[block].isResident, newest != Int32(block) else { return }
    unlink(Int32(block))
    linkNewest(Int32(block))
  }

  /// The own blocks that hold the given hashes, each once: a block evicted twice would be free twice.
  func resident(_ hashes: [BlockHash]) -> [Reservation] {
    let found = hashes.map { block(of: $0) }.sorted()
    return found.indices.compactMap { index in
      let isNew = found[index] >= 0 && (index == 0 || found[index] != found[index - 1])
      return isNew ? reservation(of: found[index]) : nil
    }
  }

  /// Up to `count` own blocks in order of age, without those that are pinned here.
  func eldest(_ count: Int, unpinnedIn pins: PinTable) -> [Reservation] {
    var victims: [Reservation] = []
    victims.reserveCapacity(min(count, residentCount + withheldCount))
    var block = oldest
    while block >= 0, victims.count < count {
      if !pins.isPinned(block: Int(block), generation: blocks[Int(block)].generation) {
        victims.append(reservation(of: block))
      }
      block = blocks[Int(block)].newer
    }
    return victims
  }

  /// Whether the block still holds what was published with that generation.
  func isResident(_ block: Int, _ generation: UInt64) -> Bool {
    blocks[block].isResident && blocks[block].generation == generation
  }

  private func reservation(of block: Int32) -> Reservation {
    let state = blocks[Int(block)]
    return Reservation(
      hash: state.hash, block: Int(block), generation: state.generation, slot: Int(state.slot))
  }

  private mutating func linkNewest(_ block: Int32) {
    let newest = newest
    blocks.withUnsafeMutableBufferPointer { blocks in
      blocks[Int(block)].older = newest
      blocks[Int(block)].newer = -1
      if newest >= 0 { blocks[Int(newest)].newer = block }
    }
    self.newest = block
    if oldest < 0 { oldest = block }
  }

  private mutating func unlink(_ block: Int32) {
    let (older, newer) = (blocks[Int(block)].older, blocks[Int(block)].newer)
    blocks.withUnsafeMutableBufferPointer { blocks in
      if older >= 0 { blocks[Int(older)].newer = newer }
      if newer >= 0 { blocks[Int(newer)].older = older }
    }
    if older < 0 { oldest = newer }
    if newer < 0 { newest = older }
  }

  // MARK: Blocks by hash

  private func bucket(of hash: BlockHash) -> Int {
    Int(truncatingIfNeeded: hash.lo) & (buckets.count - 1)
  }

  /// The block settled last with this hash; −1 if none is here.
  private func block(of hash: BlockHash) -> Int32 {
    var block = buckets[bucket(of: hash)]
    while block >= 0, blocks[Int(block)].hash != hash { block = blocks[Int(block)].next }
    return block
  }

  /// Lets a block be found by its hash, instead of another one that holds the same.
  private mutating func name(_ block: Int32) {
    let hash = blocks[Int(block)].hash
    let other = self.block(of: hash)
    if other >= 0 { unname(other) }
    // In ascending order, so that equal heaps compare equal.
    var before: Int32 = -1
    var after = buckets[bucket(of: hash)]
    while after >= 0, after < block { (before, after) = (after, blocks[Int(after)].next) }
    if after >= 0 { blocks[Int(block)].next = after }
    setNext(of: before, hash, block)
  }

  /// Does so no more; nothing if another block is found instead.
  private mutating func unname(_ block: Int32) {
    let hash = blocks[Int(block)].hash
    var before: Int32 = -1
    var after = buckets[bucket(of: hash)]
    while after >= 0, after != block { (before, after) = (after, blocks[Int(after)].next) }
    guard after >= 0 else { return }
    let next = blocks[Int(block)].next
    setNext(of: before, hash, next)
    if next >= 0 { blocks[Int(block)].next = -1 }
  }

  @inline(__always)
  private mutating func setNext(of block: Int32, _ hash: BlockHash, _ next: Int32) {
    if block < 0 { buckets[bucket(of: hash)] = next } else { blocks[Int(block)].next = next }
  }
}
