// Constants of the serving model that no workload sets, from the catalogue.

import EventKernel
import Rack

/// Figures of the catalogue's `software` section, read once.
enum ServingConstants {
  /// Queued requests looked up ahead of their admission.
  static let lookupAhead = Int(Catalogue.builtIn.software("lookup_ahead"))
  /// When nobody has moved or computed anything for so long, nobody ever will.
  static let stallLimit = span("stall_limit")
  /// Pause before space is asked for again when the pool is full of pinned blocks: at first, and at
  /// most after doubling it each time.
  static let spaceRetryFirst = span("space_retry_first")
  static let spaceRetryLongest = span("space_retry_longest")
  /// A waiter that has done nothing but poll for so long polls ever less often, at a given share of
  /// its wait and at most at the longest interval.
  static let pollBackoffAfter = span("poll_backoff_after")
  static let pollBackoffShare = Catalogue.builtIn.software("poll_backoff_share")
  static let pollBackoffLongest = span("poll_backoff_longest")

  private static func span(_ name: String) -> SimDuration {
    .seconds(Catalogue.builtIn.software(name))
  }
}
