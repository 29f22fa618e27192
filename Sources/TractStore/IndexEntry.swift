// One line of the prefix index.

import SharedMemory

/// An index entry, alone in its line.
///
/// EMPTY and tombs are written under the shard's lock, as are RESERVED and EVICTING; READY is
/// written by the node that reserved the entry, without a lock, once the payload is at the device
/// (invariant I4).
struct IndexEntry: Hashable {
  enum State: UInt64 {
    case empty = 0
    case reserved = 1
    case ready = 2
    case evicting = 3
    /// Deleted; probes go on past it.
    case tomb = 4
  }

  var state: State
  var node: Int
  /// Generation of the block, so that a reused block is never taken for the old one.
  var generation: UInt32
  var hash: BlockHash
  var block: Int

  init(state: State, node: Int, generation: UInt32, hash: BlockHash, block: Int) {
    self.state = state
    self.node = node
    self.generation = generation
    self.hash = hash
    self.block = block
  }

  /// Reads a line; a torn one reads as nil and is treated as a miss.
  init?(_ line: Line64) {
    guard line.isSealed, let state = State(rawValue: line[0] & 0xF) else { return nil }
    self.state = state
    node = Int(line[0] >> 8 & 0xFF)
    generation = UInt32(truncatingIfNeeded: line[0] >> 32)
    hash = BlockHash(hi: line[1], lo: line[2])
    block = Int(line[3])
  }

  var line: Line64 {
    let head = state.rawValue | UInt64(node) << 8 | UInt64(generation) << 32
    return Line64(head, hash.hi, hash.lo, UInt64(block), 0, 0, 0, 0).sealed(sequence: 1)
  }

  static var tombLine: Line64 {
    Line64(State.tomb.rawValue, 0, 0, 0, 0, 0, 0, 0).sealed(sequence: 1)
  }
}

/// A READY block that this node has pinned: its payload may be read until it is unpinned.
public struct PinnedBlock: Hashable, Sendable {
  public var hash: BlockHash
  public var block: Int
  public var generation: UInt32
  /// Index line of its entry.
  public var slot: Int
}

/// A block that this node may write and then publish or revoke.
public struct Reservation: Hashable, Sendable {
  public var hash: BlockHash
  public var block: Int
  public var generation: UInt32
  public var slot: Int
}
