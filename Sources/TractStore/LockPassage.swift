// Parts of operations by themselves, for measuring them.

import SharedMemory

/// Takes one lock and gives it back at once: true, or false if it was not granted in time.
public struct LockPassage: Operation {
  private var lock: LockSet

  /// - Parameters:
  ///   - lock: 0 to `geometry.locks` − 1.
  ///   - pollLimit: looks at the grant before the request is withdrawn; nil waits for ever.
  public init(_ lock: Int, pollLimit: Int? = nil) {
    self.lock = LockSet(
      [UInt16(lock)], patience: pollLimit.map { .polls($0) } ?? .unlimited)
  }

  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    switch lock.acquire(&memory, &client) {
    case .done(let granted):
      if granted { lock.release(&memory, &client) }
      return .done(granted)
    case .sync: return .sync
    case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
    }
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
