// What a node keeps in its own DRAM: pins by block, blocks by hash.

import SharedMemory
import Testing

@testable import TractStore

@Suite struct NodeStateTests {
  private func geometry() throws -> PoolGeometry {
    try PoolGeometry(nodes: 1, payloadBytes: 64 * 64, blockBytes: 64, blocksPerChunk: 8)
  }

  /// A pin of the past and one of now may stand beside each other until the first is found stale.
  @Test func aBlockMayBePinnedInTwoGenerations() throws {
    var pins = PinTable(try geometry(), node: 0)
    #expect(pins.add(block: 3, generation: 1) == true)
    #expect(pins.add(block: 3, generation: 2) == true)
    #expect(pins.add(block: 3, generation: 2) == true, "not proven yet")
    pins.prove(block: 3, generation: 2)
    #expect(pins.add(block: 3, generation: 2) == false)
    #expect(pins.count == 2)
    pins.remove(block: 3, generation: 1)
    #expect(!pins.isPinned(block: 3, generation: 1))
    for _ in 0..<3 {
      #expect(pins.isPinned(block: 3, generation: 2))
      pins.remove(block: 3, generation: 2)
    }
    #expect(pins.count == 0)
    #expect(!pins.isPinned(block: 3, generation: 2))
  }

  /// Checkers compare states: the order in which pins came must not show where nothing depends on it.
  @Test func equalPinsCompareEqual() throws {
    func pins(_ order: [UInt64]) throws -> PinTable {
      var pins = PinTable(try geometry(), node: 0)
      for block in [3, 4] { _ = pins.add(block: block, generation: 9) }
      for generation in order {
        // Each takes the place that the same other block gives up.
        pins.remove(block: generation == 1 ? 3 : 4, generation: 9)
        _ = pins.add(block: 7, generation: generation)
      }
      return pins
    }
    let (one, other) = (try pins([1, 2]), try pins([2, 1]))
    #expect(one.isPinned(block: 7, generation: 1) && other.isPinned(block: 7, generation: 2))
    #expect(one == other)
  }

  /// The block that was settled last under a hash is the one that is found by it; hashes of one
  /// bucket are told apart.
  @Test func ofTwoBlocksWithOneHashTheLaterIsFound() throws {
    var heap = BlockHeap(try geometry())
    heap.adopt(chunk: 0, generation: 1)
    func settle(_ hash: BlockHash, slot: Int) -> Int {
      let place = heap.take()!
      heap.settle(
        Reservation(hash: hash, block: place.block, generation: place.generation, slot: slot))
      return place.block
    }
    let (hash, another) = (BlockHash(hi: 5, lo: 1), BlockHash(hi: 6, lo: 1))
    let first = settle(hash, slot: 0)
    let later = settle(hash, slot: 1)
    let other = settle(another, slot: 2)
    let found = heap.resident([hash, another, hash]).map(\.block)
    #expect(found.sorted() == [later, other].sorted(), "each once")
    heap.unsettle(later)
    #expect(heap.resident([hash]).isEmpty, "the first was forgotten")
    heap.unsettle(first)
    #expect(heap.resident([another]).map(\.block) == [other])
    heap.unsettle(other)
    #expect(heap.resident([hash, another]).isEmpty)
    #expect(heap.residentCount == 0 && heap.freeCount == 8)
  }
}
