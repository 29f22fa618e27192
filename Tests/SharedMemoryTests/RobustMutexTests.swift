// The coherent baseline lock excludes, and outlives a holder that ends.

import CRobustMutex
import Foundation
import Testing

@Suite struct RobustMutexTests {
  /// A mutex and the counter that it guards, as threads share them.
  private struct Shared: @unchecked Sendable {
    let mutex = UnsafeMutableRawPointer.allocate(byteCount: robust_mutex_size(), alignment: 64)
    let counter = UnsafeMutablePointer<Int>.allocate(capacity: 1)

    init() {
      #expect(robust_mutex_init(mutex) == 0)
      counter.initialize(to: 0)
    }

    func free() {
      mutex.deallocate()
      counter.deallocate()
    }
  }

  /// Runs bodies on threads of their own, which have ended when this returns.
  private func onThreads(_ count: Int, _ body: @escaping @Sendable () -> Void) {
    let ended = DispatchGroup()
    for _ in 0..<count {
      ended.enter()
      Thread.detachNewThread {
        body()
        ended.leave()
      }
    }
    ended.wait()
  }

  @Test func twoThreadsCount() {
    let shared = Shared()
    defer { shared.free() }
    onThreads(2) {
      for _ in 0..<20_000 {
        guard robust_mutex_lock(shared.mutex) == 0 else { return }
        shared.counter.pointee += 1
        guard robust_mutex_unlock(shared.mutex) == 0 else { return }
      }
    }
    #expect(shared.counter.pointee == 40_000)
  }

  /// The kernel hands a robust mutex on when a holding thread ends, as when a process is killed.
  @Test func aDeadHolderIsSurvived() {
    let shared = Shared()
    defer { shared.free() }
    onThreads(1) { _ = robust_mutex_lock(shared.mutex) }
    for _ in 0..<2 {
      #expect(robust_mutex_lock(shared.mutex) == 0, "consistent again after the first")
      #expect(robust_mutex_unlock(shared.mutex) == 0)
    }
    #expect(robust_mutex_unlock(shared.mutex) == EPERM, "not held")
  }
}
