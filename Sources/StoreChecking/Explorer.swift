// Every interleaving of a few operations: breadth first over all states that can be reached.

import SharedMemory
import TractStore

/// What an exploration came to.
public struct Exploration: Hashable, Sendable {
  public var states = 0
  public var transitions = 0
  /// Whether every reachable state was visited.
  public var isComplete = false
  /// The first violation, on a shortest path; nil if there is none.
  public var violation: String?
  /// What happens on that path.
  public var trace: [String] = []

  public init() {}
}

/// The processes of a scenario and all that they know.
struct World: Hashable {
  var memory: ModelState
  var clients: [StoreClient]
  var managers: [LockManager]
  var processes: [Process]
  /// Content of each block, by hash number.
  var payload: [UInt8]
  /// Nodes whose process has died, and of those the ones that are fenced.
  var dead: Set<Int> = []
  var fenced: Set<Int> = []
  /// Passages through each lock so far.
  var counts: [UInt16: UInt64] = [:]
  /// Managers that have begun.
  var started: [Bool]

  struct Process: Hashable {
    var node: Int
    var script: [Instruction]
    var operation: Running?
    var reservations: [Reservation] = []
    var pinned: [PinnedBlock] = []
    var isDone: Bool { script.isEmpty && operation == nil }
    var mayRest: Bool { operation == nil && script.first == .awaitEpoch }
  }

  /// What a process does, one after the other.
  enum Instruction: Hashable {
    case count([UInt16])
    case put(Int)
    case publish(Int)
    case revoke
    case pin(Int)
    case read(Int)
    case unpin
    case remove([Int])
    case leave
    case tick
    case join
    case recover
    /// Waits until a node is fenced.
    case awaitFence(Int)
    /// The put before must have got its place.
    case mustHave
    /// Waits until there is a manager of a later epoch; need never go on.
    case awaitEpoch
    /// Waits until a node has joined.
    case awaitMember(Int)
  }

  enum Running: Hashable {
    case count(Count)
    case put(PutStart, Int)
    case publish(PutEnd)
    case revoke(PutRevoke)
    case pin(PinBlocks, Int)
    case unpin(Unpin)
    case remove(Remove)
    case leave(Leave)
    case tick(Tick)
    case join(Join)
    case recover(Recover)
  }
}

/// A small world whose every course is explored.
public final class Explorer {
  let geometry: PoolGeometry
  let scenario: Scenario
  let device: ModelDevice
  let mutant: Mutant?
  let sabotage: Sabotage?
  private var world: World
  private var broken: String?

  /// - Parameter limit: states after which the exploration is given up.
  public init(_ scenario: Scenario, mutant: Mutant? = nil, sabotage: Sabotage? = nil) {
    self.scenario = scenario
    self.mutant = mutant
    self.sabotage = sabotage
    geometry = scenario.geometry
    let nodes = geometry.nodes
    device = ModelDevice(
      geometry, hosts: nodes + scenario.managers,
      processes: scenario.processes.count + scenario.managers,
      ModelOptions(), nil)
    let geometry = geometry
    world = World(
      memory: device.state,
      clients: (0..<nodes).map { StoreClient(geometry, node: $0, pollNanoseconds: 1) },
      managers: (0..<scenario.managers).map {
        LockManager(geometry, seat: $0, pollNanoseconds: 1, leaseNanoseconds: 8)
      },
      processes: scenario.processes.map { World.Process(node: $0.node, script: $0.script) },
      payload: Array(repeating: 0, count: geometry.blocks),
      started: (0..<scenario.managers).map { $0 == 0 })
    prepare()
  }

  private var hostCount: Int { geometry.nodes + scenario.managers }

