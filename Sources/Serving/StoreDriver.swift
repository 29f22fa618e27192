// Runs the production store in virtual time: steps as events, latency from the loaded CXL path.

import EventKernel
import Rack
import SharedMemory
import TractStore
import Workload

/// An operation of the store under way on one node, for one request.
struct StoreProcess {
  enum Operation {
    case pin(PinBlocks)
    case reserve(PutStart)
    case publish(PutEnd)
    case revoke(PutRevoke)
    case unpin(Unpin)
    case remove(Remove)
    case join(Join)
    case tick(Tick)
    case recover(Recover)
    /// While the operation is being stepped, so that its arrays have one owner.
    case stepping
  }

  /// What it is wanted for.
  enum Purpose {
    case lookup
    case reserve
    case confirm
    case publish
    case decodePin
    case prefillUnpin
    case decodeUnpin
    case remove
    /// Giving back what an attempt held that has come to nothing.
    case cleanUp
    /// Membership: the driver's own.
    case member
  }

  enum Answer {
    case pinned([PinOutcome])
    case reserved([PutOutcome])
    case published([PinnedBlock])
    case joined(JoinOutcome)
    case ticked(TickReport)
    case recovered(RecoveryReport)
    case done
  }

  var node: Int
  var request: Int
  /// The request's attempt that began it.
  var attempt: Int32
  var purpose: Purpose
  var operation: Operation
  var started: SimTime
  /// Set by the last step; delivered when its time has come.
  var answer: Answer?
  /// Since when it has done nothing but wait; nil while it works.
  var waitsSince: SimTime?
  var isActive = true
  /// Its node has died: its next event finds nothing to do.
  var isDead = false
}

/// One lock manager in virtual time.
struct StoreSeat {
  let node: Int
  var manager: LockManager
  /// When its last idle scan ended; nil while it is awake.
  var asleepSince: SimTime?
  /// Since when it has been at work; nil while it sleeps.
  var awakeSince: SimTime?
  var seenWrites = 0
  /// Counts its events: only the latest is valid.
  var version: UInt32 = 0
  var lastStep = SimTime.zero
  var pausedUntil = SimTime.zero
  var isRunning = true
}

/// The store's nodes, its lock manager and the simulated device beneath them.
///
/// A step runs at once and charges its accesses' latency; the next one is an event at the time
/// reached. An idle lock manager is not simulated poll by poll: it sleeps until a doorbell line is
/// written and wakes at the poll that would have seen it.
///
/// Runs with faults have standby managers on further nodes, signs of life, and time that passes for
/// the managers; without faults none of that is simulated.
struct StoreDriver {
  let geometry: PoolGeometry
  private let pool: TimedPool
  private var memories: [TimedMemory]
  private var clients: [StoreClient]
  private var seats: [StoreSeat]
  private let pollNanoseconds: UInt64
  private let pollSpan: SimDuration

  private var processes: [StoreProcess] = []
  private var freeProcesses: [Int] = []
  private(set) var use = StoreUse()

  // Faults
  private let hasFaults: Bool
  private let lease: UInt64
  private let chunkQuota: Int
  /// Which nodes are members, and how often each has died.
  private var isUp: [Bool]
  private(set) var lives: [Int]
  private var isTicking: [Bool]
  /// Operations under way, signs of life left out.
  private var underWay = 0
  /// The node that clears the traces of the dead away.
  private var recoverer: Int?
  /// Lives that have ended and whose traces are still there.
  private var crashes: [(member: Member, time: SimTime)] = []
  init(core: inout ServingCore) {
    let system = core.system
    let nodes = core.engines.count
    do {
      geometry = try Self.layout(system, core.workload)
    } catch {
      preconditionFailure("validation let through a pool that cannot be: \(error)")
    }
    let pool = TimedPool(metadataBytes: Int(geometry.metadataBytes))
    pool.watch(geometry.doorbells)
    self.pool = pool
    let timing = Self.timing(core.workload.rack.cxl)
    memories = (0..<nodes).map { TimedMemory(pool: pool, host: $0, timing: timing) }
    // The seed's fingerprint matters to real clients only: this pool lives as long as the run.
    Pool.format(&memories[0], geometry, hashSeed: core.workload.seed)
    let poll = UInt64((system.pollSeconds * 1e9).rounded(.up))
    let geometry = geometry
    // Prefill nodes alone write.
    let quota = geometry.chunks / core.workload.rack.prefill.count
    clients = (0..<nodes).map {
      StoreClient(geometry, node: $0, pollNanoseconds: poll, chunkQuota: quota)
    }
    chunkQuota = quota
    let lease = UInt64((system.leaseSeconds * 1e9).rounded(.up))
    self.lease = lease
    hasFaults = core.faults.isPresent
    // A standby on every further node that has a seat, or the rack might be left without a manager.
    let managers = hasFaults ? min(nodes, geometry.seats) : 1
    seats = (0..<managers).map {
      StoreSeat(
        node: $0,
        manager: LockManager(
          geometry, seat: $0, pollNanoseconds: poll, leaseNanoseconds: lease))
    }
    pollNanoseconds = poll
    pollSpan = SimDuration(picoseconds: Int64(poll) * 1000)
    isUp = Array(repeating: true, count: nodes)
    lives = Array(repeating: 0, count: nodes)
    isTicking = Array(repeating: false, count: nodes)
    // The rack is up before the first request: nodes join before time begins.
    while !seats[0].manager.isRuling { _ = seats[0].manager.step(&memories[0]) }
    for node in clients.indices {
      _ = Join().run(on: &memories[node], &clients[node]) { _ in }
    }
    while seats[0].manager.step(&memories[0]) == .sync {}
    seats[0].asleepSince = .zero
    seats[0].seenWrites = pool.watchedStores
    guard hasFaults else { return }
    for seat in seats.indices { scheduleManager(seat, at: .zero + dutySpan, &core) }
    for node in 0..<nodes { scheduleTick(node, &core) }
  }

