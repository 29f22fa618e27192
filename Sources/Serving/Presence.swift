// How many requests are in the system, over time.

import EventKernel

/// The requests between their arrivals and ends; ends come before arrivals of the same instant.
public struct Presence: Sendable {
  /// The most requests that counted and were in the system at once.
  public private(set) var peak = 0
  /// Time in the system, summed over all requests, picoseconds: the area under their number.
  public private(set) var area: Int128 = 0
  /// The same of requests that count.
  public private(set) var countedArea: Int128 = 0

  /// Arrivals that are known and lie ahead, and whether each counts.
  private var arrivals = EventQueue<Bool>()
  private var present = 0
  private var counted = 0
  private var last = SimTime.zero

  mutating func arrives(at time: SimTime, counts: Bool) { arrivals.push(counts, at: time) }

  mutating func ends(at time: SimTime, counts: Bool) {
    pass(before: time)
    advance(to: time)
    present -= 1
    if counts { counted -= 1 }
  }

  /// Takes the arrivals before `time` in.
  private mutating func pass(before time: SimTime) {
    while let next = arrivals.nextTime, next < time, let (arrival, counts) = arrivals.pop() {
      advance(to: arrival)
      present += 1
      guard counts else { continue }
      counted += 1
      peak = max(peak, counted)
    }
  }

  private mutating func advance(to time: SimTime) {
    let span = Int128((time - last).picoseconds)
    area += span * Int128(present)
    countedArea += span * Int128(counted)
    last = time
  }
}