  /// The pool as it is when the scenario begins: a ruling manager, members, published blocks.
  private func prepare() {
    var memory = ModelMemory(device, host: 0)
    device.process = -1
    Pool.format(&memory, geometry, hashSeed: 1)
    var managerMemory = ModelMemory(device, host: geometry.nodes)
    while !world.managers[0].isRuling { _ = world.managers[0].step(&managerMemory) }
    for node in 0..<geometry.nodes where !scenario.late.contains(node) {
      var memory = ModelMemory(device, host: node)
      _ = Join().run(on: &memory, &world.clients[node]) { _ in }
    }
    for (node, numbers) in scenario.published {
      var memory = ModelMemory(device, host: node)
      var put = PutStart(numbers.map { Scenario.hash($0) })
      var reservations: [Reservation] = []
      while true {
        if case .done(let outcomes) = put.step(&memory, &world.clients[node]) {
          reservations = outcomes.compactMap { if case .reserved(let it) = $0 { it } else { nil } }
          break
        }
        _ = world.managers[0].step(&managerMemory)
      }
      for (reservation, number) in zip(reservations, numbers) {
        world.payload[reservation.block] = UInt8(number)
      }
      _ = PutEnd(reservations, pinning: false).run(on: &memory, &world.clients[node]) { _ in }
    }
    for _ in 0..<12 { _ = world.managers[0].step(&managerMemory) }
    if let removed = scenario.removedBefore {
      var memory = ModelMemory(device, host: 0)
      var remove = Remove([Scenario.hash(removed)])
      while true {
        if case .done = remove.step(&memory, &world.clients[0]) { break }
        _ = world.managers[0].step(&managerMemory)
      }
      for _ in 0..<12 { _ = world.managers[0].step(&managerMemory) }
    }
    for host in device.state.caches.indices {
      if !scenario.options.keepsCopies { device.state.caches[host] = [] }
      device.state.posts[host] = []
    }
    device.state.overwritten = device.state.overwritten.map { _ in [] }
    for node in world.clients.indices {
      world.clients[node].resetCounters()
      world.clients[node].mutant = mutant
      world.clients[node].lockPatience = scenario.patience
    }
    for seat in world.managers.indices { world.managers[seat].mutant = mutant }
    // From here on with the memory's real manners.
    let explored = ModelDevice(
      geometry, hosts: hostCount, processes: device.state.tails.count, scenario.options, sabotage)
    explored.state = device.state
    // Numbers of lines must mean the same.
    for line in device.book.lines { _ = explored.book.number(line) }
    world.memory = explored.state
    self.explored = explored
  }

  private var explored: ModelDevice!

  // MARK: The search

  /// Visits all reachable states, or stops at `limit` or the first violation.
  public func run(limit: Int) -> Exploration {
    var result = Exploration()
    var visited: [Int: Int32] = [world.hashValue: 0]
    var parents: [Int32] = [-1]
    var moves: [Int32] = [0]
    var edges: [(Int32, Int32)] = []
    var complete: [Int32] = isFinished(world) ? [0] : []
    var frontier: [(World, Int32)] = [(world, 0)]
    while !frontier.isEmpty {
      var next: [(World, Int32)] = []
      for (state, number) in frontier {
        let all = successors(of: state) { successor, move, violation in
          result.transitions += 1
          if let violation, result.violation == nil {
            result.violation = violation
            result.trace = self.trace(to: number, parents, moves) + [self.describe(move)]
            return false
          }
          let fingerprint = successor.hashValue
          if let known = visited[fingerprint] {
            if known != number { edges.append((number, known)) }
            return true
          }
          let fresh = Int32(parents.count)
          visited[fingerprint] = fresh
          parents.append(number)
          moves.append(move)
          edges.append((number, fresh))
          if self.isFinished(successor) { complete.append(fresh) }
          next.append((successor, fresh))
          return true
        }
        if !all { break }
        if parents.count > limit { break }
      }
      result.states = parents.count
      if result.violation != nil { return result }
      if parents.count > limit { return result }
      frontier = next
    }
    result.isComplete = true
    // From everywhere everything can still come to its end.
    if let stuck = firstStuck(parents.count, edges, complete) {
      result.violation = "from here the work can never be finished"
      result.trace = trace(to: stuck, parents, moves)
    }
    return result
  }

