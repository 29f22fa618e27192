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
    case unpin(Unpin)
    case remove(Remove)
    /// While the operation is being stepped, so that its arrays have one owner.
    case stepping
  }

  /// What the connector wanted it for.
  enum Purpose {
    case lookup
    case reserve
    case confirm
    case publish
    case decodePin
    case prefillUnpin
    case decodeUnpin
    case remove
  }

  enum Answer {
    case pinned([PinOutcome])
    case reserved([PutOutcome])
    case published([PinnedBlock])
    case done
  }

  var node: Int
  var request: Int
  var purpose: Purpose
  var operation: Operation
  var started: SimTime
  /// Set by the last step; delivered when its time has come.
  var answer: Answer?
}

/// The store's nodes, its lock manager and the simulated device beneath them.
///
/// A step runs at once and charges its accesses' latency; the next one is an event at the time
/// reached. An idle lock manager is not simulated poll by poll: it sleeps until a doorbell line is
/// written and wakes at the poll that would have seen it.
struct StoreDriver {
  let geometry: PoolGeometry
  private let pool: TimedPool
  private var memories: [TimedMemory]
  private var clients: [StoreClient]
  private var manager: LockManager
  private let pollSpan: SimDuration
  /// When the manager's last idle scan ended; nil while it is awake.
  private var asleepSince: SimTime?
  private var seenWrites = 0

  private var processes: [StoreProcess] = []
  private var freeProcesses: [Int] = []
  private(set) var use = StoreUse()

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
    let timing = Self.timing(core.workload.rack.cxl, factor: 1)
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
    manager = LockManager(geometry, pollNanoseconds: poll)
    // The rack is up before the first request: nodes join before time begins.
    while !manager.isRuling { _ = manager.step(&memories[0]) }
    for node in clients.indices {
      _ = Join().run(on: &memories[node], &clients[node]) { _ in }
    }
    while manager.step(&memories[0]) == .sync {}
    pollSpan = SimDuration(picoseconds: Int64(poll) * 1000)
    asleepSince = .zero
    seenWrites = pool.watchedStores
  }

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

  /// What line accesses cost when latency is `factor` times the idle one.
  static func timing(_ cxl: CXLSpec, factor: Double) -> LineTiming {
    LineTiming(
      latency: cxl.latencySeconds * 1e9 * factor,
      pipelinedRead: cxl.pipelinedReadSeconds * 1e9,
      pipelinedWrite: cxl.pipelinedWriteSeconds * 1e9)
  }

  // MARK: Operations

  /// Begins an operation now.
  mutating func start(
    _ operation: StoreProcess.Operation, _ purpose: StoreProcess.Purpose, node: Int, request: Int,
    _ core: inout ServingCore
  ) {
    let process = StoreProcess(
      node: node, request: request, purpose: purpose, operation: operation, started: core.now)
    let slot: Int
    if let free = freeProcesses.popLast() {
      slot = free
      processes[slot] = process
    } else {
      slot = processes.count
      processes.append(process)
    }
    core.queue.push(.store(process: Int32(slot)), at: core.now, rank: UInt16(node + 1))
  }

  /// Steps a process; returns it once its answer's time has come.
  mutating func step(_ slot: Int, _ core: inout ServingCore) -> StoreProcess? {
    if processes[slot].answer != nil {
      freeProcesses.append(slot)
      return processes[slot]
    }
    let node = processes[slot].node
    prepare(node, &core)
    let pause = advance(slot)
    let end = core.now + elapsed(node)
    core.queue.push(
      .store(process: Int32(slot)), at: end + pause, rank: UInt16(node + 1))
    wakeManager(at: end, &core)
    return nil
  }

  /// Runs one step of the operation and returns how long it wants to pause.
  private mutating func advance(_ slot: Int) -> SimDuration {
    let node = processes[slot].node
    let operation = processes[slot].operation
    processes[slot].operation = .stepping
    switch operation {
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
    memories[node].timing = Self.timing(cxl, factor: cxl.loadedLatency.factor(at: load))
    memories[node].elapsed = 0
  }

  private func elapsed(_ node: Int) -> SimDuration {
    .nanoseconds(memories[node].elapsed)
  }

  // MARK: The lock manager, on node 0

  mutating func stepManager(_ core: inout ServingCore) {
    prepare(0, &core)
    let seen = pool.watchedStores
    let step = manager.step(&memories[0])
    let end = core.now + elapsed(0)
    guard case .wait = step else {
      core.queue.push(.lockManager, at: end)
      return
    }
    asleepSince = end
    seenWrites = seen
    wakeManager(at: end, &core)
  }

  private mutating func wakeManager(at now: SimTime, _ core: inout ServingCore) {
    guard let since = asleepSince, pool.watchedStores != seenWrites else { return }
    asleepSince = nil
    let polls =
      (max(.zero, now - since).picoseconds + pollSpan.picoseconds - 1)
      / pollSpan.picoseconds
    core.queue.push(.lockManager, at: since + pollSpan * Int(max(1, polls)))
  }

  // MARK: The end

  /// The store's figures, and what its final state breaks.
  mutating func close() -> (StoreUse, [String]) {
    for client in clients {
      use.lockAcquisitions += client.counters.locksTaken
      use.lockPolls += client.counters.lockPolls
      use.blocksHit += client.counters.blocksHit
      use.blocksPublished += client.counters.published
      use.evictions += client.counters.evicted
      use.allocationFailures += client.counters.allocationFailures
    }
    for memory in memories {
      use.lineReads += memory.counters.lineReads
      use.lineWrites += memory.counters.lineWrites
    }
    let audit = Audit(&memories[0], geometry)
    use.pinsAtEnd = audit.pins
    let problems = audit.problems + audit.leftovers
    return (use, problems.map { "store: \($0)" })
  }

  /// Counts how long an operation took from start to answer.
  mutating func note(_ process: StoreProcess, at now: SimTime) {
    let seconds = (now - process.started).seconds
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
}
