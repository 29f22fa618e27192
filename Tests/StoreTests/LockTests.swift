// The two-tier lock: exclusion, lock sets, order, withdrawal, a new manager.

import PoolBench
import SharedMemory
import StoreChecking
import Testing

@testable import TractStore

@Suite struct LockTests {
  private static func counter(_ lock: Int, _ cluster: inout Cluster) -> Int {
    Int(cluster.memories[0].readFresh(cluster.geometry.counter(UInt16(lock)))[0])
  }

  static let devices = [
    .simulated,
    DeviceCapabilities(
      fabric: .strong, ddio: false, lineStore: false, payload: .dmaOnly),
    DeviceCapabilities(
      fabric: .posted, ddio: false, lineStore: true, payload: .dmaOnly),
  ]

  @Test(arguments: UInt64(1)...12, devices)
  func noUpdateUnderALockIsLost(seed: UInt64, capabilities: DeviceCapabilities) throws {
    var random = SplitMix64(seed: seed)
    var cluster = try Cluster(nodes: 4, capabilities: capabilities)
    var expected = [0, 0, 0, 0]
    // Two operations of each node at a time, so that the local tier is used too.
    var running = (0..<8).map { process in (node: process / 2, left: 20, operation: Count([0])) }
    func next(_ random: inout SplitMix64) -> [UInt16] {
      [[0], [1], [0, 1], [2, 3], [0, 1, 2, 3]].randomElement(using: &random)!
    }
    for index in running.indices { running[index].operation = Count(next(&random)) }
    var steps = 0
    while running.contains(where: { $0.left > 0 }), steps < 1_000_000 {
      steps += 1
      let index = Int.random(in: 0...running.count, using: &random)
      if index == running.count {
        _ = cluster.manager.step(&cluster.managerMemory)
        continue
      }
      let node = running[index].node
      guard running[index].left > 0 else { continue }
      let step = running[index].operation.step(&cluster.memories[node], &cluster.clients[node])
      guard case .done = step else { continue }
      for lock in running[index].operation.locks { expected[Int(lock)] += 1 }
      running[index].left -= 1
      running[index].operation = Count(next(&random))
    }
    #expect(running.allSatisfy { $0.left == 0 }, "seed \(seed): stuck after \(steps) steps")
    let counted = (0..<4).map { Self.counter($0, &cluster) }
    #expect(counted == expected, "seed \(seed)")
  }

  @Test func aLockSetIsGrantedAllOrNothing() throws {
    var cluster = try Cluster(nodes: 2)
    var both = LockSet([0, 1])
    var one = LockSet([1])
    Self.expect(true, &both, node: 0, &cluster)
    Self.expect(false, &one, node: 1, &cluster, steps: 50)
    both.release(&cluster.memories[0], &cluster.clients[0])
    Self.expect(true, &one, node: 1, &cluster)
  }

  @Test func aWaitingSetIsNotOvertakenByLaterRequests() throws {
    var cluster = try Cluster(nodes: 3)
    var first = LockSet([0])
    var set = LockSet([0, 1])
    var late = LockSet([1])
    Self.expect(true, &first, node: 0, &cluster)
    Self.expect(false, &set, node: 1, &cluster, steps: 10)
    Self.expect(false, &late, node: 2, &cluster, steps: 50)
    first.release(&cluster.memories[0], &cluster.clients[0])
    Self.expect(true, &set, node: 1, &cluster)
  }

  @Test func withinANodeTheOrderIsThatOfArrival() throws {
    var cluster = try Cluster()
    var locks = [LockSet([0]), LockSet([0]), LockSet([0])]
    Self.expect(true, &locks[0], node: 0, &cluster)
    Self.expect(false, &locks[1], node: 0, &cluster, steps: 5)
    Self.expect(false, &locks[2], node: 0, &cluster, steps: 5)
    locks[0].release(&cluster.memories[0], &cluster.clients[0])
    Self.expect(false, &locks[2], node: 0, &cluster, steps: 20)
    Self.expect(true, &locks[1], node: 0, &cluster)
  }

  /// The grant may cross the withdrawal; the sequence number releases it (a shared slot would stay
  /// granted to nobody).
  @Test(arguments: 1...30) func withdrawalLeavesNoLockBehind(polls: Int) throws {
    var cluster = try Cluster()
    var holder = LockSet([0])
    Self.expect(true, &holder, node: 0, &cluster)
    cluster.clients[1].lockPatience = polls
    var waiter = Count([0])
    var granted: Bool?
    var random = SplitMix64(seed: UInt64(polls))
    while granted == nil {
      if Bool.random(using: &random) { _ = cluster.manager.step(&cluster.managerMemory) }
      if Int.random(in: 0..<polls, using: &random) == 0, holder.isHeld {
        holder.release(&cluster.memories[0], &cluster.clients[0])
      }
      if case .done(let result) = waiter.step(&cluster.memories[1], &cluster.clients[1]) {
        granted = result
      }
    }
    if holder.isHeld { holder.release(&cluster.memories[0], &cluster.clients[0]) }
    cluster.clients[1].lockPatience = nil
    let both = [cluster.run(Count([0]), node: 0), cluster.run(Count([0]), node: 1)]
    #expect(both == [true, true])
    let counted = Self.counter(0, &cluster)
    #expect(counted == (granted == true ? 3 : 2))
  }

