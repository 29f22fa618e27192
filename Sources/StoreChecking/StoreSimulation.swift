// The whole store under an adversary: nodes that work, die, pause and return, managers that fail.
//
// Longer than other files, as the world and its faults are one state machine.

import PoolBench
import SharedMemory
import TractStore

/// What a simulation came to.
public struct SimulationResult: Hashable, Sendable {
  /// Broken promises; empty if all is well.
  public var violations: [String] = []
  public var steps = 0
  /// Fingerprint of the device, the random streams and the count of steps.
  public var digest: UInt64 = 0
  public var crashHit: CrashPlan?
  public var published = 0
  public var verified = 0
  public var evicted = 0
  public var kills = 0
  public var recoveries = 0
  public var terms = 0

  public init() {}
}

/// One run: a safety phase with faults, then everything heals and must come to its end, then all
/// nodes die and one must get everything back.
public final class StoreSimulation {
  private let options: SimulationOptions
  private let mutant: Mutant?
  private let sabotage: Sabotage?
  private let geometry: PoolGeometry
  private let device: AdversarialDevice
  private var nodes: [Node] = []
  private var seats: [Seat] = []
  private var transfers: [Transfer] = []
  private var now: UInt64 = 0
  private var result = SimulationResult()
  private var isHealing = false

  // One stream for each purpose, so that a draw more in one moves nothing in another.
  private var schedule: SplitMix64
  private var work: SplitMix64
  private var faults: SplitMix64

  // What must hold, kept outside the store.
  /// The latest generation each block was reserved with (I7).
  private var generations: [Int: UInt64] = [:]
  /// Proven pins of living nodes by hash, since when.
  private var guarded: [BlockHash: [UInt64: UInt64]] = [:]
  private var pinNumber: UInt64 = 0
  /// What dead members had published, by chunk: nobody may lose it, until somebody else owns it.
  private var estates: [(member: Member, chunk: Int, blocks: [Int: PinnedBlock])] = []
  /// Root values known to be set, by node.
  private var rootValues: [UInt64]
  private var crashArmed = false
  /// Hosts in the middle of a step.
  private var busy: Set<Int> = []

  static let lease: UInt64 = 640
  static let quarantine: UInt64 = 640
  private static let wait: UInt64 = 6

  // MARK: Actors

  enum Task {
    case reserve(PutStart)
    case writing([Reservation], cancels: Bool)
    case publish(PutEnd, [Reservation])
    case revoke(PutRevoke)
    case pin(PinBlocks, [BlockHash], began: UInt64)
    case reading([PinnedBlock], pin: UInt64)
    case unpin(Unpin)
    case lateReading([PinnedBlock])
    case remove(Remove)
    case look(LookUp)
    case setRoot(SetRoot, UInt64)
    case getRoot(GetRoot, node: Int, atLeast: UInt64)
  }

  struct Actor {
    var task: Task?
    var wakes: UInt64 = 0
    var priority: UInt64 = 0
    /// Transfers of this actor that are under way, and what they found.
    var transfersLeft = 0
  }

  enum Mode {
    case down
    case joining(Join)
    case up
    case draining
    case leaving(Leave)
  }

  struct Node {
    var mode = Mode.down
    /// Nil while a step has it, which nobody else may touch.
    var client: StoreClient?
    var memory: AdversarialMemory
    var actors: [Actor]
    var tick: Tick?
    var tickDue: UInt64 = 0
    var tickActor = Actor()
    var recover: Recover?
    var recoverActor = Actor()
    var pausedUntil: UInt64 = 0
    var returnsAt: UInt64 = 0
    /// Rises with each life, so that transfers know whose they are.
    var life = 0
    /// Whom others know the node as: the latest incarnation it has taken.
    var member: Member
    /// Locks it held after its last step.
    var held: [Bool] = []
    var hasPool: Bool {
      switch mode {
      case .up, .draining: true
      default: false
      }
    }
  }

  struct Seat {
    var isUp = false
    /// Nil while a step has it.
    var manager: LockManager?
    var memory: AdversarialMemory
    var wakes: UInt64 = 0
    var steppedAt: UInt64 = 0
    var pausedUntil: UInt64 = 0
    var returnsAt: UInt64 = 0
    var priority: UInt64 = 0
  }

  /// One piece of a block on its way between a GPU and the pool.
  struct Transfer {
    var node: Int
    var life: Int
    var actor: Int
    var reads: Bool
    var block: Int
    var sector: Int
    var stamp: UInt64
    /// When the engine stops for certain, set once its process has died.
    var deadline = UInt64.max
    /// Not before.
    var due: UInt64
  }