  /// Interval of signs of life.
  private var dutySpan: SimDuration { SimDuration(picoseconds: Int64(lease / 8) * 1000) }

  private static func layout(
    _ system: SystemSpec, _ workload: Workload
  ) throws(PoolFormatError) -> PoolGeometry {
    try PoolGeometry(
      nodes: workload.rack.hostCount, payloadBytes: UInt64(system.cacheBytes),
      blockBytes: UInt64(system.blockTokens * workload.kvBytesPerToken))
  }

  /// What keeps the pool from being, in words; nil if nothing does.
  static func obstacle(_ system: SystemSpec, _ workload: Workload) -> String? {
    do {
      let geometry = try layout(system, workload)
      let writers = workload.rack.prefill.count
      guard geometry.chunks < writers else { return nil }
      return "cache_gib holds \(geometry.chunks) chunks of \(geometry.blocksPerChunk) blocks, "
        + "\(writers) prefill workers need one each; raise it"
    } catch {
      return "cache_gib, block_tokens or the number of workers make no pool: \(error)"
    }
  }

  /// What line accesses cost under `load`.
  ///
  /// With `slowdown`, a degraded link's, pipelined lines take longer as well: as many are in flight.
  static func timing(_ cxl: CXLSpec, load: CXLLoad = .idle, slowdown: Double = 1) -> LineTiming {
    LineTiming(
      latency: cxl.latencySeconds(at: load) * 1e9 * slowdown,
      pipelinedRead: cxl.pipelinedReadSeconds * 1e9 * slowdown,
      pipelinedWrite: cxl.pipelinedWriteSeconds * 1e9 * slowdown)
  }

  // MARK: Operations

  /// Begins an operation now; nothing if the node is down.
  mutating func start(
    _ operation: StoreProcess.Operation, _ purpose: StoreProcess.Purpose, node: Int, request: Int,
    _ core: inout ServingCore
  ) {
    guard isUp[node] || purpose == .member else { return }
    let process = StoreProcess(
      node: node, request: request, attempt: request < 0 ? 0 : core.faults.attempts[request],
      purpose: purpose, operation: operation, started: core.now)
    if !process.isTick { underWay += 1 }
    if request >= 0 { core.began(request) }
    let slot: Int
    if let free = freeProcesses.popLast() {
      slot = free
      processes[slot] = process
    } else {
      slot = processes.count
      processes.append(process)
    }
    core.schedule(.store(process: Int32(slot)), at: core.now, node: node)
  }

  /// Steps a process; returns it once its answer's time has come.
  mutating func step(_ slot: Int, _ core: inout ServingCore) -> StoreProcess? {
    guard !processes[slot].isDead else {
      freeProcesses.append(slot)
      return nil
    }
    if processes[slot].answer != nil {
      processes[slot].isActive = false
      if !processes[slot].isTick { underWay -= 1 }
      freeProcesses.append(slot)
      core.observer?.operation(processes[slot].observed(at: core.now))
      if processes[slot].request >= 0 { core.finished(processes[slot].request) }
      guard processes[slot].purpose == .member else { return processes[slot] }
      ended(processes[slot], &core)
      return nil
    }
    let node = processes[slot].node
    if hasFaults, let time = core.faults.cxlStall(host: node, at: core.now) {
      core.schedule(.store(process: Int32(slot)), at: time, node: node)
      return nil
    }
    prepare(node, &core)
    var pause = advance(slot)
    if hasFaults { backOff(slot, &pause, core.now) }
    let end = core.now + elapsed(node)
    core.schedule(
      .store(process: Int32(slot)), at: end + pause, node: node)
    wakeManagers(at: end, &core)
    return nil
  }

