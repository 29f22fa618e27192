// Runs the production store in virtual time: steps as events, latency from the loaded CXL path.

import EventKernel
import Rack
import SharedMemory
import TractStore
import Workload

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
struct StoreDriver: ~Copyable {
  let geometry: PoolGeometry
  private let pool: TimedPool
  private var memories: Table<TimedMemory>
  private var clients: Table<StoreClient>
  private var seats: Table<StoreSeat>
  private let pollNanoseconds: UInt64
  private let pollSpan: SimDuration

  private var processes = Slab<StoreProcess>()
  private var operations = StoreOperations()
  private(set) var use = StoreUse()

  // Faults
  private let hasFaults: Bool
  private let lease: UInt64
  private let chunkQuota: Int
  /// Which nodes are members, and how often each has died.
  private var isUp: [Bool]
  private(set) var lives: [Int]
  private var isTicking: [Bool]
  /// State of the network for which each node's line accesses are timed.
  private var timed: [NetworkState]
  /// Doorbell writes of which all sleeping managers know.
  private var heard = 0
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
    memories = Table((0..<nodes).map { TimedMemory(pool: pool, host: $0, timing: timing) })
    // The seed's fingerprint matters to real clients only: this pool lives as long as the run.
    Pool.format(&memories[0], geometry, hashSeed: core.workload.seed)
    let poll = UInt64((system.pollSeconds * 1e9).rounded(.up))
    let geometry = geometry
    // Prefill nodes alone write.
    let quota = geometry.chunks / core.workload.rack.prefill.count
    clients = Table(
      (0..<nodes).map {
        StoreClient(geometry, node: $0, pollNanoseconds: poll, chunkQuota: quota)
      })
    chunkQuota = quota
    let lease = UInt64((system.leaseSeconds * 1e9).rounded(.up))
    self.lease = lease
    hasFaults = core.faults.isPresent
    // A standby on every further node that has a seat, or the rack might be left without a manager.
    let managers = hasFaults ? min(nodes, geometry.seats) : 1
    seats = Table(
      (0..<managers).map {
        StoreSeat(
          node: $0,
          manager: LockManager(
            geometry, seat: $0, pollNanoseconds: poll, leaseNanoseconds: lease))
      })
    pollNanoseconds = poll
    pollSpan = SimDuration(picoseconds: Int64(poll) * 1000)
    isUp = Array(repeating: true, count: nodes)
    lives = Array(repeating: 0, count: nodes)
    isTicking = Array(repeating: false, count: nodes)
    timed = Array(repeating: .unknown, count: nodes)
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
    _ operation: consuming StoreProcess.Operation, _ purpose: StoreProcess.Purpose, node: Int,
    request: Int, _ core: inout ServingCore
  ) {
    guard isUp[node] || purpose == .member else { return }
    let (kind, place) = operations.add(operation)
    let process = StoreProcess(
      node: node, request: request, attempt: request < 0 ? 0 : core.faults.attempts[request],
      purpose: purpose, kind: kind, place: place, started: core.now)
    if !process.isTick { underWay += 1 }
    if request >= 0 { core.began(request) }
    let slot = processes.add(process)
    core.schedule(.store(process: Int32(slot)), at: core.now, node: node)
  }

  /// Steps a process until something else comes first; returns it once its answer's time has come.
  mutating func step(_ slot: Int, _ core: inout ServingCore) -> StoreProcess? {
    guard !processes[slot].isDead else {
      release(slot)
      return nil
    }
    let node = processes[slot].node
    var next = core.now
    repeat {
      if processes[slot].answer != nil { return end(slot, &core) }
      if hasFaults, let time = core.faults.cxlStall(host: node, at: core.now) {
        next = time
        break
      }
      prepare(node, &core)
      var pause = advance(slot)
      if hasFaults { backOff(slot, &pause, core.now) }
      let end = core.now + elapsed(node)
      next = end + pause
      wakeManagers(at: end, &core)
    } while core.skip(to: next, node: node)
    core.schedule(.store(process: Int32(slot)), at: next, node: node)
    return nil
  }

  /// A process's answer is due: nil if it is the driver's own.
  private mutating func end(_ slot: Int, _ core: inout ServingCore) -> StoreProcess? {
    processes[slot].isActive = false
    let process = processes[slot]
    if !process.isTick { underWay -= 1 }
    release(slot)
    if core.isObserved { core.observer?.operation(process.observed(at: core.now)) }
    if process.request >= 0 { core.finished(process.request) }
    guard process.purpose == .member else { return process }
    ended(process, &core)
    return nil
  }

  private mutating func release(_ slot: Int) {
    operations.remove(processes[slot].kind, processes[slot].place)
    processes[slot].answer = nil
    processes.remove(slot)
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
    let (node, place) = (processes[slot].node, processes[slot].place)
    switch processes[slot].kind {
    case .pin:
      let step = operations.pin[place].step(&memories[node], &clients[node])
      return pause(step, slot) { .pinned($0) }
    case .reserve:
      let step = operations.reserve[place].step(&memories[node], &clients[node])
      return pause(step, slot) { .reserved($0) }
    case .publish:
      let step = operations.publish[place].step(&memories[node], &clients[node])
      return pause(step, slot) { .published($0) }
    case .revoke:
      let step = operations.revoke[place].step(&memories[node], &clients[node])
      return pause(step, slot) { _ in .done }
    case .unpin:
      let step = operations.unpin[place].step(&memories[node], &clients[node])
      let blocks = operations.unpin[place].blocks
      return pause(step, slot) { _ in .unpinned(blocks) }
    case .remove:
      let step = operations.remove[place].step(&memories[node], &clients[node])
      return pause(step, slot) { _ in .done }
    case .join:
      let step = operations.join[place].step(&memories[node], &clients[node])
      return pause(step, slot) { .joined($0) }
    case .tick:
      let step = operations.tick[place].step(&memories[node], &clients[node])
      return pause(step, slot) { .ticked($0) }
    case .recover:
      let step = operations.recover[place].step(&memories[node], &clients[node])
      return pause(step, slot) { .recovered($0) }
    }
  }

  private mutating func pause<T>(
    _ step: Step<T>, _ slot: Int, _ answer: (T) -> StoreProcess.Answer
  ) -> SimDuration {
    switch step {
    case .done(let output):
      processes[slot].answer = answer(output)
      return .zero
    case .sync: return .zero
    case .wait(let nanoseconds): return SimDuration(picoseconds: Int64(nanoseconds) * 1000)
    }
  }

  /// What the timing of line accesses depends on.
  private struct NetworkState: Equatable {
    /// −1 before the first.
    var version: Int
    var slowdown: Double

    static var unknown: NetworkState { NetworkState(version: -1, slowdown: 1) }
  }

  @inline(__always)
  private mutating func prepare(_ node: Int, _ core: inout ServingCore) {
    memories[node].elapsed = 0
    let state = NetworkState(
      version: Int(core.networkVersion), slowdown: core.faults.cxlLatencyFactor)
    if timed[node] != state { time(node, state, &core) }
  }

  private mutating func time(_ node: Int, _ state: NetworkState, _ core: inout ServingCore) {
    timed[node] = state
    let load = core.fabric.cxlLoad(host: node, in: &core.network)
    memories[node].timing = Self.timing(
      core.workload.rack.cxl, load: load, slowdown: state.slowdown)
  }

  private func elapsed(_ node: Int) -> SimDuration {
    .nanoseconds(memories[node].elapsed)
  }

  // MARK: The lock managers

  /// Steps the manager of a seat, which runs on the node of the same number, until something else
  /// comes first.
  mutating func stepManager(_ seat: Int, version: UInt32, _ core: inout ServingCore) {
    guard seats[seat].version == version, seats[seat].isRunning else { return }
    let node = seats[seat].node
    var next = core.now
    repeat {
      if hasFaults {
        let stall = core.faults.cxlStall(host: node, at: core.now) ?? .zero
        let earliest = max(seats[seat].pausedUntil, stall)
        guard core.now >= earliest else { return scheduleManager(seat, at: earliest, &core) }
      }
      seats[seat].asleepSince = nil
      let awakeSince = seats[seat].awakeSince ?? core.now
      seats[seat].awakeSince = awakeSince
      prepare(node, &core)
      let seen = pool.watchedStores
      let wasRuling = seats[seat].manager.isRuling
      let step = seats[seat].manager.step(&memories[node], elapsed: elapsed(of: seat, core.now))
      seats[seat].lastStep = core.now
      next = core.now + elapsed(node)
      if seats[seat].manager.isRuling, !wasRuling {
        core.faults.use.managerChanges += 1
        core.observer?.takeover(seat: seat, at: next)
      }
      switch step {
      case .sync: break
      case .fence(let suspect): answer(suspect, seat, &core)
      case .wait(let nanoseconds):
        seats[seat].awakeSince = nil
        core.observer?.manager(seat: seat, from: awakeSince, to: next)
        let pause = SimDuration(picoseconds: Int64(nanoseconds) * 1000)
        return rest(seat, at: next, pause, seen: seen, &core)
      }
    } while core.skip(to: next)
    scheduleManager(seat, at: next, &core)
  }

  /// A manager has found nothing to do: one that rules sleeps, the others look again after a pause.
  private mutating func rest(
    _ seat: Int, at time: SimTime, _ pause: SimDuration, seen: Int, _ core: inout ServingCore
  ) {
    guard !hasFaults || seats[seat].manager.isRuling else {
      if isNeeded(core) { scheduleManager(seat, at: time + pause, &core) }
      return
    }
    seats[seat].asleepSince = time
    seats[seat].seenWrites = seen
    heard = -1
    // Its duty wakes it, if no doorbell does before.
    if hasFaults, isNeeded(core) { scheduleManager(seat, at: time + dutySpan, &core) }
    wakeManagers(at: time, &core)
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

  @inline(__always)
  private mutating func wakeManagers(at now: SimTime, _ core: inout ServingCore) {
    if pool.watchedStores != heard { wakeSleepers(at: now, &core) }
  }

  private mutating func wakeSleepers(at now: SimTime, _ core: inout ServingCore) {
    heard = pool.watchedStores
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
    timed[node] = .unknown
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
    if !seats.indices.contains(where: { seats[$0].isRunning || core.faults.returns(seats[$0].node) }
    ) {
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
  private func isNeeded(_ core: borrowing ServingCore) -> Bool {
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