  public init(
    seed: UInt64, options: SimulationOptions, mutant: Mutant? = nil, sabotage: Sabotage? = nil
  ) {
    self.options = options
    self.mutant = mutant
    self.sabotage = sabotage
    do {
      geometry = try PoolGeometry(
        nodes: options.nodes, payloadBytes: UInt64(options.blocks) * 64, blockBytes: 64,
        blocksPerChunk: options.blocksPerChunk, shards: options.shards, seats: 2,
        requestBoxes: options.boxes, probeWindow: options.window)
    } catch {
      preconditionFailure("options make no pool: \(error)")
    }
    schedule = SplitMix64(seed: seed ^ 0x7363_6865_6475_6C65)
    work = SplitMix64(seed: seed ^ 0x776F_726B)
    faults = SplitMix64(seed: seed ^ 0x6661_756C_7473)
    device = AdversarialDevice(
      geometry, nodes: options.nodes, adversity: options.adversity, sabotage: sabotage,
      seed: seed ^ 0x6164_7665_7273_6172)
    rootValues = Array(repeating: 0, count: options.nodes)
    for node in 0..<options.nodes {
      nodes.append(
        Node(
          client: StoreClient(geometry, node: node, pollNanoseconds: Self.wait),
          memory: AdversarialMemory(device, host: node),
          actors: Array(repeating: Actor(), count: options.tasksPerNode),
          member: Member(node: node, incarnation: 0)))
      nodes[node].returnsAt = UInt64(node) * 40
    }
    for seat in 0..<2 {
      seats.append(Seat(memory: AdversarialMemory(device, host: options.nodes + seat)))
      seats[seat].returnsAt = UInt64(seat) * 60
    }
    (device.isCalm, device.isFormatting) = (true, true)
    Pool.format(&nodes[0].memory, geometry, hashSeed: seed)
    device.quiesce()
    (device.isCalm, device.isFormatting) = (false, false)
    device.onPreempt = { [unowned self] in preempt() }
    device.onReach = { [unowned self] host, point in crashReached(host, point) }
    reprioritise()
  }

  // MARK: The course of events

  /// Runs to the end.
  public func run() -> SimulationResult {
    while result.steps < options.steps, isFine { advance() }
    heal()
    let limit = result.steps + 60_000
    while !isSettled, result.steps < limit, isFine { advance() }
    if isFine, !isSettled { fail("liveness: not settled \(unsettled)") }
    if isFine { auditAtRest() }
    if isFine { killEverythingAndRecover(limit: result.steps + 60_000) }
    result.violations += device.traps
    result.digest = digest()
    return result
  }

  private var isFine: Bool { result.violations.isEmpty && device.traps.isEmpty }

  private func fail(_ text: String) {
    if result.violations.count < 4 { result.violations.append("step \(result.steps): \(text)") }
  }

  /// Chooses an actor and lets it take a step.
  private func advance() {
    result.steps += 1
    now += 1
    if !isHealing { injectFaults() }
    expireTransfers()
    guard let actor = choose() else {
      now += 4
      return
    }
    switch actor {
    case .task(let node, let index): stepTask(node, index)
    case .tick(let node): stepTick(node)
    case .recover(let node): stepRecover(node)
    case .life(let node): stepLife(node)
    case .seat(let seat): stepSeat(seat)
    case .transfer(let index): finishTransfer(index)
    }
    settleReached()
    checkLocks()
    checkEstates()
  }

  /// Other hosts go on in the middle of a step: mostly for a few steps, sometimes for so long that
  /// whoever is interrupted is taken for dead.
  private func preempt() {
    guard !isHealing, busy.count == 1 else { return }
    let dice = schedule.next()
    let count = dice & 31 == 0 ? dice >> 8 & 1023 : dice >> 8 & 7
    for _ in 0..<count where isFine { advance() }
  }

  private enum Choice {
    case task(Int, Int)
    case tick(Int)
    case recover(Int)
    case life(Int)
    case seat(Int)
    case transfer(Int)
  }

  private var ready: [(Choice, UInt64)] = []

