// A server that works jobs off in order of arrival, on one thread or several.

/// A first-in first-out server; a job's end is known on admission, so it needs no events.
public struct FIFOServer: Sendable {
  /// When each thread is free.
  private var free: [SimTime]
  /// Time spent serving, over all threads.
  public private(set) var busy = SimDuration.zero

  /// - Precondition: `threads` is positive.
  public init(threads: Int = 1) {
    precondition(threads > 0)
    free = Array(repeating: .zero, count: threads)
  }

  /// Admits a job and returns when it will be done: the thread that is free first takes it. Calls
  /// must not go back in time.
  /// - Complexity: O(threads).
  public mutating func admit(service: SimDuration, at now: SimTime) -> SimTime {
    var thread = 0
    for other in free.indices where free[other] < free[thread] { thread = other }
    free[thread] = max(free[thread], now) + service
    busy += service
    return free[thread]
  }
}