  /// The first state from which no finished one can be reached.
  private func firstStuck(
    _ count: Int, _ edges: [(Int32, Int32)], _ complete: [Int32]
  ) -> Int32? {
    var starts = [Int32](repeating: 0, count: count + 1)
    for edge in edges { starts[Int(edge.1) + 1] += 1 }
    for index in 1...count { starts[index] += starts[index - 1] }
    var sources = [Int32](repeating: 0, count: edges.count)
    var filled = starts
    for edge in edges {
      sources[Int(filled[Int(edge.1)])] = edge.0
      filled[Int(edge.1)] += 1
    }
    var reaches = [Bool](repeating: false, count: count)
    var stack = complete
    for state in complete { reaches[Int(state)] = true }
    while let state = stack.popLast() {
      for place in starts[Int(state)]..<starts[Int(state) + 1] {
        let source = sources[Int(place)]
        if !reaches[Int(source)] {
          reaches[Int(source)] = true
          stack.append(source)
        }
      }
    }
    return reaches.firstIndex(of: false).map { Int32($0) }
  }

  private func isFinished(_ world: World) -> Bool {
    world.processes.allSatisfy { $0.isDone || $0.mayRest || world.dead.contains($0.node) }
      && world.managers.enumerated().contains { $0.element.isRuling && $0.element.isIdle }
  }

  /// Moves: processes, then managers, then faults, then the memory; with the number of the choice.
  private func successors(
    of state: World, _ visit: (World, Int32, String?) -> Bool
  ) -> Bool {
    let actors = scenario.processes.count + scenario.managers
    for actor in 0..<actors where canAct(actor, state) {
      explored.choices = []
      var choice: Int32 = 0
      repeat {
        load(state)
        act(actor)
        let move = Int32(actor) << 20 | choice
        guard visit(world, move, broken) else { return false }
        choice += 1
      } while explored.advanceChoices()
    }
    for fault in 0..<scenario.faultCount {
      load(state)
      guard inject(fault) else { continue }
      guard visit(world, Int32(actors + fault) << 20, broken) else { return false }
    }
    explored.state = state.memory
    for number in 0..<explored.movesCount {
      load(state)
      guard explored.move(number) != nil else { continue }
      world.memory = explored.state
      let move = Int32(actors + scenario.faultCount) << 20 | Int32(number)
      guard visit(world, move, broken) else { return false }
    }
    return true
  }

  private func load(_ state: World) {
    world = state
    explored.state = state.memory
    broken = nil
  }

  private func canAct(_ actor: Int, _ state: World) -> Bool {
    // Whoever was interrupted in the middle of a step ends it, unless it has died.
    if !state.memory.tails[actor].isEmpty { return true }
    if actor < scenario.processes.count {
      let process = state.processes[actor]
      if process.isDone || state.dead.contains(process.node) { return false }
      if process.operation == nil, case .awaitFence(let node)? = process.script.first {
        return state.fenced.contains(node)
      }
      if process.mayRest {
        return state.managers.contains { $0.epoch > state.clients[process.node].epoch }
      }
      if process.operation == nil, case .awaitMember(let node)? = process.script.first {
        return state.clients[node].member.incarnation > 0 && state.clients[node].epoch > 0
      }
      return true
    }
    return state.started[actor - scenario.processes.count]
  }

  private func act(_ actor: Int) {
    explored.beginStep(actor)
    if actor < scenario.processes.count, world.processes[actor].isDone {
      // Its last step has ended now.
    } else if actor < scenario.processes.count {
      stepProcess(actor)
    } else {
      stepManager(actor - scenario.processes.count)
    }
    explored.endStep()
    explored.tidy()
    for node in world.clients.indices { world.clients[node].resetCounters() }
    world.memory = explored.state
    checkLocks()
    // I6, as far as the index shows it.
    if scenario.checksIndex {
      let lines = world.memory.lines.map { explored.book.lines[Int($0)] }
      if geometry.hasDuplicates(lines) { broken = "I6: one hash is in two index lines" }
    }
  }