  private func choose() -> Choice? {
    ready.removeAll(keepingCapacity: true)
    for node in nodes.indices where nodes[node].pausedUntil <= now && !busy.contains(node) {
      switch nodes[node].mode {
      case .down:
        if nodes[node].returnsAt <= now {
          ready.append((.life(node), nodes[node].tickActor.priority))
        }
      case .joining, .leaving:
        if nodes[node].tickActor.wakes <= now {
          ready.append((.life(node), nodes[node].tickActor.priority))
        }
      case .up, .draining:
        break
      }
      if case .joining = nodes[node].mode { continue }
      if case .down = nodes[node].mode { continue }
      // A real node's heartbeat has a thread of its own, which the kernel does not starve.
      let isLate = nodes[node].tickDue + Self.lease / 8 < now
      if nodes[node].tickDue <= now, nodes[node].tickActor.wakes <= now {
        if isLate { return .tick(node) }
        ready.append((.tick(node), nodes[node].tickActor.priority))
      }
      guard nodes[node].hasPool else { continue }
      if nodes[node].recover != nil, nodes[node].recoverActor.wakes <= now {
        ready.append((.recover(node), nodes[node].recoverActor.priority))
      }
      for index in nodes[node].actors.indices
      where nodes[node].actors[index].wakes <= now && nodes[node].actors[index].transfersLeft == 0 {
        ready.append((.task(node, index), nodes[node].actors[index].priority))
      }
    }
    for seat in seats.indices
    where !busy.contains(options.nodes + seat) && seats[seat].pausedUntil <= now
      && seats[seat].wakes <= now
      && (seats[seat].isUp || seats[seat].returnsAt <= now)
    {
      ready.append((.seat(seat), seats[seat].priority))
    }
    if !transfers.isEmpty {
      let index = Int(schedule.next() % UInt64(transfers.count))
      if transfers[index].due <= now { ready.append((.transfer(index), schedule.next())) }
    }
    guard !ready.isEmpty else { return nil }
    if options.scheduling == .priorities, !isHealing {
      if schedule.next() & 63 == 0 { reprioritise() }
      return ready.max { $0.1 < $1.1 }!.0
    }
    return ready[Int(schedule.next() % UInt64(ready.count))].0
  }

  private func reprioritise() {
    for node in nodes.indices {
      for index in nodes[node].actors.indices {
        nodes[node].actors[index].priority = schedule.next()
      }
      nodes[node].tickActor.priority = schedule.next()
      nodes[node].recoverActor.priority = schedule.next()
    }
    for seat in seats.indices { seats[seat].priority = schedule.next() }
  }

  // MARK: Steps

  /// Runs one step of an operation; what it returned, and when it may go on.
  private func step<O: TractStore.Operation>(
    _ operation: inout O, _ node: Int
  ) -> (output: O.Output?, wakes: UInt64) {
    device.hosts[node].held =
      nodes[node].held.isEmpty
      ? Array(repeating: false, count: geometry.locks) : nodes[node].held
    var memory = nodes[node].memory
    // Others may take steps in the middle of this one: nobody but this step touches the client.
    var client = nodes[node].client.take()!
    busy.insert(node)
    let step = operation.step(&memory, &client)
    busy.remove(node)
    // If it was killed meanwhile, a new life has begun with another client.
    if device.hosts[node].isDead {
      return (nil, now)
    }
    nodes[node].member = client.member
    nodes[node].held = client.holdsLocks ? client.heldLocks : []
    nodes[node].client = consume client
    switch step {
    case .done(let output): return (output, now)
    case .sync: return (nil, now)
    case .wait: return (nil, now + Self.wait)
    }
  }

  private func stepSeat(_ seat: Int) {
    if !seats[seat].isUp {
      var manager = LockManager(
        geometry, seat: seat, pollNanoseconds: Self.wait, leaseNanoseconds: Self.lease,
        quarantineNanoseconds: Self.quarantine)
      manager.mutant = mutant
      seats[seat].manager = manager
      seats[seat].isUp = true
      seats[seat].steppedAt = now
      device.revive(options.nodes + seat)
    }
    let elapsed = now - seats[seat].steppedAt
    seats[seat].steppedAt = now
    var memory = seats[seat].memory
    var manager = seats[seat].manager.take()!
    let before = manager.epoch
    let host = options.nodes + seat
    busy.insert(host)
    let step = manager.step(&memory, elapsed: elapsed)
    busy.remove(host)
    guard !device.hosts[host].isDead else { return }
    if manager.epoch != before { result.terms += 1 }
    seats[seat].manager = consume manager
    switch step {
    case .sync: seats[seat].wakes = now
    case .wait(let span): seats[seat].wakes = now + min(span, Self.lease / 8)
    case .fence(let suspect): stop(suspect, seat)
    }
  }

  /// The rack's means to stop a node for certain.
  private func stop(_ suspect: Suspect, _ seat: Int) {
    let node = suspect.member.node
    if options.fencingFails, !isHealing, faults.next() & 1 == 0 {
      seats[seat].manager!.fenced(suspect, .none)
      return
    }
    // In the middle of a step it may have taken the next number already.
    let isItsLife = nodes[node].member.incarnation <= suspect.member.incarnation
    if isItsLife, sabotage != .fencesWithoutStopping {
      if case .down = nodes[node].mode {} else { kill(node, host: false) }
    }
    // Another life may have begun meanwhile; the fence of this one is in the pool then.
    guard isItsLife else {
      seats[seat].manager!.fenced(suspect, .silenced)
      return
    }
    if sabotage != .fencesWithoutFlushing { device.flushHost(node) }
    let silences = faults.next() & 1 == 0
    let lives = transfers.indices.filter {
      transfers[$0].node == node && !transfers[$0].reads
        && (transfers[$0].life < nodes[node].life || sabotage != .fencesWithoutStopping)
    }
    if silences, sabotage != .silencesRunningDMA {
      for index in lives.reversed() { transfers.remove(at: index) }
      device.silence(node)
    } else {
      for index in lives {
        transfers[index].due = now + faults.next() % (Self.quarantine - 40)
        transfers[index].deadline = now + Self.quarantine - 40
      }
      silencing.append((node, now + Self.quarantine - 40))
    }
    seats[seat].manager!.fenced(
      suspect, silences || sabotage == .silencesRunningDMA ? .silenced : .stopped)
  }

