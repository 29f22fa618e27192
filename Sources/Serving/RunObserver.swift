// What a run tells while it goes on, for timelines.

import EventKernel

/// Listens to one run. It is told what has ended, in the order of the ends, and cannot change anything.
///
/// A run without a listener pays one comparison with nil where it would tell.
public protocol RunObserver {
  /// A run begins; all that comes until the next call belongs to it.
  func begin(_ setting: RunSetting)
  /// An engine has ended a step.
  func step(_ step: ObservedStep)
  /// A transfer's last byte has arrived.
  func transfer(_ transfer: ObservedTransfer)
  /// A request has ended, well or not.
  func request(_ record: RequestRecord)
  /// Mean rates over all links since the last call, bytes/s, in the setting's order.
  func rates(_ rates: [Double], from begin: SimTime, to end: SimTime)
  /// A node of the store has ended an operation.
  func operation(_ operation: ObservedOperation)
  /// A lock manager has gone to sleep again after serving what had woken it.
  func manager(seat: Int, from begin: SimTime, to end: SimTime)
  /// A standby has taken the lock manager's place.
  func takeover(seat: Int, at time: SimTime)
}

/// Who takes part in a run.
public struct RunSetting: Sendable {
  public var system: String
  /// Roles of the workers, by index: "prefill", "decode" or "aggregated".
  public var roles: [String]
  public var links: [String]

  public init(system: String, roles: [String], links: [String]) {
    self.system = system
    self.roles = roles
    self.links = links
  }
}

/// A step of an engine: what was in its batch.
public struct ObservedStep: Sendable {
  public struct Work: Sendable {
    public var request: Int
    public var isPrefillSide: Bool
    public var newTokens: Int
    /// Tokens whose KV was there before the step.
    public var computed: Int
  }

  public var engine: Int
  public var begin: SimTime
  public var end: SimTime
  public var batch: [Work]
  /// Requests that wait for the engine at the end of the step.
  public var waiting: Int
}

/// A transfer from its call to its last byte.
public struct ObservedTransfer: Sendable {
  public var kind: String
  public var request: Int
  public var bytes: Int
  public var begin: SimTime
  public var end: SimTime
}

/// An operation of the store on one node.
public struct ObservedOperation: Sendable {
  public var node: Int
  public var name: String
  /// Nil for a node's own affairs.
  public var request: Int?
  public var begin: SimTime
  public var end: SimTime
}
