// A single server that works jobs off in order of arrival.

/// A first-in first-out server; a job's end is known on admission, so it needs no events.
public struct FIFOServer: Sendable {
  private var free = SimTime.zero
  /// Time spent serving.
  public private(set) var busy = SimDuration.zero

  public init() {}

  /// Admits a job and returns when it will be done. Calls must not go back in time.
  public mutating func admit(service: SimDuration, at now: SimTime) -> SimTime {
    free = max(free, now) + service
    busy += service
    return free
  }
}