  /// Hosts whose DMA will have come to rest at a time.
  private var silencing: [(node: Int, at: UInt64)] = []

  private func expireTransfers() {
    if transfers.contains(where: { $0.deadline <= now }) {
      transfers.removeAll { $0.deadline <= now }
    }
    if !silencing.isEmpty {
      for item in silencing where item.at <= now { device.silence(item.node) }
      silencing.removeAll { $0.at <= now }
    }
  }

  private func stepTick(_ node: Int) {
    var tick = nodes[node].tick.take() ?? Tick()
    let (report, wakes) = step(&tick, node)
    guard !device.hosts[node].isDead else { return }
    nodes[node].tickActor.wakes = wakes
    guard let report else {
      nodes[node].tick = tick
      return
    }
    nodes[node].tick = nil
    nodes[node].tickDue = now + Self.lease / 12
    if report.isFenced {
      fail("node \(node) runs though it is fenced")
      kill(node, host: false)
      return
    }
    if report.needsRecovery, nodes[node].recover == nil, case .up = nodes[node].mode {
      nodes[node].recover = Recover(geometry)
    }
  }

  private func stepRecover(_ node: Int) {
    guard var recover = nodes[node].recover.take() else { return }
    let (report, wakes) = step(&recover, node)
    guard !device.hosts[node].isDead else { return }
    nodes[node].recoverActor.wakes = wakes
    nodes[node].recover = report == nil ? recover : nil
    if let report, !report.recovered.isEmpty { result.recoveries += 1 }
  }

  /// Joining and leaving.
  private func stepLife(_ node: Int) {
    switch nodes[node].mode {
    case .down:
      nodes[node].client = StoreClient(geometry, node: node, pollNanoseconds: Self.wait)
      nodes[node].client!.mutant = mutant
      nodes[node].client!.lockPatience = options.patience > 0 ? options.patience : nil
      nodes[node].client!.shardsPerSet = options.shardsPerSet
      nodes[node].held = []
      nodes[node].life += 1
      nodes[node].actors = nodes[node].actors.map { actor in
        Actor(task: nil, wakes: 0, priority: actor.priority)
      }
      (nodes[node].tick, nodes[node].recover) = (nil, nil)
      nodes[node].mode = .joining(Join())
      device.revive(node)
    case .joining(var join):
      let (outcome, wakes) = step(&join, node)
      guard !device.hosts[node].isDead else { return }
      nodes[node].tickActor.wakes = wakes
      nodes[node].mode = .joining(join)
      guard let outcome else { return }
      guard case .joined = outcome else {
        // Fenced before it was there.
        kill(node, host: false)
        return
      }
      nodes[node].tickDue = now
      nodes[node].mode = .up
    case .leaving(var leave):
      let (output, wakes): (Void?, UInt64) = step(&leave, node)
      guard !device.hosts[node].isDead else { return }
      nodes[node].tickActor.wakes = max(wakes, nodes[node].tickActor.wakes)
      nodes[node].mode = .leaving(leave)
      guard output != nil else { return }
      nodes[node].mode = .down
      nodes[node].returnsAt = now + faults.next() % Self.lease
      nodes[node].client = StoreClient(geometry, node: node, pollNanoseconds: Self.wait)
    case .up, .draining: break
    }
  }

  // MARK: Work

  private func hash(_ number: Int) -> BlockHash {
    var mixer = SplitMix64(seed: UInt64(number) &+ 1)
    // Some hashes share half of their bits.
    let high = number % 5 == 0 ? 7 : mixer.next()
    return BlockHash(hi: high, lo: number % 7 == 3 ? 9 : mixer.next())
  }

  private func stamp(_ hash: BlockHash, _ generation: UInt64) -> UInt64 {
    var line = Line64(hash.hi, hash.lo, generation, 1, 0, 0, 0, 0)
    line[4] = UInt64(line.checksum)
    return line.mixed(line.mixed(line[4], hash.hi), hash.lo ^ generation)
  }

