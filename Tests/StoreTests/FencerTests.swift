// Stopping suspects for good, and never saying so without proof.

import Foundation
import PoolBench
import SharedMemory
import Testing

@testable import TractStore

@Suite struct FencerTests {
  private let own: ProcessIdentity

  init() throws { own = try #require(ProcessIdentity.current()) }

  private func suspect(
    _ process: ProcessIdentity, isCertain: Bool = true
  ) -> Suspect {
    Suspect(
      member: Member(node: 3, incarnation: 7), process: process, isCertain: isCertain)
  }

  /// A process that sleeps, and who it is.
  private func sleeper() throws -> (Process, ProcessIdentity) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sleep")
    process.arguments = ["60"]
    try process.run()
    let started = try #require(ProcessIdentity.startTime(of: process.processIdentifier))
    return (
      process,
      ProcessIdentity(
        host: own.host, process: UInt64(process.processIdentifier), started: started)
    )
  }

  @Test func aProcessOfThisHostIsKilled() throws {
    let (process, identity) = try sleeper()
    // Stopped as by a debugger: it cannot answer, but can wake up.
    kill(process.processIdentifier, SIGSTOP)
    let fencer = Fencer(own, command: nil)
    #expect(fencer.fence(suspect(identity), isPartTaken: true) == .silenced)
    process.waitUntilExit()
    #expect(process.terminationStatus == SIGKILL)
    // And once more, now that there is none.
    #expect(fencer.fence(suspect(identity), isPartTaken: false) == .silenced)
  }

  /// The number of the suspect's process belongs to another one now.
  @Test func aReusedProcessIdIsSpared() throws {
    let (process, identity) = try sleeper()
    defer { process.terminate() }
    var earlier = identity
    earlier.started -= 1
    let fencer = Fencer(own, command: nil)
    #expect(fencer.fence(suspect(earlier), isPartTaken: false) == .silenced)
    #expect(process.isRunning)
    var before = own
    before.started -= 1
    #expect(fencer.fence(suspect(before), isPartTaken: false) == .silenced, "its own number")
  }

  @Test func withoutProofTheAnswerIsNone() throws {
    let fencer = Fencer(own, command: nil)
    var elsewhere = own
    elsewhere.host ^= 1
    #expect(fencer.fence(suspect(elsewhere), isPartTaken: false) == .none)
    #expect(fencer.fence(suspect(ProcessIdentity()), isPartTaken: false) == .none)
    #expect(fencer.fence(suspect(own), isPartTaken: false) == .none, "not itself")
    // Torn, and somebody here is the node.
    let (process, identity) = try sleeper()
    defer { process.terminate() }
    #expect(fencer.fence(suspect(identity, isCertain: false), isPartTaken: true) == .none)
    #expect(fencer.fence(suspect(identity, isCertain: false), isPartTaken: false) == .silenced)
    #expect(process.isRunning)
  }

  @Test func aCommandAnswersForOtherHosts() {
    let elsewhere = ProcessIdentity(host: own.host ^ 1, process: 17, started: 19)
    func answer(_ command: String, isCertain: Bool = true) -> Fencing {
      Fencer(own, command: command).fence(
        suspect(elsewhere, isCertain: isCertain), isPartTaken: false)
    }
    #expect(answer("exit 1") == .none)
    #expect(answer("kill -9 $$") == .none)
    #expect(answer("exit 0") == .silenced)
    #expect(
      answer(
        "test $TRACT_NODE/$TRACT_INCARNATION/$TRACT_PID/$TRACT_STARTED/$TRACT_CERTAIN = 3/7/17/19/1"
      ) == .silenced)
    #expect(answer("test $TRACT_CERTAIN = 0", isCertain: false) == .silenced)
    #expect(
      answer("test $TRACT_HOST = \(String(elsewhere.host, radix: 16))") == .silenced)
  }

  /// A line torn in mid-write says so to whoever is asked to stop its writer.
  @Test func aTornLineIsNoProof() throws {
    var cluster = try Cluster()
    let line = cluster.geometry.node(1)
    cluster.memories[1].store(99, to: line + 8)
    cluster.memories[1].flush(line)
    cluster.memories[1].fence()
    var asked: Suspect?
    while asked == nil {
      cluster.run(Tick(), node: 0)
      let elapsed = cluster.manager.dutyNanoseconds
      if case .fence(let suspect) = cluster.manager.step(&cluster.managerMemory, elapsed: elapsed) {
        asked = suspect
      }
    }
    #expect(asked?.member.node == 1)
    #expect(asked?.isCertain == false)
  }
}

@Suite struct PoolStatusTests {
  @Test func theLivesOfANode() throws {
    var cluster = try Cluster()
    func look() -> PoolStatus { PoolStatus(&cluster.managerMemory, cluster.geometry) }
    func condition() -> PoolStatus.Condition { look().nodes[1].condition }
    let begin = look()
    #expect(begin.nodes.map(\.condition) == [.active, .active])
    #expect(begin.rulingSeat == 0)
    cluster.kill(node: 1)
    let dead = look().nodes[1]
    #expect(dead.condition == .dead)
    #expect(dead.fencedIncarnation == 1)
    #expect(dead.fencing == .silenced)
    cluster.run(Recover(cluster.geometry), node: 0)
    #expect(condition() == .recovered)
    cluster.run(Join(), node: 1)
    #expect(condition() == .active)
    cluster.run(Leave(cluster.geometry), node: 1)
    #expect(condition() == .vacant)
    let unused = try PoolGeometry(nodes: 1, payloadBytes: 1 << 12, blockBytes: 64)
    let pool = TimedPool(metadataBytes: Int(unused.metadataBytes))
    var memory = TimedMemory(pool: pool, host: 0, cacheLines: 64)
    let empty = PoolStatus(&memory, unused)
    #expect(empty.rulingSeat == nil)
  }

  /// A manager that resigns is followed at once, without a lease of silence.
  @Test func aManagerResigns() throws {
    var cluster = try Cluster()
    var next = LockManager(cluster.geometry, seat: 1, pollNanoseconds: 100)
    for _ in 0..<10 { _ = next.step(&cluster.managerMemory) }
    #expect(next.epoch == 0)
    cluster.manager.resign(&cluster.managerMemory)
    for _ in 0..<10 {
      _ = next.step(&cluster.managerMemory)
      for node in 0..<2 { cluster.run(Tick(), node: node) }
    }
    #expect(next.isRuling)
  }

  @Test func aLockPassageTakesTheLockOrGivesUp() throws {
    var cluster = try Cluster()
    for lock in 0..<cluster.geometry.locks {
      let taken = cluster.run(LockPassage(lock), node: 0)
      #expect(taken)
    }
    var holder = LockSet([0])
    while true {
      if case .done = holder.acquire(&cluster.memories[1], &cluster.clients[1]) { break }
      _ = cluster.manager.step(&cluster.managerMemory)
    }
    let late = cluster.run(LockPassage(0, pollLimit: 20), node: 0)
    #expect(!late)
    holder.release(&cluster.memories[1], &cluster.clients[1])
    let taken = cluster.run(LockPassage(0), node: 0)
    #expect(taken)
    cluster.settleManager()
    #expect(cluster.manager.isIdle)
  }
}
