// How many requests are in the system, over time.

import EventKernel
import Serving

/// The number of requests in the system between their arrivals and ends; those that have no end do
/// not count, and ends come before arrivals of the same instant.
enum Concurrency {
  /// Calls `body` for each interval between two changes, in order of time, with the number of
  /// requests in the system and how long it lasted.
  /// - Complexity: O(n log n).
  static func forEachInterval(
    of records: some Sequence<RequestRecord>, _ body: (_ present: Int, _ span: SimDuration) -> Void
  ) {
    var changes: [(time: SimTime, change: Int)] = []
    for record in records {
      guard let end = record.finished else { continue }
      changes.append((record.arrival, 1))
      changes.append((end, -1))
    }
    changes.sort { ($0.time, $0.change) < ($1.time, $1.change) }
    var (present, last) = (0, SimTime.zero)
    for (time, change) in changes {
      body(present, time - last)
      present += change
      last = time
    }
  }
}