  private func newTask(_ node: Int) -> Task? {
    if isHealing { return nil }
    guard case .up = nodes[node].mode else { return nil }
    let first = Int(work.next() % UInt64(options.hashes))
    let count = 1 + Int(work.next() % 4)
    let hashes = (first..<first + count).map { hash($0 % options.hashes) }
    switch work.next() % 16 {
    case 0..<6: return .reserve(PutStart(hashes))
    case 6: return .remove(Remove(hashes))
    case 7: return .look(LookUp(hashes))
    case 8:
      guard
        !nodes[node].actors.contains(where: { if case .setRoot = $0.task { true } else { false } })
      else { return nil }
      let value = rootValues[node] + 1
      let root = Root(name: rootName(node), address: Address(value), byteCount: 1)
      return .setRoot(SetRoot(root, in: geometry), value)
    case 9:
      let other = Int(work.next() % UInt64(options.nodes))
      return .getRoot(GetRoot(rootName(other)), node: other, atLeast: rootValues[other])
    default:
      return .pin(PinBlocks(hashes, stopsAtMiss: work.next() & 1 == 0), hashes, began: pinNumber)
    }
  }

  private func rootName(_ node: Int) -> RootName { RootName("node \(node)")! }

  private func stepTask(_ node: Int, _ index: Int) {
    guard let task = nodes[node].actors[index].task.take() else {
      nodes[node].actors[index].task = newTask(node)
      nodes[node].actors[index].wakes = now + (work.next() & 3)
      if case .draining = nodes[node].mode { drain(node) }
      return
    }
    switch task {
    case .reserve(let operation):
      run(operation, node, index, { .reserve($0) }) { reserved($0, node, index) }
    case .writing(let reservations, let cancels): wrote(reservations, cancels, node, index)
    case .publish(let operation, let reservations):
      run(operation, node, index, { .publish($0, reservations) }) { pinned in
        published(pinned, node, index)
      }
    case .revoke(let operation):
      run(operation, node, index, { .revoke($0) }) { _ in nil }
    case .pin(let operation, let hashes, let began):
      run(operation, node, index, { .pin($0, hashes, began: began) }) { outcomes in
        pinned(outcomes, hashes, began, node, index)
      }
    case .reading(let blocks, let pin): read(blocks, pin, node, index)
    case .unpin(let operation):
      run(operation, node, index, { .unpin($0) }) { _ in nil }
    case .lateReading(let blocks):
      startReading(blocks, node, index)
    case .remove(let operation):
      run(operation, node, index, { .remove($0) }) { _ in nil }
    case .look(let operation):
      run(operation, node, index, { .look($0) }) { _ in nil }
    case .setRoot(let operation, let value):
      run(operation, node, index, { .setRoot($0, value) }) { isSet in
        if !isSet { fail("node \(node) has no room for its root") }
        rootValues[node] = max(rootValues[node], value)
        return nil
      }
    case .getRoot(let operation, let owner, let least):
      run(operation, node, index, { .getRoot($0, node: owner, atLeast: least) }) { root in
        if (root?.address.offset ?? 0) < least {
          fail("node \(node) finds root \(root?.address.offset ?? 0), \(least) was set before")
        }
        return nil
      }
    }
  }

  private func run<O: TractStore.Operation>(
    _ operation: O, _ node: Int, _ index: Int, _ same: (O) -> Task,
    _ next: (O.Output) -> Task?
  ) {
    var operation = operation
    let (output, wakes) = step(&operation, node)
    guard !device.hosts[node].isDead else { return }
    nodes[node].actors[index].wakes = wakes
    if let output {
      nodes[node].actors[index].task = next(output)
    } else {
      nodes[node].actors[index].task = same(operation)
    }
  }

  private func reserved(_ outcomes: [PutOutcome], _ node: Int, _ index: Int) -> Task? {
    let reservations = outcomes.compactMap { outcome in
      if case .reserved(let reservation) = outcome { reservation } else { nil }
    }
    guard !reservations.isEmpty else { return nil }
    for reservation in reservations {
      if let last = generations[reservation.block], reservation.generation <= last {
        fail("I7: block \(reservation.block) gets generation \(reservation.generation) again")
      }
      generations[reservation.block] = reservation.generation
      for sector in 0..<AdversarialDevice.sectors {
        transfers.append(
          Transfer(
            node: node, life: nodes[node].life, actor: index, reads: false,
            block: reservation.block, sector: sector,
            stamp: stamp(reservation.hash, reservation.generation), due: due()))
        nodes[node].actors[index].transfersLeft += 1
      }
    }
    if sabotage == .publishesBeforeDMA { nodes[node].actors[index].transfersLeft = 0 }
    return .writing(reservations, cancels: work.next() & 7 == 0)
  }

  private func wrote(
    _ reservations: [Reservation], _ cancels: Bool, _ node: Int, _ index: Int
  ) {
    if sabotage == .touchesPayload {
      _ = nodes[node].memory.load(geometry.payload(block: reservations[0].block))
    }
    nodes[node].actors[index].task =
      cancels
      ? .revoke(PutRevoke(reservations))
      : .publish(PutEnd(reservations, pinning: true), reservations)
  }

