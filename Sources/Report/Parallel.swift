// Work side by side with results in order.

import Foundation

/// Runs independent pieces of work on several threads.
public enum Parallel {
  /// `body` of 0..<`count`, at most `width` at a time, in order.
  /// - Throws: the error of the lowest index that failed; what has not begun by then is left out.
  public static func map<T: Sendable, E: Error>(
    _ count: Int, width: Int, _ body: @Sendable (Int) throws(E) -> T
  ) throws(E) -> [T] {
    let results = Results<T, E>(count: count)
    let workers = max(1, min(width, count))
    DispatchQueue.concurrentPerform(iterations: workers) { _ in
      while let index = results.next() {
        results.set(index, Result { () throws(E) in try body(index) })
      }
    }
    return try results.inOrder()
  }

  private final class Results<T: Sendable, E: Error>: @unchecked Sendable {
    // All guarded by `lock`.
    private var results: [Result<T, E>?]
    private var position = 0
    private var hasFailed = false
    private let lock = NSLock()

    init(count: Int) { results = Array(repeating: nil, count: count) }

    func next() -> Int? {
      lock.withLock {
        guard !hasFailed, position < results.count else { return nil }
        defer { position += 1 }
        return position
      }
    }

    func set(_ index: Int, _ result: Result<T, E>) {
      lock.withLock {
        results[index] = result
        if case .failure = result { hasFailed = true }
      }
    }

    func inOrder() throws(E) -> [T] {
      var values: [T] = []
      for case let result? in lock.withLock({ results }) { values.append(try result.get()) }
      return values
    }
  }
}
