// The lock manager of one seat: election, grants, and the watch over nodes' lives.

import SharedMemory

/// What a lock manager wants after a step.
public enum ManagerStep: Hashable, Sendable {
  /// Go on at once.
  case sync
  /// Nothing new was found: go on after a pause.
  case wait(nanoseconds: UInt64)
  /// A member is silent for longer than the lease: stop it for good, then call `fenced`.
  case fence(Suspect)
}

/// A member that is to be stopped.
public struct Suspect: Hashable, Sendable {
  public var member: Member
  public var process: ProcessIdentity
  /// Whether the member's line was whole. In a torn one the process may be that of an earlier life.
  public var isCertain = true
}

/// Grants lock sets in order of arrival, as the step machine of one seat; the highest epoch rules.
///
/// *Election.* A manager whose ruling colleague is silent writes a higher epoch into its own line.
/// Epochs of different seats differ, so no vote is needed: nodes adopt the highest epoch they see
/// and from then on take no grant of an earlier one. The candidate waits until every node has
/// adopted its epoch or is fenced; then it reads their request lines, which tell what they hold.
/// An earlier manager may go on granting: nobody listens.
///
/// *Death.* A node whose heartbeat stands still for a lease is not taken for dead: it is to be
/// *made* dead by whoever drives this machine (process killed and its host's cache written back, or
/// host powered off). Until that is confirmed its locks stay held and its pins count. So a paused
/// node that wakes up has either lost nothing or can do nothing.
///
/// The driver tells how much time has passed; the manager has no clock. In an idle pool it reads
/// only doorbell lines.
public struct LockManager: Hashable {
  private enum State: Hashable {
    case standby
    case campaign
    case gather
    case doorbells
    case inherit
    case activate
    case scan
    case read
    case grant
    case duty
    case suspecting(Suspect)
    case fenced(Suspect, Fencing)
  }

  public let geometry: PoolGeometry
  public let seat: Int
  /// Interval between two scans that find nothing.
  public let pollNanoseconds: UInt64
  /// The longest that a death keeps others waiting before the dead are stopped.
  public let leaseNanoseconds: UInt64
  /// How long DMA of a stopped member may still arrive (assumed; a GPU's copy engine moves the
  /// largest block in milliseconds).
  public let quarantineNanoseconds: UInt64
  /// The epoch of this seat's last candidacy; 0 before the first.
  public private(set) var epoch: UInt64 = 0
  /// Lock sets granted so far.
  public private(set) var grants = 0

  private let process: ProcessIdentity
  private var state = State.standby
  private var isActive = false
  private var heartbeat: UInt64 = 0
  private var sinceDuty: UInt64 = 0
  private var table: LockTable
  private var doorbells: [Doorbell]
  /// Boxes to read of each node, one bit each; none between `read` and the next scan.
  private var rung: [UInt64]
  /// Holds something only within a step.
  private var granted: [LockTable.Grant] = []
  private var fences: [Fence]
  private var watches: [Watch]
  private var colleague = Watch()
  /// Time left until a stopped member counts as silenced, by node.
  private var quarantines: [UInt64?]
  /// A planted mistake; only checkers set one.
  package var mutant: Mutant?

  /// How long something has not changed.
  private struct Watch: Hashable {
    var value: [UInt64] = []
    var silence: UInt64 = 0

    /// One look may be long after the one before, if this process was paused; so no single look
    /// counts for much.
    mutating func look(_ value: [UInt64], after elapsed: UInt64, lease: UInt64) {
      silence = value == self.value ? min(silence + min(elapsed, lease / 4), lease) : 0
      self.value = value
    }
  }

  /// - Precondition: at most one process acts for a seat at a time.
  public init(
    _ geometry: PoolGeometry, seat: Int = 0, pollNanoseconds: UInt64,
    leaseNanoseconds: UInt64 = 1_000_000_000, quarantineNanoseconds: UInt64 = 1_000_000_000,
    process: ProcessIdentity = ProcessIdentity()
  ) {
    precondition((0..<geometry.seats).contains(seat))
    self.geometry = geometry
    self.seat = seat
    self.pollNanoseconds = pollNanoseconds
    self.leaseNanoseconds = max(8, leaseNanoseconds)
    self.quarantineNanoseconds = quarantineNanoseconds
    self.process = process
    table = LockTable(geometry)
    doorbells = Array(repeating: Doorbell(incarnation: 0), count: geometry.nodes)
    rung = Array(repeating: 0, count: geometry.nodes)
    fences = Array(repeating: Fence(0, .none), count: geometry.nodes)
    watches = Array(repeating: Watch(), count: geometry.nodes)
    quarantines = Array(repeating: nil, count: geometry.nodes)
  }