  /// When a piece arrives: soon, or after others have done a lot.
  private func due() -> UInt64 {
    now + (work.next() & 3 == 0 ? work.next() % 300 : work.next() & 7)
  }

  private func published(_ pinned: [PinnedBlock], _ node: Int, _ index: Int) -> Task? {
    result.published += pinned.count
    return reading(pinned, node, index)
  }

  private func pinned(
    _ outcomes: [PinOutcome], _ hashes: [BlockHash], _ began: UInt64, _ node: Int, _ index: Int
  ) -> Task? {
    for (hash, outcome) in zip(hashes, outcomes) {
      if case .pinned(let block) = outcome, block.hash != hash {
        fail("node \(node) is given another block than it asked for")
      }
    }
    // What somebody has held pinned all the while must have been found.
    for (place, hash) in hashes.enumerated() {
      guard let since = guarded[hash]?.keys.min(), since < began else {
        if place >= outcomes.count { break }
        continue
      }
      let found = place < outcomes.count ? outcomes[place] : .absent
      guard case .pinned = found else {
        if outcomes.count < place { break }
        // An evictor that will find the pin may hide it for the moment, no more.
        guard !geometry.mentions(hash, in: device.lines) else { continue }
        fail("node \(node) does not find a block that was READY and is pinned: it is gone")
        break
      }
    }
    let blocks = outcomes.compactMap { outcome in
      if case .pinned(let block) = outcome { block } else { nil }
    }
    return blocks.isEmpty ? nil : reading(blocks, node, index)
  }

  private func reading(_ blocks: [PinnedBlock], _ node: Int, _ index: Int) -> Task? {
    guard !blocks.isEmpty else { return nil }
    pinNumber += 1
    for block in blocks { guarded[block.hash, default: [:]][pinNumber] = UInt64(node) }
    if sabotage == .readsAfterUnpin {
      guardEnds(blocks, pinNumber)
      nodes[node].actors[index].task = nil
      var unpin = Unpin(blocks)
      _ = step(&unpin, node)
      return .lateReading(blocks)
    }
    startReading(blocks, node, index)
    return .reading(blocks, pin: pinNumber)
  }

  private func startReading(_ blocks: [PinnedBlock], _ node: Int, _ index: Int) {
    for block in blocks {
      for sector in 0..<AdversarialDevice.sectors {
        transfers.append(
          Transfer(
            node: node, life: nodes[node].life, actor: index, reads: true, block: block.block,
            sector: sector, stamp: stamp(block.hash, block.generation), due: due()))
        nodes[node].actors[index].transfersLeft += 1
      }
    }
  }

  /// All pieces have been read and compared.
  private func read(_ blocks: [PinnedBlock], _ pin: UInt64, _ node: Int, _ index: Int) {
    result.verified += blocks.count
    guardEnds(blocks, pin)
    nodes[node].actors[index].task = .unpin(Unpin(blocks))
  }

  private func guardEnds(_ blocks: [PinnedBlock], _ pin: UInt64) {
    for block in blocks { guarded[block.hash]?[pin] = nil }
  }

  private func finishTransfer(_ index: Int) {
    let transfer = transfers.remove(at: index)
    let node = transfer.node
    let isOfThisLife = transfer.life == nodes[node].life && !device.hosts[node].isDead
    if transfer.reads {
      // A dead process's reads come to nobody.
      guard isOfThisLife else { return }
      let found = device.dmaRead(node, block: transfer.block, sector: transfer.sector)
      if found != transfer.stamp {
        fail("I4/I5: node \(node) reads foreign bytes in block \(transfer.block) under a pin")
      }
    } else {
      device.dmaWrite(
        node, block: transfer.block, sector: transfer.sector, stamp: transfer.stamp)
      guard isOfThisLife else { return }
    }
    let left = nodes[node].actors[transfer.actor].transfersLeft
    nodes[node].actors[transfer.actor].transfersLeft = max(0, left - 1)
  }

  // MARK: Faults

  private func injectFaults() {
    let roll = Int(truncatingIfNeeded: faults.next() & 0xFFFF)
    var bound = options.kills
    func node() -> Int { Int(faults.next() % UInt64(options.nodes)) }
    func seat() -> Int { Int(faults.next() & 1) }
    if !crashArmed, result.steps > 200, let crash = options.crash, device.armed == nil {
      // Somebody who is likely to pass there.
      let host = crash.point.isManagers ? options.nodes + seat() : node()
      device.armed = (host, crash.point)
      crashArmed = true
    } else if crashArmed, result.steps % 256 == 0, let armed = device.armed {
      device.armed = (
        armed.point.isManagers ? options.nodes + seat() : node(), armed.point
      )
    }
    if roll < bound { return kill(node(), host: false) }
    bound += options.hostKills
    if roll < bound { return kill(node(), host: true) }
    bound += options.pauses
    if roll < bound { return nodes[node()].pausedUntil = now + pause() }
    bound += options.managerKills
    if roll < bound { return killManager(seat(), host: faults.next() & 1 == 0) }
    bound += options.managerPauses
    if roll < bound { return seats[seat()].pausedUntil = now + pause() }
    bound += options.poison
    if roll < bound { return poisonSomething() }
    bound += options.leaves
    if roll < bound {
      let node = node()
      if case .up = nodes[node].mode, nodes[node].recover == nil { nodes[node].mode = .draining }
      return
    }
    if options.scheduling == .stall, faults.next() & 511 == 0 {
      let host = Int(faults.next() % UInt64(options.nodes + 2))
      if host < options.nodes {
        nodes[host].pausedUntil = now + pause()
      } else {
        seats[host - options.nodes].pausedUntil = now + pause()
      }
    }
  }

