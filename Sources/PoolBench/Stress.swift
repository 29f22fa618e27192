// `tract-pool stress`: nodes and managers are killed and paused at random while they work.

import Glibc
import JSONText
import SharedMemory
import TractStore

/// What a stress run does.
public struct StressPlan: Hashable, Sendable {
  public var path: String
  public var nodes: Int
  public var seconds: Double
  public var leaseMilliseconds: Int
  public var load: BenchLoad

  public init(
    path: String, nodes: Int, seconds: Double, leaseMilliseconds: Int, load: BenchLoad
  ) {
    self.path = path
    self.nodes = nodes
    self.seconds = seconds
    self.leaseMilliseconds = leaseMilliseconds
    self.load = load
  }
}

/// Supervises the processes of a stress run and breaks some of them.
public struct Stress {
  /// One node of the pool, through the lives of its processes.
  private struct Seat {
    var child: Child?
    var startAt: UInt64? = 0
    /// When the last life was killed or paused for good; nil once the next has joined.
    var lostAt: UInt64?
    var pausedAt: UInt64?
    var resumeAt: UInt64?
    var isFencingExpected = false
    var hasLeft = false
    /// What the current life has told last.
    var counts: JSONNode?
  }

  private let plan: StressPlan
  private let workerArguments: (Int, Int?) -> [String]
  private let managerArguments: (Int, Int?) -> [String]
  private var random: SplitMix64
  private var nodes: [Seat]
  private var managers: [Seat]
  private var isEnding = false
  private var nextFault: UInt64 = 0
  private var faults = 0
  private var lastEpoch: UInt64 = 0
  public private(set) var report = StressReport()

  /// - Parameters:
  ///   - worker: arguments of the process of a node, and after how many crash points it dies.
  ///   - manager: the same for the manager of a seat.
  public init(
    _ plan: StressPlan, worker: @escaping (Int, Int?) -> [String],
    manager: @escaping (Int, Int?) -> [String]
  ) {
    self.plan = plan
    workerArguments = worker
    managerArguments = manager
    random = SplitMix64(seed: plan.load.seed)
    nodes = Array(repeating: Seat(), count: plan.nodes)
    managers = Array(repeating: Seat(), count: 2)
  }

  private var lease: UInt64 { UInt64(plan.leaseMilliseconds) * 1_000_000 }

  /// Works and breaks for the plan's time, lets all leave, and checks what is left.
  public mutating func run(
    _ memory: inout MappedMemory, _ geometry: PoolGeometry
  ) throws(Child.StartError) {
    let begin = monotonicNanoseconds()
    let end = begin + UInt64(plan.seconds * 1e9)
    nextFault = begin + lease
    while monotonicNanoseconds() < end {
      try look()
      observe(&memory, geometry)
      if monotonicNanoseconds() >= nextFault { breakSomething(&memory, geometry) }
      sleep(nanoseconds: 2_000_000)
    }
    report.seconds = Double(monotonicNanoseconds() - begin) / 1e9
    try windDown(&memory, geometry)
  }

  // MARK: Faults

