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

  /// The engine for the next request; ties go to the lowest index.
  /// - Complexity: O(1) round robin, O(pool) least loaded.
  mutating func choose(among engines: [Engine]) -> Int {
    switch kind {
    case .roundRobin:
      defer { next = (next + 1) % pool.count }
      return pool.lowerBound + next
    case .leastLoaded:
      var best = pool.lowerBound
      for engine in pool.dropFirst()
      where engines[engine].outstandingTokens < engines[best].outstandingTokens {
        best = engine
      }
      return best
    }
  }
}