  /// Shorter or longer than a lease.
  private func pause() -> UInt64 { faults.next() % (3 * Self.lease) }

  /// A READY line, so that only a cached block is lost.
  private func poisonSomething() {
    let slot = Int(faults.next() % UInt64(geometry.entries))
    let index = geometry.entryIndex(slot)
    guard geometry.isReady(device.lines[index]) else { return }
    device.poison(index)
    // Its loss is no fault of the store's.
    guarded = [:]
  }

  private func kill(_ node: Int, host: Bool) {
    if case .down = nodes[node].mode { return }
    result.kills += 1
    if host { device.killHost(node) } else { device.killProcess(node) }
    if host { transfers.removeAll { $0.node == node } }
    bury(node)
  }

  /// The node's process is gone, with all that it knew.
  private func bury(_ node: Int) {
    let member = nodes[node].member
    for (chunk, blocks) in geometry.estate(of: member, in: device.lines) {
      // What the dead had begun to change may still arrive.
      let settled = blocks.filter { !device.isUnderWay(node, geometry.entryIndex($0.key)) }
      estates.append((member, chunk, settled))
    }
    nodes[node].mode = .down
    nodes[node].returnsAt = now + faults.next() % (2 * Self.lease)
    nodes[node].pausedUntil = 0
    nodes[node].held = []
    transfers.removeAll { $0.node == node && $0.reads && $0.life == nodes[node].life }
    for hash in guarded.keys.sorted(by: { ($0.hi, $0.lo) < ($1.hi, $1.lo) }) {
      for (pin, owner) in guarded[hash]! where owner == UInt64(node) { guarded[hash]![pin] = nil }
    }
  }

  private func killManager(_ seat: Int, host: Bool) {
    guard seats[seat].isUp else { return }
    result.kills += 1
    let index = options.nodes + seat
    if host { device.killHost(index) } else { device.killProcess(index) }
    (seats[seat].manager, seats[seat].isUp) = (nil, false)
    seats[seat].returnsAt = now + faults.next() % (2 * Self.lease)
  }

  private func crashReached(_ host: Int, _ point: CrashPoint) {
    guard let crash = options.crash else { return }
    switch crash.kind {
    case .killProcess: device.killProcess(host)
    case .killHost: device.killHost(host)
    case .pause: break
    }
  }

  /// After the step in which a crash point was reached: its consequences.
  private func settleReached() {
    guard let (host, _) = device.reached, let crash = options.crash else { return }
    device.forgetReached()
    result.crashHit = crash
    if crash.kind == .pause {
      if host < options.nodes {
        nodes[host].pausedUntil = now + pause()
      } else {
        seats[host - options.nodes].pausedUntil = now + pause()
      }
      return
    }
    result.kills += 1
    if host < options.nodes {
      if crash.kind == .killHost { transfers.removeAll { $0.node == host } }
      bury(host)
    } else {
      (seats[host - options.nodes].manager, seats[host - options.nodes].isUp) = (nil, false)
      seats[host - options.nodes].returnsAt = now + faults.next() % (2 * Self.lease)
    }
  }

  private func drain(_ node: Int) {
    guard nodes[node].recover == nil,
      nodes[node].actors.allSatisfy({ $0.task == nil && $0.transfersLeft == 0 })
    else { return }
    nodes[node].mode = .leaving(Leave(geometry))
  }

  // MARK: What must hold

  /// When a dead member's chunk is given up, all that was published in it is READY.
  private func checkEstates() {
    guard !estates.isEmpty, options.poison == 0 else { return }
    estates.removeAll { estate in
      if geometry.isOwned(estate.chunk, by: estate.member, in: device.lines) { return false }
      for (slot, block) in estate.blocks
      where !geometry.isReady(block, device.lines[geometry.entryIndex(slot)]) {
        fail("\(estate.member) has died, and with it the READY block \(block.block)")
      }
      return true
    }
  }