  private mutating func chance(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

  /// Uniformly between two multiples of the lease.
  private mutating func leases(_ least: Double, _ most: Double) -> UInt64 {
    UInt64(Double(lease) * (least + (most - least) * Double(chance(1 << 20)) / Double(1 << 20)))
  }

  /// Kills or pauses a worker or a manager, and chooses when to do so next.
  private mutating func breakSomething(_ memory: inout MappedMemory, _ geometry: PoolGeometry) {
    // The first ones are the same in every run, so that a short one has them all.
    let first = [0, 60, 80, 90, 95]
    let kind = faults < first.count ? first[faults] : chance(100)
    faults += 1
    nextFault = monotonicNanoseconds() + leases(0.25, 2)
    switch kind {
    case ..<45: killNode()
    case ..<70: pauseNode(leases(1.5, 3), isFencingExpected: true)
    case ..<80: pauseNode(leases(0.1, 0.4), isFencingExpected: false)
    case ..<95:
      let ruler = PoolStatus(&memory, geometry).rulingSeat ?? 0
      let seat = ruler < managers.count && kind < 92 ? ruler : chance(managers.count)
      guard let child = managers[seat].child, managers[seat].resumeAt == nil else { return }
      child.send(signal: SIGKILL)
      report.managerKills += 1
    default:
      let ruler = PoolStatus(&memory, geometry).rulingSeat ?? 0
      guard ruler < managers.count, let child = managers[ruler].child else { return }
      child.send(signal: SIGSTOP)
      managers[ruler].resumeAt = monotonicNanoseconds() + leases(1.5, 3)
      report.managerPauses += 1
    }
  }

  /// A node that runs undisturbed, at random.
  private mutating func victim() -> Int? {
    let all = nodes.indices.filter {
      nodes[$0].child?.end == nil && nodes[$0].child != nil && nodes[$0].resumeAt == nil
        && nodes[$0].lostAt == nil
    }
    return all.isEmpty ? nil : all[chance(all.count)]
  }

  private mutating func killNode() {
    guard let node = victim() else { return }
    nodes[node].child?.send(signal: SIGKILL)
    nodes[node].lostAt = monotonicNanoseconds()
    report.kills += 1
  }

  private mutating func pauseNode(_ nanoseconds: UInt64, isFencingExpected: Bool) {
    guard let node = victim() else { return }
    nodes[node].child?.send(signal: SIGSTOP)
    nodes[node].pausedAt = monotonicNanoseconds()
    nodes[node].resumeAt = monotonicNanoseconds() + nanoseconds
    nodes[node].isFencingExpected = isFencingExpected
    if isFencingExpected { report.longPauses += 1 } else { report.shortPauses += 1 }
  }

  /// For every other process: the number of crash points after which it kills itself, small ones
  /// as likely as large ones.
  private mutating func crashPoints() -> Int? {
    guard !isEnding, chance(2) == 0 else { return nil }
    return 1 + chance(1 << (4 + chance(14)))
  }

  // MARK: Watching

  /// Notes managers that follow each other.
  private mutating func observe(_ memory: inout MappedMemory, _ geometry: PoolGeometry) {
    let status = PoolStatus(&memory, geometry)
    guard let ruler = status.rulingSeat, status.seats[ruler].state == .active else { return }
    let epoch = status.seats[ruler].epoch
    if epoch != lastEpoch, lastEpoch > 0 { report.managersReplaced += 1 }
    lastEpoch = epoch
  }

  /// Reads what processes say, buries the dead, starts whom it is time to start.
  private mutating func look() throws(Child.StartError) {
    let now = monotonicNanoseconds()
    for node in nodes.indices {
      if let child = nodes[node].child {
        if let resume = nodes[node].resumeAt, now >= resume || isEnding {
          child.send(signal: SIGCONT)
          nodes[node].resumeAt = nil
          nodes[node].pausedAt = nil
        }
        for line in child.poll() { hear(line, from: node) }
        if let end = child.end { bury(node, end) }
      } else if let start = nodes[node].startAt, now >= start {
        nodes[node].child = try Child(workerArguments(node, crashPoints()))
        nodes[node].startAt = nil
        if isEnding { nodes[node].child?.closeInput() }
      }
    }
    for seat in managers.indices {
      if let child = managers[seat].child {
        if let resume = managers[seat].resumeAt, now >= resume || isEnding {
          child.send(signal: SIGCONT)
          managers[seat].resumeAt = nil
        }
        for line in child.poll() where line.contains("dying_at") { report.managerSelfKills += 1 }
        guard let end = child.end else { continue }
        if end != .killed(signal: SIGKILL) { report.failures.append("manager \(seat) \(end)") }
        managers[seat] = Seat(startAt: now + (isEnding ? 0 : leases(0, 2)))
      } else if let start = managers[seat].startAt, now >= start {
        managers[seat].child = try Child(managerArguments(seat, crashPoints()))
        managers[seat].startAt = nil
      }
    }
  }

  private mutating func hear(_ line: String, from node: Int) {
    guard let said = try? JSONParser.parse(Array(line.utf8)) else {
      report.failures.append("node \(node) said: \(line)")
      return
    }
    let now = monotonicNanoseconds()
    if said["joined"] != nil {
      report.lives += 1
      if let lost = nodes[node].lostAt { report.rejoins.append(Double(now - lost) / 1e6) }
      nodes[node].lostAt = nil
    } else if let place = said["dying_at"]?.value {
      report.selfKills += 1
      nodes[node].lostAt = nodes[node].lostAt ?? now
      if case .string(let name) = place { report.crashPoints.insert(name) }
    } else if said["left"] != nil {
      nodes[node].hasLeft = true
    } else if case .string(let failure)? = said["failure"]?.value {
      report.failures.append("node \(node): \(failure)")
    } else {
      nodes[node].counts = said
    }
  }

  private mutating func bury(_ node: Int, _ end: Child.End) {
    let now = monotonicNanoseconds()
    if let counts = nodes[node].counts { report.add(counts) }
    let hasLeft = nodes[node].hasLeft
    if case .exited(let status) = end, !hasLeft || status != 0 {
      report.failures.append("node \(node) \(end)")
    }
    var next = Seat(startAt: now + (isEnding ? 0 : leases(0, 0.5)), hasLeft: hasLeft)
    if hasLeft {
      next.startAt = nil
    } else {
      // Killed by a manager: paused for too long, or without a processor for a lease.
      if nodes[node].lostAt == nil {
        if nodes[node].isFencingExpected { report.fenced += 1 } else { report.starved += 1 }
      }
      next.lostAt = nodes[node].lostAt ?? nodes[node].pausedAt ?? now
    }
    nodes[node] = next
  }

  // MARK: The end

  private mutating func windDown(
    _ memory: inout MappedMemory, _ geometry: PoolGeometry
  ) throws(Child.StartError) {
    isEnding = true
    for seat in nodes { seat.child?.closeInput() }
    let deadline = monotonicNanoseconds() + 20_000_000_000 + 40 * lease
    while nodes.contains(where: { !$0.hasLeft || $0.child != nil }) {
      guard monotonicNanoseconds() < deadline else {
        let stuck = nodes.indices.filter { !nodes[$0].hasLeft }
        report.failures.append("nodes \(stuck) have not left in time")
        return
      }
      try look()
      observe(&memory, geometry)
      sleep(nanoseconds: 2_000_000)
    }
    // One more life looks at everything.
    let check = try Child(workerArguments(0, nil) + ["--check"])
    check.closeInput()
    while check.end == nil {
      for line in check.poll() {
        guard let said = try? JSONParser.parse(Array(line.utf8)) else { continue }
        if let stuck = said["stuck_locks"]?.value.double {
          report.stuckLocks = Int(stuck)
          report.add(said)
        }
        if case .string(let failure)? = said["failure"]?.value {
          report.failures.append("check: \(failure)")
        }
      }
      guard monotonicNanoseconds() < deadline else { break }
      try look()
      sleep(nanoseconds: 2_000_000)
    }
    if check.end != .exited(0) {
      report.failures.append("the check of locks and payload \(check.end?.description ?? "hangs")")
    }
    managers = []
    report.take(Audit(&memory, geometry), geometry)
  }
}
