// Who belongs to the pool: what nodes and managers say of themselves, and what is known of the dead.

import SharedMemory

/// One life of a node, from joining to leaving or death. Traces in the pool carry it, so that those
/// of an earlier life are told from those of a later one.
public struct Member: Hashable, Sendable, CustomStringConvertible {
  public var node: Int
  /// Rises with each life; 0 belongs to nobody.
  public var incarnation: UInt32

  public init(node: Int, incarnation: UInt32) {
    self.node = node
    self.incarnation = incarnation
  }

  public var description: String { "node \(node) (incarnation \(incarnation))" }

  /// Node in the low 8 bits, incarnation in the upper half.
  var word: UInt64 { UInt64(node) | UInt64(incarnation) << 32 }

  init(word: UInt64) {
    node = Int(word & 0xFF)
    incarnation = UInt32(truncatingIfNeeded: word >> 32)
  }
}

/// Where a member runs, for whoever has to stop it; the store only passes it on.
public struct ProcessIdentity: Hashable, Sendable {
  /// Fingerprint of the host, e.g. of its boot id.
  public var host: UInt64
  public var process: UInt64
  /// When the process started, so that a reused process id is not mistaken for it.
  public var started: UInt64

  public init(host: UInt64 = 0, process: UInt64 = 0, started: UInt64 = 0) {
    self.host = host
    self.process = process
    self.started = started
  }
}

/// A node's own line.
public struct NodeStatus: Hashable, Sendable {
  public enum State: UInt64, Sendable {
    case vacant = 0
    case joining = 1
    case active = 2
  }

  public var state: State
  public var incarnation: UInt32
  /// Changes as long as the node lives.
  public var heartbeat: UInt64
  /// The latest epoch the node has adopted: it takes no grant of an earlier one.
  public var epoch: UInt64
  public var process: ProcessIdentity
  /// Whether the line was read whole. Words are never torn, so a torn line still tells who wrote it.
  public var isWhole = true

  init(
    _ state: State, incarnation: UInt32, heartbeat: UInt64, epoch: UInt64, process: ProcessIdentity
  ) {
    self.state = state
    self.incarnation = incarnation
    self.heartbeat = heartbeat
    self.epoch = epoch
    self.process = process
  }

  init(_ line: Line64) {
    isWhole = line.isSealed
    state = State(rawValue: line[0] & 0xFF) ?? .vacant
    incarnation = UInt32(truncatingIfNeeded: line[0] >> 32)
    heartbeat = line[1]
    epoch = isWhole ? line[2] : 0
    process = ProcessIdentity(host: line[3], process: line[4], started: line[5])
    // A new life's announcement was torn: the next incarnation may be in the line already.
    if !isWhole, state == .vacant {
      state = .joining
      // A damaged line may say anything; the last number stays, and `Join` refuses to go beyond it.
      if incarnation < .max { incarnation += 1 }
    }
  }

  var line: Line64 {
    Line64(
      state.rawValue | UInt64(incarnation) << 32, heartbeat, epoch, process.host, process.process,
      process.started, 0, 0
    ).sealed(sequence: 1)
  }
}

/// A manager's own line.
public struct SeatStatus: Hashable, Sendable {
  public enum State: UInt64, Sendable {
    case vacant = 0
    /// Waits until every node has adopted its epoch.
    case candidate = 1
    case active = 2
  }

  public var state: State
  /// Unique to seat and term; the highest one rules.
  public var epoch: UInt64
  public var heartbeat: UInt64
  public var process: ProcessIdentity

  init(_ state: State, epoch: UInt64, heartbeat: UInt64, process: ProcessIdentity) {
    self.state = state
    self.epoch = epoch
    self.heartbeat = heartbeat
    self.process = process
  }

  /// A torn line counts with the epoch it shows: adopting one early harms nobody.
  init(_ line: Line64) {
    state = State(rawValue: line[0]) ?? .vacant
    epoch = line[1]
    heartbeat = line[2]
    process = ProcessIdentity(host: line[3], process: line[4], started: line[5])
  }

  var line: Line64 {
    Line64(
      state.rawValue, epoch, heartbeat, process.host, process.process, process.started, 0, 0
    ).sealed(sequence: 1)
  }
}

/// How surely a dead member has stopped.
public enum Fencing: UInt64, Hashable, Comparable, Sendable {
  /// It may be alive.
  case none = 0
  /// Its process runs no more and its host's cache holds no modified line of the pool; DMA that it
  /// had started may still arrive.
  case stopped = 1
  /// Nothing of it can reach the pool any more.
  case silenced = 2

  public static func < (a: Fencing, b: Fencing) -> Bool { a.rawValue < b.rawValue }
}

/// What is known of the deaths at one node: every incarnation up to `incarnation` is fenced.
struct Fence: Hashable {
  var incarnation: UInt32 = 0
  var fencing = Fencing.none

