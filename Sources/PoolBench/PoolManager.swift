// A lock manager as a process on real memory.

import Glibc
import SharedMemory
import TractStore

/// Drives the lock manager of one seat: keeps its time, and stops whom it suspects.
public struct PoolManager: ~Copyable {
  private var memory: FaultyMemory
  private var manager: LockManager
  private let fencer: Fencer
  private var last = monotonicNanoseconds()
  private var patience = Patience()

  /// Something worth telling.
  public enum Event: CustomStringConvertible {
    case rules(epoch: UInt64)
    case deposed
    case fenced(Suspect, Fencing)

    public var description: String {
      switch self {
      case .rules(let epoch): "rules with epoch \(epoch)"
      case .deposed: "stands by"
      case .fenced(let suspect, .none):
        "cannot be sure that \(suspect.member) has stopped; its locks stay held"
      case .fenced(let suspect, _): "fenced \(suspect.member)"
      }
    }
  }

  public init(
    _ memory: consuming FaultyMemory, _ geometry: PoolGeometry, seat: Int,
    leaseNanoseconds: UInt64, fencer: Fencer, process: ProcessIdentity
  ) {
    self.memory = memory
    self.fencer = fencer
    manager = LockManager(
      geometry, seat: seat, pollNanoseconds: 1000, leaseNanoseconds: leaseNanoseconds,
      process: process)
  }

  /// Manages until `isEnding`, which is asked about every millisecond at least while it waits; then
  /// resigns.
  public mutating func run(
    until isEnding: () throws -> Bool, tell: (Event) -> Void
  ) rethrows {
    var wasRuling = false
    var asked = UInt64(0)
    while true {
      let now = monotonicNanoseconds()
      if now - asked > 1_000_000 {
        asked = now
        if try isEnding() { break }
      }
      let elapsed = now - last
      last = now
      switch manager.step(&memory, elapsed: elapsed) {
      case .sync: patience.renew()
      case .wait(let nanoseconds):
        // Long waits are the protocol's own rhythm, short ones are polling.
        if nanoseconds > 1_000_000 { sleep(nanoseconds: nanoseconds) } else { patience.wait() }
      case .fence(let suspect):
        let isPartTaken = memory.mapped.isPartTaken(Part.node(suspect.member.node))
        let fencing = fencer.fence(suspect, isPartTaken: isPartTaken)
        manager.fenced(suspect, fencing)
        tell(.fenced(suspect, fencing))
      }
      if manager.isRuling != wasRuling {
        wasRuling = manager.isRuling
        tell(wasRuling ? .rules(epoch: manager.epoch) : .deposed)
      }
    }
    manager.resign(&memory)
  }
}