  /// I3: nobody holds a lock that another holds. The dead and fenced hold nothing.
  private func checkLocks() {
    var holders = Array(repeating: -1, count: geometry.locks)
    for node in nodes.indices {
      // Whoever is in the middle of a step may be giving it back.
      if busy.contains(node) { continue }
      if case .down = nodes[node].mode { continue }
      for (lock, isHeld) in nodes[node].held.enumerated() where isHeld {
        if holders[lock] >= 0 {
          fail("I3: nodes \(holders[lock]) and \(node) hold lock \(lock)")
        }
        holders[lock] = node
      }
    }
  }

  private func heal() {
    isHealing = true
    device.isCalm = true
    device.armed = nil
    for node in nodes.indices {
      nodes[node].pausedUntil = 0
      if case .draining = nodes[node].mode { nodes[node].mode = .up }
      nodes[node].returnsAt = min(nodes[node].returnsAt, now)
    }
    for seat in seats.indices {
      seats[seat].pausedUntil = 0
      seats[seat].returnsAt = min(seats[seat].returnsAt, now)
    }
  }

  /// Whether all nodes are back, all work is done and nothing of the dead is left.
  private var isSettled: Bool {
    guard transfers.isEmpty, silencing.isEmpty else { return false }
    for node in nodes {
      guard case .up = node.mode, node.recover == nil else { return false }
      guard node.actors.allSatisfy({ $0.task == nil }) else { return false }
    }
    guard seats.contains(where: { $0.manager?.isRuling == true && $0.manager?.isIdle == true })
    else { return false }
    return geometry.isRecovered(device.lines)
  }

  private var unsettled: String {
    nodes.enumerated().map { index, node in
      "\(index): \(node.mode) \(node.actors.map { String(describing: $0.task).prefix(60) })"
    }.joined(separator: "; ").prefix(400) + " recovered \(geometry.isRecovered(device.lines))"
  }

  private func auditAtRest() {
    device.quiesce()
    var memory = AdversarialMemory(device, host: 0)
    let audit = Audit(&memory, geometry)
    for problem in audit.problems + audit.leftovers {
      // A line that the device has lost stays unreadable until its owner wants to evict it.
      if device.hasPoison, problem.hasPrefix("I2: index line") { continue }
      fail("audit: \(problem)")
    }
    for node in nodes {
      result.evicted += node.client!.counters.evicted
      if node.client!.reservedBlocks != 0 {
        fail("node \(node.client!.node) has lost track of \(node.client!.reservedBlocks) blocks")
      }
      if node.client!.pinnedBlocks != 0 {
        fail("node \(node.client!.node) still pins \(node.client!.pinnedBlocks) blocks")
      }
    }
    let resident = nodes.reduce(0) { $0 + $1.client!.residentBlocks }
    if audit.orphanedChunks + audit.quarantinedChunks == 0, options.poison == 0,
      resident != audit.ready
    {
      fail("nodes count \(resident) published blocks, the index has \(audit.ready)")
    }
  }

  /// Everybody dies; the first node comes back, and must be able to reserve every block there is.
  private func killEverythingAndRecover(limit: Int) {
    for node in nodes.indices { kill(node, host: false) }
    for seat in seats.indices { killManager(seat, host: false) }
    for node in nodes.indices.dropFirst() { nodes[node].returnsAt = .max }
    nodes[0].returnsAt = now
    for seat in seats.indices { seats[seat].returnsAt = now }
    func isBack() -> Bool {
      guard case .up = nodes[0].mode, nodes[0].recover == nil else { return false }
      return geometry.isRecovered(device.lines, whole: true)
    }
    while !isBack(), result.steps < limit, isFine { advance() }
    guard isFine else { return }
    guard isBack() else { return fail("liveness: one node alone does not recover the rest") }
    var put = PutStart(
      (0..<geometry.blocks).map { BlockHash(hi: UInt64($0), lo: .max - UInt64($0)) })
    nodes[0].client!.lockPatience = nil
    var outcomes: [PutOutcome]?
    while outcomes == nil, result.steps < limit, isFine {
      result.steps += 1
      now += 1
      outcomes = step(&put, 0).output
      if nodes[0].tickDue <= now { stepTick(0) }
      for seat in seats.indices where seats[seat].wakes <= now { stepSeat(seat) }
    }
    let reserved = outcomes?.count { if case .reserved = $0 { true } else { false } } ?? 0
    // A full probe window may turn some away; nothing may be lost.
    let free = nodes[0].client!.freeBlocks + nodes[0].client!.residentBlocks
    if isFine, reserved + free != geometry.blocks {
      fail("everything is dead, but only \(reserved + free) of \(geometry.blocks) blocks come back")
    }
  }

  private func digest() -> UInt64 {
    var state: UInt64 = UInt64(result.steps)
    for line in device.lines {
      for word in 0..<8 { state = line.mixed(state, line[word]) }
    }
    for stream in [schedule, work, faults, device.random] {
      var stream = stream
      state = Line64().mixed(state, stream.next())
    }
    return state
  }
}
