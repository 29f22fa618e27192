// Parts of operations by themselves, for measuring them.

import SharedMemory

/// A passage through one lock: request, grant, a pause under it, release. True, or false if the lock
/// was not granted in time.
public struct LockPassage: Operation {
  private var lock: LockSet
  private let holdNanoseconds: UInt64?

  /// - Parameters:
  ///   - lock: 0 to `geometry.locks` − 1.
  ///   - holdNanoseconds: pause between grant and release; without, the step that sees the grant
  ///     gives the lock back.
  ///   - pollLimit: looks at the grant before the request is withdrawn; nil waits for ever.
  public init(_ lock: Int, holdNanoseconds: UInt64? = nil, pollLimit: Int? = nil) {
    self.lock = LockSet(
      [UInt16(lock)], patience: pollLimit.map { .polls($0) } ?? .unlimited)
    self.holdNanoseconds = holdNanoseconds
  }

  /// Whether the grant has been seen and the lock not given back yet: the next step does that.
  public var isHeld: Bool { lock.isHeld }

  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    if !lock.isHeld {
      switch lock.acquire(&memory, &client) {
      case .done(false): return .done(false)
      case .done(true): if let holdNanoseconds { return .wait(nanoseconds: holdNanoseconds) }
      case .sync: return .sync
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
    }
    lock.release(&memory, &client)
    return .done(true)
  }
}

extension StoreClient {
  /// Takes a free block of this node's heap and gives it back, `times` times: what allocation costs
  /// where no chunk has to be claimed. False if there is no free block.
  public mutating func cycleBlocks(_ times: Int) -> Bool {
    for _ in 0..<times {
      guard let (block, _) = heap.take() else { return false }
      heap.give(block)
    }
    return true
  }
}