  /// What a line says. Of one torn by a change of `fencing` alone, which the seal tells, the less
  /// sure of the two holds: its writer may have died, and the node may be back in another life, so
  /// that nobody would find out again. Of any other torn line nothing is believed: who writes it
  /// comes back to it.
  init(_ line: Line64) {
    for sealed in [Fencing.none, .stopped, .silenced] {
      var whole = line
      whole[0] = sealed.rawValue
      guard whole.isSealed, let written = Fencing(rawValue: line[0]) else { continue }
      fencing = min(sealed, written)
      incarnation = UInt32(truncatingIfNeeded: line[1])
      return
    }
  }

  init(_ incarnation: UInt32, _ fencing: Fencing) {
    self.incarnation = incarnation
    self.fencing = fencing
  }

  var line: Line64 {
    Line64(fencing.rawValue, UInt64(incarnation), 0, 0, 0, 0, 0, 0).sealed(sequence: 1)
  }

  func covers(_ member: Member) -> Bool { member.incarnation <= incarnation }

  /// What two managers found out, together. Both are right: a fence is a fact.
  func merged(with other: Fence) -> Fence {
    if other.incarnation != incarnation { return other.incarnation > incarnation ? other : self }
    return Fence(incarnation, max(fencing, other.fencing))
  }
}

/// Up to which incarnation a node's traces have been cleared away, by recovery.
struct Recovered: Hashable {
  var incarnation: UInt32 = 0
  /// Whether chunks wait in quarantine until the dead are silenced.
  var hasQuarantine = false

  /// Nothing, if the line is torn: recovery is then done once more.
  init(_ line: Line64) {
    guard line.isSealed else { return }
    incarnation = UInt32(truncatingIfNeeded: line[0])
    hasQuarantine = line[1] != 0
  }

  init(_ incarnation: UInt32, hasQuarantine: Bool) {
    self.incarnation = incarnation
    self.hasQuarantine = hasQuarantine
  }

  var line: Line64 {
    Line64(UInt64(incarnation), hasQuarantine ? 1 : 0, 0, 0, 0, 0, 0, 0).sealed(sequence: 1)
  }

  /// Whether there is something to clear away after `fence`.
  func isBehind(_ fence: Fence) -> Bool {
    fence.incarnation > incarnation || hasQuarantine && fence.fencing == .silenced
  }
}

extension PoolGeometry {
  /// All managers' lines.
  func readSeats<M: SharedMemory & ~Copyable>(_ memory: inout M) -> [SeatStatus] {
    memory.invalidate(from: seat(0), count: seats)
    return (0..<seats).map { SeatStatus(memory.loadLine(seat($0))) }
  }

  /// Every node's fence, from what all managers have written.
  func readFences<M: SharedMemory & ~Copyable>(_ memory: inout M) -> [Fence] {
    let lines = (0..<seats).flatMap { seat in (0..<nodes).map { fence(seat: seat, node: $0) } }
    memory.invalidate(lines)
    var fences = Array(repeating: Fence(0, .none), count: nodes)
    for (index, line) in lines.enumerated() {
      fences[index % nodes] = fences[index % nodes].merged(with: Fence(memory.loadLine(line)))
    }
    return fences
  }

  func readNodes<M: SharedMemory & ~Copyable>(_ memory: inout M) -> [NodeStatus] {
    memory.invalidate(from: node(0), count: nodes)
    return (0..<nodes).map { NodeStatus(memory.loadLine(node($0))) }
  }

  func readRecovered<M: SharedMemory & ~Copyable>(_ memory: inout M) -> [Recovered] {
    memory.invalidate(from: recovered(node: 0), count: nodes)
    return (0..<nodes).map { Recovered(memory.loadLine(recovered(node: $0))) }
  }
}

/// What members and managers say of themselves at one moment: whoever changes it is alive.
public struct Liveness: Hashable, Sendable {
  private let nodes: [NodeStatus]
  private let seats: [SeatStatus]

  /// Reads all their lines.
  public init<M: SharedMemory & ~Copyable>(_ memory: inout M, _ geometry: PoolGeometry) {
    nodes = geometry.readNodes(&memory)
    seats = geometry.readSeats(&memory)
  }

  /// Whether anybody says to be there.
  public var mayBeAlive: Bool {
    nodes.contains { $0.state != .vacant } || seats.contains { $0.state != .vacant }
  }

  /// Whose line has changed, in words.
  public func changes(to later: Liveness) -> [String] {
    zip(nodes, later.nodes).enumerated().compactMap { $1.0 == $1.1 ? nil : "node \($0)" }
      + zip(seats, later.seats).enumerated().compactMap {
        $1.0 == $1.1 ? nil : "the manager of seat \($0)"
      }
  }
}