  private mutating func backOff(_ slot: Int, _ pause: inout SimDuration, _ now: SimTime) {
    guard pause > .zero else {
      processes[slot].waitsSince = nil
      return
    }
    let since = processes[slot].waitsSince ?? now
    processes[slot].waitsSince = since
    let waited = now - since
    guard waited > ServingConstants.pollBackoffAfter else { return }
    let part = SimDuration.seconds(waited.seconds * ServingConstants.pollBackoffShare)
    pause = max(pause, min(part, ServingConstants.pollBackoffLongest))
  }

  /// Runs one step of the operation and returns how long it wants to pause.
  private mutating func advance(_ slot: Int) -> SimDuration {
    let node = processes[slot].node
    // Moved out and back, never copied: it holds arrays.
    var operation = StoreProcess.Operation.stepping
    swap(&operation, &processes[slot].operation)
    switch consume operation {
    case .pin(var operation):
      let step = operation.step(&memories[node], &clients[node])
      processes[slot].operation = .pin(operation)
      return pause(step) { processes[slot].answer = .pinned($0) }
    case .reserve(var operation):
      let step = operation.step(&memories[node], &clients[node])
      processes[slot].operation = .reserve(operation)
      return pause(step) { processes[slot].answer = .reserved($0) }
    case .publish(var operation):
      let step = operation.step(&memories[node], &clients[node])
      processes[slot].operation = .publish(operation)
      return pause(step) { processes[slot].answer = .published($0) }
    case .revoke(var operation):
      let step = operation.step(&memories[node], &clients[node])
      processes[slot].operation = .revoke(operation)
      return pause(step) { _ in processes[slot].answer = .done }
    case .join(var operation):
      let step = operation.step(&memories[node], &clients[node])
      processes[slot].operation = .join(operation)
      return pause(step) { processes[slot].answer = .joined($0) }
    case .tick(var operation):
      let step = operation.step(&memories[node], &clients[node])
      processes[slot].operation = .tick(operation)
      return pause(step) { processes[slot].answer = .ticked($0) }
    case .recover(var operation):
      let step = operation.step(&memories[node], &clients[node])
      processes[slot].operation = .recover(operation)
      return pause(step) { processes[slot].answer = .recovered($0) }
    case .unpin(var operation):
      let step = operation.step(&memories[node], &clients[node])
      processes[slot].operation = .unpin(operation)
      return pause(step) { _ in processes[slot].answer = .done }
    case .remove(var operation):
      let step = operation.step(&memories[node], &clients[node])
      processes[slot].operation = .remove(operation)
      return pause(step) { _ in processes[slot].answer = .done }
    case .stepping: preconditionFailure("a store operation steps within its own step")
    }
  }

  private func pause<T>(_ step: Step<T>, _ done: (T) -> Void) -> SimDuration {
    switch step {
    case .done(let output):
      done(output)
      return .zero
    case .sync: return .zero
    case .wait(let nanoseconds): return SimDuration(picoseconds: Int64(nanoseconds) * 1000)
    }
  }

  private mutating func prepare(_ node: Int, _ core: inout ServingCore) {
    let cxl = core.workload.rack.cxl
    let load = core.fabric.cxlLoad(host: node, in: &core.network)
    memories[node].timing = Self.timing(
      cxl, load: load, slowdown: core.faults.cxlLatencyFactor)
    memories[node].elapsed = 0
  }

  private func elapsed(_ node: Int) -> SimDuration {
    .nanoseconds(memories[node].elapsed)
  }

  // MARK: The lock managers