  /// Interval between two looks at everybody's heartbeats; nodes should beat as often.
  public var dutyNanoseconds: UInt64 { leaseNanoseconds / 8 }

  /// Silence that makes a suspect. A death is noticed up to a duty after this, and the last sign of
  /// life was up to a duty before the death: in all, a lease.
  private var patience: UInt64 { leaseNanoseconds - 2 * dutyNanoseconds }

  /// Whether this manager grants locks, as far as it knows.
  public var isRuling: Bool { isActive }

  /// Whether nobody holds or wants a lock, as far as this manager knows.
  public var isIdle: Bool { table.isIdle }

  /// The driver's answer to `.fence`; `.none` if the member could not be stopped: it is then asked
  /// for again after another lease.
  public mutating func fenced(_ suspect: Suspect, _ fencing: Fencing) {
    guard case .suspecting(suspect) = state else { return }
    if fencing == .none {
      watches[suspect.member.node].silence = 0
      state = isActive ? .scan : .gather
    } else {
      state = .fenced(suspect, fencing)
    }
  }

  /// Suspects its colleague at once, rightly or not; for checkers.
  package mutating func suspectColleague() { state = .campaign }

  /// Suspects a node at once, rightly or not, unless it has been stopped or this manager is in the
  /// middle of something; for checkers.
  package mutating func suspect(_ member: Member) -> Bool {
    guard state == .scan || state == .gather, !fences[member.node].covers(member) else {
      return false
    }
    state = .suspecting(Suspect(member: member, process: ProcessIdentity()))
    return true
  }

