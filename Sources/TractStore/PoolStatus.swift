// Who uses a pool, for people to look at.

import SharedMemory

/// What nodes and managers say of themselves, read from a pool that may be in use; nothing is
/// written.
public struct PoolStatus: Hashable, Sendable {
  /// How a node stands.
  public enum Condition: String, Sendable {
    /// Nobody is this node: it has never joined, or left.
    case vacant
    case joining
    case active
    /// Fenced; what it left behind is still there.
    case dead
    /// Fenced, and its traces are cleared away.
    case recovered
  }

  /// One node's lines together.
  public struct Node: Hashable, Sendable {
    public var node: Int
    public var status: NodeStatus
    /// Every incarnation up to this one is fenced; 0 if none is.
    public var fencedIncarnation: UInt32
    /// How surely the latest fenced one has stopped.
    public var fencing: Fencing
    /// Every incarnation up to this one is cleared away.
    public var recoveredIncarnation: UInt32
    /// Whether chunks wait until the dead are silenced.
    public var hasQuarantine: Bool

    public var condition: Condition {
      let isFenced = status.incarnation <= fencedIncarnation
      return switch status.state {
      case .vacant: isUnrecovered ? .dead : .vacant
      case .joining, .active:
        if !isFenced {
          status.state == .joining ? .joining : .active
        } else {
          isUnrecovered ? .dead : .recovered
        }
      }
    }

    /// Whether a fenced life's traces are still there.
    public var isUnrecovered: Bool { fencedIncarnation > recoveredIncarnation || hasQuarantine }
  }

  public var nodes: [Node]
  public var seats: [SeatStatus]

  /// The seat whose epoch rules; nil before the first manager and after one has resigned.
  public var rulingSeat: Int? {
    let ruler = seats.indices.max { seats[$0].epoch < seats[$1].epoch }
    return ruler.flatMap { seats[$0].state == .vacant ? nil : $0 }
  }

  /// - Complexity: O(nodes × seats) line reads.
  public init<M: SharedMemory & ~Copyable>(_ memory: inout M, _ geometry: PoolGeometry) {
    let fences = geometry.readFences(&memory)
    let recovered = geometry.readRecovered(&memory)
    nodes = geometry.readNodes(&memory).enumerated().map { node, status in
      Node(
        node: node, status: status, fencedIncarnation: fences[node].incarnation,
        fencing: fences[node].fencing, recoveredIncarnation: recovered[node].incarnation,
        hasQuarantine: recovered[node].hasQuarantine)
    }
    seats = geometry.readSeats(&memory)
  }
}