  private func stepManager(_ seat: Int) {
    var memory = ModelMemory(explored, host: geometry.nodes + seat)
    let step = world.managers[seat].step(&memory)
    if case .fence(let suspect) = step {
      let node = suspect.member.node
      // The rack's means: the process is stopped, if it was not dead, and its host flushed.
      if sabotage != .fencesWithoutStopping { world.dead.insert(node) }
      if sabotage != .fencesWithoutFlushing { explored.flushHost(node) }
      for (index, process) in world.processes.enumerated() where process.node == node {
        if sabotage != .fencesWithoutFlushing { explored.state.tails[index] = [] }
      }
      world.fenced.insert(node)
      world.managers[seat].fenced(suspect, .silenced)
    }
  }

  // MARK: Processes

  private func stepProcess(_ index: Int) {
    let node = world.processes[index].node
    if world.processes[index].operation == nil, !begin(index) { return }
    var memory = ModelMemory(explored, host: node)
    switch world.processes[index].operation! {
    case .count(var operation):
      let step = operation.step(&memory, &world.clients[node])
      // What is read under a lock is what was written under it last.
      if let values = operation.valuesRead {
        for (lock, value) in zip(operation.locks, values) where value != world.counts[lock] ?? 0 {
          broken = "node \(node) reads \(value) under lock \(lock), not \(world.counts[lock] ?? 0)"
        }
      }
      finish(index, step, .count(operation)) { isDone in
        if isDone { for lock in operation.locks { world.counts[lock, default: 0] += 1 } }
      }
    case .put(var operation, let number):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .put(operation, number)) { outcomes in
        let reservations = outcomes.compactMap { outcome in
          if case .reserved(let reservation) = outcome { reservation } else { nil }
        }
        world.processes[index].reservations = reservations
        // DMA: the payload is there when it is published.
        for reservation in reservations { world.payload[reservation.block] = UInt8(number) }
      }
    case .publish(var operation):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .publish(operation)) { _ in }
    case .revoke(var operation):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .revoke(operation)) { (_: Void) in }
    case .pin(var operation, let number):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .pin(operation, number)) { outcomes in
        world.processes[index].pinned = outcomes.compactMap { outcome in
          if case .pinned(let block) = outcome { block } else { nil }
        }
      }
    case .unpin(var operation):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .unpin(operation)) { (_: Void) in }
    case .remove(var operation):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .remove(operation)) { _ in }
    case .leave(var operation):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .leave(operation)) { (_: Void) in }
    case .tick(var operation):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .tick(operation)) { report in
        if report.isFenced { broken = "node \(node) runs though it is fenced" }
      }
    case .join(var operation):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .join(operation)) { _ in }
    case .recover(var operation):
      let step = operation.step(&memory, &world.clients[node])
      finish(index, step, .recover(operation)) { _ in }
    }
  }

  private func finish<Output>(
    _ index: Int, _ step: Step<Output>, _ same: World.Running, _ take: (Output) -> Void
  ) {
    if case .done(let output) = step {
      world.processes[index].operation = nil
      take(output)
    } else {
      world.processes[index].operation = same
    }
  }

  /// Takes the next instruction; false if it is done at once.
  private func begin(_ index: Int) -> Bool {
    let instruction = world.processes[index].script.removeFirst()
    let process = world.processes[index]
    switch instruction {
    case .count(let locks): world.processes[index].operation = .count(Count(locks))
    case .put(let number):
      world.processes[index].operation = .put(PutStart([Scenario.hash(number)]), number)
    case .publish:
      guard !process.reservations.isEmpty else { return false }
      world.processes[index].operation = .publish(PutEnd(process.reservations, pinning: false))
    case .revoke:
      guard !process.reservations.isEmpty else { return false }
      world.processes[index].operation = .revoke(PutRevoke(process.reservations))
    case .pin(let number):
      world.processes[index].operation = .pin(
        PinBlocks([Scenario.hash(number)], stopsAtMiss: false), number)
    case .read(let number):
      for block in process.pinned where world.payload[block.block] != UInt8(number) {
        broken = "I4/I5: node \(process.node) reads foreign bytes under a pin"
      }
      return false
    case .unpin:
      guard !process.pinned.isEmpty else { return false }
      world.processes[index].operation = .unpin(Unpin(process.pinned))
      world.processes[index].pinned = []
    case .remove(let numbers):
      world.processes[index].operation = .remove(Remove(numbers.map { Scenario.hash($0) }))
    case .leave: world.processes[index].operation = .leave(Leave(geometry))
    case .tick: world.processes[index].operation = .tick(Tick())
    case .join: world.processes[index].operation = .join(Join())
    case .recover: world.processes[index].operation = .recover(Recover(geometry))
    case .mustHave:
      if process.reservations.isEmpty { broken = "node \(process.node) gets no space" }
      return false
    case .awaitFence, .awaitMember, .awaitEpoch: return false
    }
    return true
  }

  // MARK: Faults

  /// Fault 0: the mortal node dies. Fault 1: the second manager suspects the first. Fault 2: the
  /// manager of the highest epoch notices the death.
  private func inject(_ fault: Int) -> Bool {
    switch fault {
    case 0:
      guard let node = scenario.mortal, !world.dead.contains(node) else { return false }
      world.dead.insert(node)
      for (index, process) in world.processes.enumerated() where process.node == node {
        // The second half of a line may never have been written.
        explored.state.tails[index] = []
      }
    case 1:
      guard world.started.count > 1, !world.started[1] else { return false }
      world.started[1] = true
      world.managers[1].suspectColleague()
    default:
      guard let node = scenario.mortal,
        world.dead.contains(node) || scenario.suspectsTheLiving,
        let manager = world.managers.indices.last(where: { world.started[$0] }),
        world.managers[manager].suspect(Member(node: node, incarnation: 1))
      else { return false }
    }
    world.memory = explored.state
    return true
  }

  /// I3.
  private func checkLocks() {
    var holders = Array(repeating: -1, count: geometry.locks)
    for node in world.clients.indices
    where world.clients[node].holdsLocks && !world.fenced.contains(node) {
      for (lock, isHeld) in world.clients[node].heldLocks.enumerated() where isHeld {
        if holders[lock] >= 0 {
          broken = "I3: nodes \(holders[lock]) and \(node) hold lock \(lock)"
        }
        holders[lock] = node
      }
    }
  }

  // MARK: Telling

  private func trace(to state: Int32, _ parents: [Int32], _ moves: [Int32]) -> [String] {
    var path: [Int32] = []
    var state = state
    while state > 0 {
      path.append(moves[Int(state)])
      state = parents[Int(state)]
    }
    return path.reversed().map { describe($0) }
  }

  private func describe(_ move: Int32) -> String {
    let actor = Int(move >> 20)
    let processes = scenario.processes.count
    if actor < processes {
      return "\(scenario.processes[actor].name) steps"
        + (move & 0xFFFFF > 0 ? ", choice \(move & 0xFFFFF)" : "")
    }
    if actor < processes + scenario.managers {
      return "manager \(actor - processes) steps"
        + (move & 0xFFFFF > 0 ? ", choice \(move & 0xFFFFF)" : "")
    }
    let fault = actor - processes - scenario.managers
    if fault < scenario.faultCount {
      return ["the node dies", "manager 1 suspects manager 0", "manager 0 suspects the node"][fault]
    }
    return "memory move \(move & 0xFFFFF)"
  }
}