  /// One step, `elapsed` nanoseconds after the one before.
  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, elapsed: UInt64 = 0
  ) -> ManagerStep {
    sinceDuty = min(sinceDuty + elapsed, leaseNanoseconds)
    switch state {
    case .standby: return watchColleague(&memory)
    case .campaign: return campaign(&memory)
    case .gather: return gather(&memory)
    case .doorbells:
      // Doorbells before boxes: a ring in between is then seen as new.
      _ = scan(&memory, everything: true)
      state = .inherit
      return .sync
    case .inherit:
      read(&memory)
      memory.reach(.locksInherited)
      state = .activate
      return .sync
    case .activate:
      isActive = true
      beat(&memory)
      state = .grant
      return .sync
    case .scan:
      if sinceDuty >= dutyNanoseconds {
        state = .duty
        return .sync
      }
      guard scan(&memory) else { return .wait(nanoseconds: pollNanoseconds) }
      state = .read
      return .sync
    case .read:
      read(&memory)
      state = .grant
      return .sync
    case .grant:
      grant(&memory)
      state = .scan
      return .sync
    case .duty: return duty(&memory)
    case .suspecting(let suspect): return .fence(suspect)
    case .fenced(let suspect, let fencing):
      writeFence(suspect.member.node, Fence(suspect.member.incarnation, fencing), &memory)
      table.drop(node: suspect.member.node)
      state = isActive ? .grant : .gather
      return .sync
    }
  }

  // MARK: Election

  private mutating func watchColleague<M: SharedMemory & ~Copyable>(
    _ memory: inout M
  ) -> ManagerStep {
    let seats = geometry.readSeats(&memory)
    let ruler = seats.max { $0.epoch < $1.epoch }!
    colleague.look(
      [ruler.epoch, ruler.heartbeat, ruler.state.rawValue], after: sinceDuty,
      lease: leaseNanoseconds)
    sinceDuty = 0
    guard ruler.state == .vacant || colleague.silence >= patience else {
      return .wait(nanoseconds: dutyNanoseconds)
    }
    colleague = Watch()
    state = .campaign
    return .sync
  }

  private mutating func campaign<M: SharedMemory & ~Copyable>(_ memory: inout M) -> ManagerStep {
    let seats = geometry.readSeats(&memory)
    let nodes = geometry.readNodes(&memory)
    let highest = max(
      epoch, seats.map(\.epoch).max() ?? 0, nodes.map(\.epoch).max() ?? 0)
    let count = UInt64(geometry.seats)
    // Only a damaged line holds such an epoch; no manager can rule before `Repair` has cleared it.
    guard highest <= .max - 2 * count else { return stepDown() }
    epoch = (highest / count + 1) * count + UInt64(seat)
    if mutant == .epochsCollide { epoch = (highest / count + 1) * count }
    isActive = false
    table = LockTable(geometry)
    table.tracksOneHolder = mutant == .inheritsOneHolder
    watches = Array(repeating: Watch(), count: geometry.nodes)
    doorbells = Array(repeating: Doorbell(incarnation: 0), count: geometry.nodes)
    fences = geometry.readFences(&memory)
    // How long the earlier manager has waited is not known.
    quarantines = fences.map { quarantine($0) }
    beat(&memory)
    memory.reach(.campaigning)
    state = .gather
    return .sync
  }

  /// Waits until every living node has adopted the epoch.
  private mutating func gather<M: SharedMemory & ~Copyable>(_ memory: inout M) -> ManagerStep {
    if isDeposed(geometry.readSeats(&memory)) { return stepDown() }
    let nodes = geometry.readNodes(&memory)
    let missing = nodes.indices.filter { node in
      lives(nodes[node], node) && nodes[node].epoch < epoch
    }
    if missing.isEmpty || mutant == .activatesWithoutAcknowledgement {
      state = .doorbells
      return .sync
    }
    if nodes.contains(where: { $0.epoch > epoch }) { return stepDown() }
    if mutant == .inheritsOneHolder {
      _ = scan(&memory, everything: true)
      for node in missing { rung[node] = 0 }
      read(&memory)
    }
    if let suspect = watch(nodes, only: missing) { return ask(suspect) }
    if sinceDuty >= dutyNanoseconds { beat(&memory) }
    sinceDuty = 0
    return .wait(nanoseconds: dutyNanoseconds)
  }

  private func lives(_ status: NodeStatus, _ node: Int) -> Bool {
    status.state != .vacant
      && !fences[node].covers(Member(node: node, incarnation: status.incarnation))
  }

  private func isDeposed(_ seats: [SeatStatus]) -> Bool {
    seats.contains { $0.epoch > epoch }
  }

  private mutating func stepDown() -> ManagerStep {
    isActive = false
    table = LockTable(geometry)
    colleague = Watch()
    state = .standby
    sinceDuty = 0
    return .wait(nanoseconds: dutyNanoseconds)
  }

  /// Gives the office up, so that the next manager need not wait until this one has been silent for
  /// a lease; the last step of all.
  public mutating func resign<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    guard epoch > 0 else { return }
    let status = SeatStatus(.vacant, epoch: epoch, heartbeat: heartbeat + 1, process: process)
    memory.writeLine(status.line, at: geometry.seat(seat))
  }

  /// Writes this seat's line.
  private mutating func beat<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    heartbeat += 1
    let status = SeatStatus(
      isActive ? .active : .candidate, epoch: epoch, heartbeat: heartbeat, process: process)
    memory.writeLine(status.line, at: geometry.seat(seat))
  }

  // MARK: The watch over nodes

  private mutating func duty<M: SharedMemory & ~Copyable>(_ memory: inout M) -> ManagerStep {
    if isDeposed(geometry.readSeats(&memory)) { return stepDown() }
    let nodes = geometry.readNodes(&memory)
    let elapsed = sinceDuty
    let suspect = watch(nodes, only: Array(nodes.indices))
    sinceDuty = 0
    beat(&memory)
    for node in nodes.indices {
      guard let left = quarantines[node] else { continue }
      quarantines[node] = left - min(left, elapsed)
      if quarantines[node] == 0 {
        writeFence(node, Fence(fences[node].incarnation, .silenced), &memory)
      }
    }
    if let suspect { return ask(suspect) }
    state = .scan
    return .sync
  }

  /// Looks at the heartbeats of `only`; the first member silent for a lease.
  private mutating func watch(_ nodes: [NodeStatus], only: [Int]) -> Suspect? {
    var suspect: Suspect?
    for node in only {
      let status = nodes[node]
      guard lives(status, node) else {
        watches[node] = Watch()
        continue
      }
      watches[node].look(
        [status.heartbeat, UInt64(status.incarnation), status.state.rawValue, status.epoch],
        after: sinceDuty, lease: leaseNanoseconds)
      if watches[node].silence >= patience, suspect == nil {
        suspect = Suspect(
          member: Member(node: node, incarnation: status.incarnation), process: status.process,
          isCertain: status.isWhole)
      }
    }
    return suspect
  }

  private mutating func ask(_ suspect: Suspect) -> ManagerStep {
    if mutant == .freesLocksOfSuspects { table.drop(node: suspect.member.node) }
    state = .suspecting(suspect)
    return .fence(suspect)
  }

  private mutating func writeFence<M: SharedMemory & ~Copyable>(
    _ node: Int, _ fence: Fence, _ memory: inout M
  ) {
    fences[node] = fences[node].merged(with: fence)
    quarantines[node] = quarantine(fences[node])
    memory.writeLine(fences[node].line, at: geometry.fence(seat: seat, node: node))
    memory.reach(.fenceWritten)
  }

  /// What is left of a quarantine that begins now: the next duty takes all time since the last one off.
  private func quarantine(_ fence: Fence) -> UInt64? {
    fence.fencing == .stopped ? quarantineNanoseconds + sinceDuty : nil
  }

  // MARK: Grants

  /// Notes in `rung` which boxes are to be read: those that have changed since the last look, or all.
  /// Whether there are any.
  private mutating func scan<M: SharedMemory & ~Copyable>(
    _ memory: inout M, everything: Bool = false
  ) -> Bool {
    memory.invalidate(from: geometry.doorbell(node: 0), count: geometry.nodes)
    var hasRung = false
    for node in 0..<geometry.nodes {
      let line = memory.loadLine(geometry.doorbell(node: node))
      // Words are equal, and so the seal is: most have not rung.
      if !everything, doorbells[node].isSame(as: line) { continue }
      let doorbell = Doorbell(line)
      // The dead may have rung just before they died: what they wanted is void. Words are never
      // torn, and a life rings before it wants anything: so a torn line tells as much.
      let member = Member(node: node, incarnation: Doorbell.incarnation(of: line))
      let isVoid = fences[node].covers(member) && mutant != .hearsTheStopped
      if everything {
        rung[node] = isVoid ? 0 : Doorbell.all(boxes: geometry.requestBoxes)
      } else if let doorbell, !isVoid {
        rung[node] = doorbell.changes(since: doorbells[node], boxes: geometry.requestBoxes)
      }
      if let doorbell { doorbells[node] = doorbell }
      if rung[node] != 0 { hasRung = true }
    }
    return hasRung
  }

  /// Reads the request lines that `rung` tells.
  private mutating func read<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    for node in rung.indices {
      for box in BitPositions(rung[node]) {
        memory.flush(geometry.request(node: node, box: box))
      }
    }
    memory.fence()
    for node in rung.indices {
      for box in BitPositions(rung[node]) {
        let line = memory.loadLine(geometry.request(node: node, box: box))
        if let request = LockRequest(line, in: geometry, mutant: mutant) {
          table.take(request, node: node, box: box)
        }
      }
      rung[node] = 0
    }
  }

  private mutating func grant<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    table.grant(into: &granted, ignoringAllButFirst: mutant == .grantsPartOfASet)
    guard !granted.isEmpty else { return }
    grants += granted.count
    memory.reach(.granting)
    memory.writeLines(granted.count) { answer(granted[$0]) }
    memory.reach(.granted)
    granted.removeAll(keepingCapacity: true)
  }

  private func answer(_ grant: LockTable.Grant) -> LineWrite {
    LineWrite(
      LockGrant(epoch: epoch, sequence: grant.sequence).line,
      at: geometry.grant(seat: seat, node: grant.node, box: grant.box))
  }
}

/// The positions of the bits that are set, lowest first.
private struct BitPositions: Sequence, IteratorProtocol {
  private var left: UInt64

  init(_ bits: UInt64) { left = bits }

  mutating func next() -> Int? {
    guard left != 0 else { return nil }
    let position = left.trailingZeroBitCount
    left &= left - 1
    return position
  }
}
