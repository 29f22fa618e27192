// A node of a pool as a process on real memory: it joins, shows that it lives, recovers, leaves.

import Glibc
import SharedMemory
import TractStore

/// Why a node cannot go on.
public enum NodeFailure: Error, Hashable, CustomStringConvertible {
  /// Declared dead by a lock manager.
  case fenced(Member)
  /// Another process of this host is the node, or an earlier life of it is not fenced.
  case occupied(node: Int)
  /// An operation did not come to its end in time: no lock manager, or a lock that nobody gives
  /// back.
  case stuck(seconds: Double)

  public var description: String {
    switch self {
    case .fenced(let member): "\(member) has been declared dead"
    case .occupied(let node):
      "node \(node) is taken by a process that neither left nor was fenced; is a lock manager "
        + "running?"
    case .stuck(let seconds): "an operation has waited for \(seconds) s; is a lock manager running?"
    }
  }
}

/// Runs operations of one node, with a sign of life as often as the lease demands, also while they
/// wait.
public struct PoolNode: ~Copyable {
  var memory: FaultyMemory
  var client: StoreClient
  private let tickNanoseconds: UInt64
  private let patienceNanoseconds: UInt64
  private var nextTick: UInt64 = 0
  private var needsRecovery = false
  /// What recoveries by this node found.
  public private(set) var recoveries: [RecoveryReport] = []

  /// Becomes `node` of the pool in `memory`, once an earlier life of it has left or is fenced.
  /// - Parameter patience: seconds after which waiting is given up, here and in operations.
  public init(
    _ memory: consuming FaultyMemory, _ geometry: PoolGeometry, node: Int,
    leaseNanoseconds: UInt64, patience: Double, process: ProcessIdentity
  ) throws(NodeFailure) {
    client = StoreClient(
      geometry, node: node, pollNanoseconds: 1000,
      chunkQuota: max(1, geometry.chunks / geometry.nodes), process: process)
    self.memory = memory
    // Half of what the manager looks at, so that one late sign of life is none too late.
    tickNanoseconds = leaseNanoseconds / 16
    patienceNanoseconds = UInt64(patience * 1e9)
    try join()
  }

  public var member: Member { client.member }

  /// The part is held only while looking: if it were held all the time, a manager that finds the
  /// earlier life's line torn could not tell this process from that one.
  private mutating func join() throws(NodeFailure) {
    let deadline = monotonicNanoseconds() + patienceNanoseconds
    let part = Part.node(client.node)
    while true {
      if memory.mapped.takePart(part) {
        if case .joined = try step(Join(patience: 0)) { return }
        memory.mapped.leavePart(part)
      }
      guard monotonicNanoseconds() < deadline else {
        throw .occupied(node: client.node)
      }
      sleep(nanoseconds: tickNanoseconds / 4)
    }
  }

  /// Runs an operation to its end.
  @discardableResult
  public mutating func run<O: TractStore.Operation>(
    _ operation: O
  ) throws(NodeFailure) -> O.Output {
    try showLife()
    return try step(operation, ticking: true)
  }

  /// Does what is due between operations: a sign of life, and recovery of others.
  public mutating func attend() throws(NodeFailure) {
    try showLife()
    guard needsRecovery else { return }
    needsRecovery = false
    let report = try step(Recover(client.geometry), ticking: true)
    if !report.recovered.isEmpty { recoveries.append(report) }
  }

  /// Leaves the pool; nothing may be pinned or reserved. Recovers whom it knows to be dead first.
  public mutating func leave() throws(NodeFailure) {
    nextTick = 0
    try attend()
    try step(Leave(client.geometry), ticking: true)
    memory.mapped.leavePart(Part.node(client.node))
  }

  /// A sign of life, if one is due.
  mutating func showLife() throws(NodeFailure) {
    let now = monotonicNanoseconds()
    guard now >= nextTick else { return }
    nextTick = now + tickNanoseconds
    let report = try step(Tick())
    if report.isFenced { throw .fenced(client.member) }
    needsRecovery = needsRecovery || report.needsRecovery
  }

  @discardableResult
  private mutating func step<O: TractStore.Operation>(
    _ operation: O, ticking: Bool = false
  ) throws(NodeFailure) -> O.Output {
    var operation = operation
    var patience = Patience()
    var deadline: UInt64?
    while true {
      switch operation.step(&memory, &client) {
      case .done(let output): return output
      case .sync: break
      case .wait:
        let now = monotonicNanoseconds()
        if now > deadline ?? .max {
          throw .stuck(seconds: Double(patienceNanoseconds) / 1e9)
        }
        deadline = deadline ?? now + patienceNanoseconds
        patience.wait()
      }
      if ticking { try showLife() }
    }
  }
}
