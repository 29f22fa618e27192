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
///
/// A process that opens a pool which has been in use runs `Attach` before anything else.
public struct StoreClient {
  public let geometry: PoolGeometry
  public let node: Int
  /// Pause between two polls of a line.
  public let pollNanoseconds: UInt64
  /// Chunks this node may own: what others need as well cannot be had back.
  public let chunkQuota: Int
  public internal(set) var counters = StoreCounters()
  let epoch: UInt64 = 1

  // Locks: the node-local tier, and the request boxes of the global one.
  private var locked: [Bool]
  private var queue: [(ticket: UInt64, locks: [UInt16])] = []
  private var tickets: UInt64 = 0
  private var freeBoxes: [Int]
  var boxSequences: [UInt64]
  var bump: UInt64 = 0

  var pins: PinTable
  var heap: BlockHeap

  public init(
    _ geometry: PoolGeometry, node: Int, pollNanoseconds: UInt64, chunkQuota: Int = .max
  ) {
    precondition((0..<geometry.nodes).contains(node))
    self.chunkQuota = chunkQuota
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
  /// Blocks this node owns that hold nothing.
  public var freeBlocks: Int { heap.freeCount }

  /// Queues for `locks` within this node; `takeLocal` answers to the ticket.
  mutating func queueLocal(_ locks: [UInt16]) -> UInt64 {
    tickets += 1
    queue.append((tickets, locks))
    return tickets
  }

  /// Takes all the ticket's locks within this node and a request box; nil, and nothing, while one
  /// of them is taken or wanted by an earlier ticket. First come, first served.
  /// - Complexity: O(queued requests × locks in a set).
  mutating func takeLocal(_ ticket: UInt64) -> Int? {
    guard !freeBoxes.isEmpty, let place = queue.firstIndex(where: { $0.ticket == ticket })
    else { return nil }
    let locks = queue[place].locks
    let isFree = locks.allSatisfy { lock in
      !locked[Int(lock)] && !queue[..<place].contains { $0.locks.contains(lock) }
    }
    guard isFree else { return nil }
    queue.remove(at: place)
    for lock in locks { locked[Int(lock)] = true }
    return freeBoxes.removeLast()
  }

  mutating func giveLocal(_ locks: [UInt16], box: Int) {
    for lock in locks { locked[Int(lock)] = false }
    freeBoxes.append(box)
  }
}