  @Test func aNewManagerKeepsWhatTheOldOneGranted() throws {
    var cluster = try Cluster()
    var held = LockSet([0])
    Self.expect(true, &held, node: 1, &cluster)
    cluster.manager = LockManager(cluster.geometry, seat: 1, pollNanoseconds: 100)
    // The old one is silent for a lease; the nodes adopt the new one's epoch.
    for _ in 0..<40 {
      _ = cluster.manager.step(
        &cluster.managerMemory, elapsed: cluster.manager.leaseNanoseconds / 4)
      for node in 0..<2 { cluster.run(Tick(), node: node) }
    }
    #expect(cluster.manager.isRuling)
    var other = LockSet([0])
    Self.expect(false, &other, node: 0, &cluster, steps: 50)
    held.release(&cluster.memories[1], &cluster.clients[1])
    Self.expect(true, &other, node: 0, &cluster)
  }

  /// A node that dies with a lock in its hand costs others a lease, and no old grant answers its
  /// next life.
  @Test func aDeadNodesLocksAreFreedOnceItIsFenced() throws {
    var cluster = try Cluster()
    var lost = LockSet([0])
    Self.expect(true, &lost, node: 1, &cluster)
    var other = LockSet([0])
    Self.expect(false, &other, node: 0, &cluster, steps: 100)
    cluster.kill(node: 1)
    Self.expect(true, &other, node: 0, &cluster)
    other.release(&cluster.memories[0], &cluster.clients[0])
    let outcome = cluster.rejoin(node: 1)
    #expect(outcome == .joined(Member(node: 1, incarnation: 2)))
    let isFree = cluster.run(Count([0]), node: 0)
    #expect(isFree)
    var again = LockSet([0])
    let isHeldAtOnce = Self.acquire(&again, node: 1, &cluster, steps: 2, managed: false)
    #expect(!isHeldAtOnce, "an old grant answers no new request")
  }

  /// The first word of the first request of a box had arrived when its writer died.
  @Test func aNewLifeMendsATornRequest() throws {
    var cluster = try Cluster()
    let line = cluster.geometry.request(node: 1, box: 3)
    cluster.memories[1].store(1, to: line)
    cluster.memories[1].flush(line)
    cluster.kill(node: 1)
    _ = cluster.rejoin(node: 1)
    cluster.run(Recover(cluster.geometry), node: 0)
    let audit = cluster.audit()
    #expect(audit.problems.isEmpty)
  }

  /// From the death of a node, at any moment between two beats, to the order to stop it.
  @Test(arguments: 0..<12) func aDeathCostsAtMostALease(afterBeat: Int) throws {
    var cluster = try Cluster()
    let moment = cluster.manager.leaseNanoseconds / 96
    let death = 120 + afterBeat
    for time in 0..<400 {
      if time % 12 == 0 {
        cluster.run(Tick(), node: 0)
        if time <= death { cluster.run(Tick(), node: 1) }
      }
      var step = cluster.manager.step(&cluster.managerMemory, elapsed: moment)
      while step == .sync { step = cluster.manager.step(&cluster.managerMemory) }
      guard case .fence(let suspect) = step else { continue }
      #expect(suspect.member.node == 1)
      #expect(time > death && time - death <= 96, "\(time - death) of 96 parts of a lease")
      return
    }
    Issue.record("nobody noticed")
  }

  @Test func aNodeCannotJoinBesideItsLivingSelf() throws {
    var cluster = try Cluster()
    var twin = StoreClient(cluster.geometry, node: 1, pollNanoseconds: 100)
    let outcome = Join(patience: 3).run(on: &cluster.memories[1], &twin) { _ in }
    #expect(outcome == .occupied(Member(node: 1, incarnation: 1)))
  }

  private static func expect(
    _ granted: Bool, _ lock: inout LockSet, node: Int, _ cluster: inout Cluster, steps: Int = 1000,
    location: SourceLocation = #_sourceLocation
  ) {
    let isGranted = acquire(&lock, node: node, &cluster, steps: steps)
    #expect(isGranted == granted, sourceLocation: location)
  }

  /// Steps a lock set, and the manager, up to `steps` times.
  private static func acquire(
    _ lock: inout LockSet, node: Int, _ cluster: inout Cluster, steps: Int = 1000,
    managed: Bool = true
  ) -> Bool {
    for _ in 0..<steps {
      if case .done = lock.acquire(&cluster.memories[node], &cluster.clients[node]) { return true }
      if managed { _ = cluster.manager.step(&cluster.managerMemory) }
    }
    return false
  }

  /// However many rings a manager misses, it reads every box that has changed.
  @Test(arguments: UInt64(1)...20) func aDoorbellTellsAllThatHasChanged(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let boxes = Int.random(in: 1...Doorbell.boxLimit, using: &random)
    var bell = Doorbell(incarnation: 1)
    var seen = bell
    var changed: UInt64 = 0
    for _ in 0..<5000 {
      let box = Int.random(in: 0..<boxes, using: &random)
      let line = bell.ring(box: box)
      changed |= 1 << UInt64(box)
      // A count of 256 in one box looks like none.
      guard Int.random(in: 0..<300, using: &random) == 0 else { continue }
      let now = try #require(Doorbell(line))
      #expect(now.changes(since: seen, boxes: boxes) & changed == changed, "seed \(seed)")
      seen = now
      changed = 0
    }
    var next = Doorbell(incarnation: 2)
    let line = next.ring(box: nil)
    let all = try #require(Doorbell(line)).changes(since: seen, boxes: boxes)
    #expect(all == Doorbell.all(boxes: boxes))
  }

  @Test func aDoorbellTellsNothingThatHasNotChanged() {
    var bell = Doorbell(incarnation: 1)
    _ = bell.ring(box: 3)
    let seen = bell
    _ = bell.ring(box: 9)
    _ = bell.ring(box: 47)
    _ = bell.ring(box: 9)
    #expect(bell.changes(since: seen, boxes: 48) == 1 << 9 | 1 << 47)
  }
}
