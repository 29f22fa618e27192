// What one node keeps in its own DRAM: locks held, pins counted, blocks owned.

import SharedMemory

/// Counts of what a node did with the pool.
public struct StoreCounters: Hashable, Sendable {
  public var locksTaken = 0
  public var lockPolls = 0
  public var lookups = 0
  public var blocksHit = 0
  public var published = 0
  public var evicted = 0
  /// Blocks asked for that neither the heap, a free chunk nor eviction could supply.
  public var allocationFailures = 0
}

/// One node's private state; everything here is derived or can be lost with the node.
public struct StoreClient {
  public let geometry: PoolGeometry
  public let node: Int
  /// Pause between two polls of a line.
  public let pollNanoseconds: UInt64
  public internal(set) var counters = StoreCounters()
  let epoch: UInt64 = 1

  // Locks: the node-local tier, and the request boxes of the global one.
  private var locked: [Bool]
  private var freeBoxes: [Int]
  var boxSequences: [UInt64]
  var bump: UInt64 = 0

  var pins: PinTable
  var heap: BlockHeap

  public init(_ geometry: PoolGeometry, node: Int, pollNanoseconds: UInt64) {
    precondition((0..<geometry.nodes).contains(node))
    self.geometry = geometry
    self.node = node
    self.pollNanoseconds = pollNanoseconds
    locked = Array(repeating: false, count: geometry.locks)
    freeBoxes = Array((0..<PoolGeometry.requestBoxes).reversed())
    boxSequences = Array(repeating: 0, count: PoolGeometry.requestBoxes)
    pins = PinTable(geometry, node: node)
    heap = BlockHeap(geometry)
  }

  /// Blocks this node has pinned.
  public var pinnedBlocks: Int { pins.count }
  /// Blocks this node owns that hold published KV.
  public var residentBlocks: Int { heap.residentCount }

  /// Takes all of `locks` within this node and a request box; nil, and nothing, if one is taken.
  mutating func takeLocal(_ locks: [UInt16]) -> Int? {
    guard !freeBoxes.isEmpty, locks.allSatisfy({ !locked[Int($0)] }) else { return nil }
    for lock in locks { locked[Int(lock)] = true }
    return freeBoxes.removeLast()
  }

  mutating func giveLocal(_ locks: [UInt16], box: Int) {
    for lock in locks { locked[Int(lock)] = false }
    freeBoxes.append(box)
  }
}