  /// Steps the manager of a seat, which runs on the node of the same number.
  mutating func stepManager(_ seat: Int, version: UInt32, _ core: inout ServingCore) {
    guard seats[seat].version == version, seats[seat].isRunning else { return }
    let node = seats[seat].node
    let stall = core.faults.cxlStall(host: node, at: core.now) ?? .zero
    let earliest = max(seats[seat].pausedUntil, stall)
    guard core.now >= earliest else { return scheduleManager(seat, at: earliest, &core) }
    seats[seat].asleepSince = nil
    let awakeSince = seats[seat].awakeSince ?? core.now
    seats[seat].awakeSince = awakeSince
    prepare(node, &core)
    let seen = pool.watchedStores
    let wasRuling = seats[seat].manager.isRuling
    let step = seats[seat].manager.step(&memories[node], elapsed: elapsed(of: seat, core.now))
    seats[seat].lastStep = core.now
    let end = core.now + elapsed(node)
    if seats[seat].manager.isRuling, !wasRuling {
      core.faults.use.managerChanges += 1
      core.observer?.takeover(seat: seat, at: end)
    }
    switch step {
    case .sync: scheduleManager(seat, at: end, &core)
    case .fence(let suspect):
      answer(suspect, seat, &core)
      scheduleManager(seat, at: end, &core)
    case .wait(let nanoseconds):
      seats[seat].awakeSince = nil
      core.observer?.manager(seat: seat, from: awakeSince, to: end)
      guard !hasFaults || seats[seat].manager.isRuling else {
        if isNeeded(core) {
          let pause = SimDuration(picoseconds: Int64(nanoseconds) * 1000)
          scheduleManager(seat, at: end + pause, &core)
        }
        return
      }
      seats[seat].asleepSince = end
      seats[seat].seenWrites = seen
      // Its duty wakes it, if no doorbell does before.
      if hasFaults, isNeeded(core) { scheduleManager(seat, at: end + dutySpan, &core) }
      wakeManagers(at: end, &core)
    }
  }

  /// Nanoseconds since the seat's last step; nothing passes without faults.
  private func elapsed(of seat: Int, _ now: SimTime) -> UInt64 {
    hasFaults ? UInt64((now - seats[seat].lastStep).picoseconds / 1000) : 0
  }

  private mutating func scheduleManager(
    _ seat: Int, at time: SimTime, _ core: inout ServingCore
  ) {
    seats[seat].version &+= 1
    core.schedule(
      .lockManager(seat: UInt8(seat), version: seats[seat].version), at: time)
  }

  private mutating func wakeManagers(at now: SimTime, _ core: inout ServingCore) {
    for seat in seats.indices {
      guard let since = seats[seat].asleepSince, pool.watchedStores != seats[seat].seenWrites
      else { continue }
      seats[seat].asleepSince = nil
      let polls =
        (max(.zero, now - since).picoseconds + pollSpan.picoseconds - 1)
        / pollSpan.picoseconds
      scheduleManager(seat, at: since + pollSpan * Int(max(1, polls)), &core)
    }
  }

  // MARK: The end

  /// The store's figures, and what its final state breaks.
  mutating func close() -> (StoreUse, [String]) {
    for node in clients.indices { retire(node) }
    let audit = Audit(&memories[0], geometry)
    use.pinsAtEnd = audit.pins
    // With nobody left, nobody clears anything away.
    let problems = audit.problems + (isUp.contains(true) ? audit.leftovers : [])
    return (use, problems.map { "store: \($0)" })
  }

  /// Adds up what a node has counted.
  private mutating func retire(_ node: Int) {
    let counters = clients[node].counters
    use.lockAcquisitions += counters.locksTaken
    use.lockPolls += counters.lockPolls
    use.blocksHit += counters.blocksHit
    use.blocksPublished += counters.published
    use.evictions += counters.evicted
    use.allocationFailures += counters.allocationFailures
    use.lineReads += memories[node].counters.lineReads
    use.lineWrites += memories[node].counters.lineWrites
  }

  /// Counts how long an operation took from start to answer.
  mutating func note(_ process: StoreProcess, _ core: inout ServingCore) {
    let seconds = (core.now - process.started).seconds
    if hasFaults {
      if seconds > dutySpan.seconds { core.faults.use.stalledOperations += 1 }
      core.faults.use.longestOperationSeconds = max(
        core.faults.use.longestOperationSeconds, seconds)
    }
    switch process.purpose {
    case .lookup:
      use.lookups += 1
      use.lookupSecondsTotal += seconds
      use.lookupSecondsMax = max(use.lookupSecondsMax, seconds)
    case .reserve:
      use.reserveSecondsTotal += seconds
      use.reserveSecondsMax = max(use.reserveSecondsMax, seconds)
      use.reservations += 1
    default: break
    }
  }

  // MARK: Faults

  /// The ruling manager does nothing until `end`.
  mutating func pauseManager(until end: SimTime) {
    let ruling = seats.indices.filter { seats[$0].isRunning && seats[$0].manager.isRuling }
    // A deposed manager may not know it yet.
    guard let seat = ruling.max(by: { seats[$0].manager.epoch < seats[$1].manager.epoch }) else {
      return
    }
    seats[seat].pausedUntil = end
  }

