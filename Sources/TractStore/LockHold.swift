// One lock held for a while, seen from outside: what probes measure.

import SharedMemory

/// A passage through one lock: request, grant, a pause under it, release.
public struct LockHold: Operation {
  private var lock: LockSet
  private let holdNanoseconds: UInt64

  /// - Precondition: `lock` is one of the pool's locks.
  public init(lock: Int, holdNanoseconds: UInt64 = 0, in geometry: PoolGeometry) {
    precondition((0..<geometry.locks).contains(lock))
    self.lock = LockSet([UInt16(lock)])
    self.holdNanoseconds = holdNanoseconds
  }

  /// Whether the grant has been seen and the lock not given back yet: the next step does that.
  public var isHeld: Bool { lock.isHeld }

  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Void> {
    guard !lock.isHeld else {
      lock.release(&memory, &client)
      return .done(())
    }
    switch lock.acquire(&memory, &client) {
    case .done: return .wait(nanoseconds: holdNanoseconds)
    case .sync: return .sync
    case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
    }
  }
}
