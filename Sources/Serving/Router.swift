// Which worker a request goes to.

import Workload

/// Assigns requests to the engines of one pool.
struct Router {
  let kind: RouterKind
  /// Engine indices of the pool.
  let pool: Range<Int>
  private var next = 0

  init(kind: RouterKind, pool: Range<Int>) {
    self.kind = kind
    self.pool = pool
  }

  /// The engine for the next request, of those that are up; ties go to the lowest index. Nil if
  /// none is.
  /// - Complexity: O(1) round robin, O(pool) least loaded.
  mutating func choose(among engines: [Engine]) -> Int? {
    switch kind {
    case .roundRobin:
      for _ in pool {
        let engine = pool.lowerBound + next
        next = (next + 1) % pool.count
        if engines[engine].isUp { return engine }
      }
      return nil
    case .leastLoaded:
      var best: Int?
      for engine in pool where engines[engine].isUp {
        guard let chosen = best else {
          best = engine
          continue
        }
        if engines[engine].outstandingTokens < engines[chosen].outstandingTokens { best = engine }
      }
      return best
    }
  }
}