  /// A node's processes, DRAM and cache are gone; the pool keeps what it has written.
  mutating func nodeDown(_ node: Int, _ core: inout ServingCore) {
    if clients[node].member.incarnation > 0 {
      crashes.append((clients[node].member, core.now))
    }
    retire(node)
    clients[node] = StoreClient(
      geometry, node: node, pollNanoseconds: pollNanoseconds, chunkQuota: chunkQuota)
    memories[node] = TimedMemory(
      pool: pool, host: node, timing: Self.timing(core.workload.rack.cxl))
    isUp[node] = false
    isTicking[node] = false
    lives[node] += 1
    if recoverer == node { recoverer = nil }
    for slot in processes.indices
    where processes[slot].isActive && processes[slot].node == node {
      processes[slot].isActive = false
      processes[slot].isDead = true
      if !processes[slot].isTick { underWay -= 1 }
    }
    for seat in seats.indices where seats[seat].node == node {
      seats[seat].isRunning = false
      seats[seat].asleepSince = nil
    }
    // Nobody would ever grant a lock again, nor fence anybody.
    if !seats.contains(where: { $0.isRunning || core.faults.returns($0.node) }) {
      core.giveUp(reason: "every node with a lock manager has died")
    }
  }

  /// A node's host is up again: it joins once its earlier life has been fenced. Its lock manager
  /// stands by.
  mutating func nodeUp(_ node: Int, _ core: inout ServingCore) {
    for seat in seats.indices where seats[seat].node == node {
      seats[seat].manager = LockManager(
        geometry, seat: seat, pollNanoseconds: pollNanoseconds, leaseNanoseconds: lease)
      seats[seat].isRunning = true
      seats[seat].lastStep = core.now
      seats[seat].pausedUntil = .zero
      scheduleManager(seat, at: core.now, &core)
    }
    start(.join(Join()), .member, node: node, request: -1, &core)
  }

  /// Whether signs of life still matter: something is under way, or to be cleared away.
  private func isNeeded(_ core: ServingCore) -> Bool {
    core.unfinished > 0 || underWay > 0 || !crashes.isEmpty && isUp.contains(true)
  }

  /// A suspect is dead if its node has died since, and the crash took its DMA along. A node that is
  /// alive, cut off by a link that is down, is not shot: its locks stay held until it is back.
  private mutating func answer(_ suspect: Suspect, _ seat: Int, _ core: inout ServingCore) {
    let isDead = clients[suspect.member.node].member != suspect.member
    seats[seat].manager.fenced(suspect, isDead ? .silenced : .none)
    if isDead { core.faults.use.fences += 1 }
  }

  private func scheduleTick(_ node: Int, _ core: inout ServingCore) {
    core.schedule(
      .tick(node: UInt16(node), life: Int32(lives[node])), at: core.now + dutySpan,
      node: node)
  }

  /// A sign of life is due.
  mutating func tick(_ node: Int, life: Int, _ core: inout ServingCore) {
    guard lives[node] == life, isNeeded(core) else { return }
    scheduleTick(node, &core)
    // The one before may be stalled.
    guard !isTicking[node] else { return }
    isTicking[node] = true
    start(.tick(Tick()), .member, node: node, request: -1, &core)
  }

  /// A process of the driver's own has ended.
  private mutating func ended(_ process: StoreProcess, _ core: inout ServingCore) {
    let node = process.node
    switch process.answer {
    case .joined(.joined):
      isUp[node] = true
      core.engineUp(node)
      scheduleTick(node, &core)
    case .joined(.occupied): start(.join(Join()), .member, node: node, request: -1, &core)
    case .ticked(let report):
      isTicking[node] = false
      precondition(!report.isFenced, "only the dead are fenced")
      guard report.needsRecovery, recoverer == nil else { return }
      recoverer = node
      start(.recover(Recover(geometry)), .member, node: node, request: -1, &core)
    case .recovered(let report):
      recoverer = nil
      for done in report.recovered {
        for crash in crashes where crash.member.node == done.node {
          guard crash.member.incarnation <= done.incarnation else { continue }
          core.faults.use.recoverySeconds.append((core.now - crash.time).seconds)
        }
        crashes.removeAll {
          $0.member.node == done.node && $0.member.incarnation <= done.incarnation
        }
      }
    default: preconditionFailure("no process of the driver's own answers that")
    }
  }
}

extension StoreProcess {
  var isTick: Bool {
    if purpose == .member, case .tick = operation { true } else { false }
  }
}
