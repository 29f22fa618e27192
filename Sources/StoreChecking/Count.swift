// Adding to counters under locks: what exclusion is for.

import SharedMemory
import TractStore

/// Adds one to a counter line for each lock of a set while holding it; a race would lose some.
public struct Count: TractStore.Operation {
  private enum State: Hashable {
    case acquire
    case read
    case write([UInt64])
    case release
  }

  public let locks: [UInt16]
  private var lock: LockSet
  private var state = State.acquire

  public init(_ locks: [UInt16]) {
    self.locks = locks
    lock = LockSet(LockNumbers(locks))
  }

  /// The counters as they were read under the locks, until they are written.
  var valuesRead: [UInt64]? { if case .write(let values) = state { values } else { nil } }

  /// Whether the locks were had.
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    switch state {
    case .acquire:
      switch lock.acquire(&memory, &client) {
      case .done(let granted):
        if !granted { return .done(false) }
        state = .read
        return .sync
      case .sync: return .sync
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
    case .read:
      let geometry = client.geometry
      state = .write(locks.map { memory.readFresh(geometry.counter($0))[0] })
    case .write(let values):
      for (lock, value) in zip(locks, values) {
        memory.writeLine(
          Line64(value + 1, 0, 0, 0, 0, 0, 0, 0).sealed(sequence: 1),
          at: client.geometry.counter(lock))
      }
      state = .release
    case .release:
      lock.release(&memory, &client)
      return .done(true)
    }
    return .sync
  }
}
