// One line of the prefix index.

import SharedMemory

/// An index entry, alone in its line.
///
/// EMPTY and tombs are written under the shard's lock, as are RESERVED and EVICTING; READY is
/// written by the member that reserved the entry, without a lock, once the payload is at the device
/// (invariant I4), and so is the tomb of a reservation given up.
struct IndexEntry: Hashable {
  enum State: UInt64, CaseIterable {
    case empty = 0
    case reserved = 1
    case ready = 2
    case evicting = 3
    /// Deleted; probes go on past it.
    case tomb = 4
  }

  var state: State
  /// Who reserved the entry. Who may evict it is the owner of its chunk.
  var writer: Member
  /// Generation of the block, so that a reused block is never taken for the old one.
  var generation: UInt64
  var hash: BlockHash
  var block: Int

  init(state: State, writer: Member, _ reservation: Reservation) {
    self.state = state
    self.writer = writer
    generation = reservation.generation
    hash = reservation.hash
    block = reservation.block
  }

  /// A deleted entry of which nothing is known.
  static var tomb: IndexEntry {
    IndexEntry(
      state: .tomb, writer: Member(node: 0, incarnation: 0),
      Reservation(hash: BlockHash(hi: 0, lo: 0), block: 0, generation: 0, slot: 0))
  }

  /// Bounds of what a line may name: of a geometry, what reading a line needs.
  struct Names {
    var nodes: Int
    var blocks: Int
  }

  /// Reads a line; nil if it is torn or names a node or block that does not exist, which is
  /// treated as a miss.
  @inline(__always)
  init?(_ line: Line64, in names: Names) {
    guard line.isSealed else { return nil }
    self.init(unsealed: line, in: names)
  }

  init?(_ line: Line64, in geometry: PoolGeometry) { self.init(line, in: geometry.names) }

  init?(unsealed line: Line64, in geometry: PoolGeometry) {
    self.init(unsealed: line, in: geometry.names)
  }

  @inline(__always)
  init?(unsealed line: Line64, in names: Names) {
    guard let state = State(rawValue: line.word0 & 0xFF) else { return nil }
    self.state = state
    writer = Member(word: line.word0 >> 8 & 0xFF | line.word0 & 0xFFFF_FFFF_0000_0000)
    hash = BlockHash(hi: line.word1, lo: line.word2)
    guard writer.node < names.nodes, line.word3 < names.blocks else { return nil }
    block = Int(line.word3)
    generation = line.word4
  }

  /// Whether a line is whole and in this state.
  static func isState(_ state: State, _ line: Line64, in names: Names) -> Bool {
    IndexEntry(line, in: names)?.state == state
  }

  /// Reads a line that was torn by a change of its state alone, which is told by the seal: it fits
  /// another state. The two states come in the order of their numbers.
  static func torn(
    _ line: Line64, in geometry: PoolGeometry
  ) -> (entry: IndexEntry, states: [State])? {
    guard let entry = IndexEntry(unsealed: line, in: geometry) else { return nil }
    for state in State.allCases where state != entry.state {
      var other = line
      other[0] = line[0] & ~0xFF | state.rawValue
      guard other.isSealed else { continue }
      return (entry, [state, entry.state].sorted { $0.rawValue < $1.rawValue })
    }
    return nil
  }

  /// Whether this is the block that was published under `reservation`.
  func holds(_ reservation: Reservation) -> Bool {
    hash == reservation.hash && generation == reservation.generation && block == reservation.block
  }

  var line: Line64 {
    let head =
      state.rawValue | UInt64(writer.node) << 8 | UInt64(writer.incarnation) << 32
    return Line64(head, hash.hi, hash.lo, UInt64(block), generation, 0, 0, 0).sealed(sequence: 1)
  }
}

/// A READY block that this node has pinned: its payload may be read until it is unpinned.
public struct PinnedBlock: Hashable, Sendable {
  public var hash: BlockHash
  public var block: Int
  public var generation: UInt64
  /// Index line of its entry.
  public var slot: Int
}

/// A block that this node may write and then publish or revoke.
public struct Reservation: Hashable, Sendable {
  public var hash: BlockHash
  public var block: Int
  public var generation: UInt64
  public var slot: Int
}
