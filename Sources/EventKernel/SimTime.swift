// Virtual time: an instant and a span, both integer picoseconds.

/// An instant of virtual time, in integer picoseconds since the start of the run.
///
/// `Int64` picoseconds span 106 days; sums beyond saturate, and `SimTime.horizon` comes before.
public struct SimTime: Comparable, Hashable, Sendable {
  public var picoseconds: Int64

  @inlinable public init(picoseconds: Int64) { self.picoseconds = picoseconds }

  @inlinable public static var zero: SimTime { SimTime(picoseconds: 0) }

  /// The end of virtual time, 92.6 days; what lasts longer is given up.
  @inlinable public static var horizon: SimTime { SimTime(picoseconds: 8_000_000_000_000_000_000) }

  @inlinable public static func < (a: SimTime, b: SimTime) -> Bool {
    a.picoseconds < b.picoseconds
  }
  @inlinable public static func + (a: SimTime, b: SimDuration) -> SimTime {
    let (sum, overflows) = a.picoseconds.addingReportingOverflow(b.picoseconds)
    return SimTime(picoseconds: overflows ? .max : sum)
  }
  @inlinable public static func - (a: SimTime, b: SimTime) -> SimDuration {
    SimDuration(picoseconds: a.picoseconds - b.picoseconds)
  }

  /// Seconds since the start; for reports, never fed back into time.
  @inlinable public var seconds: Double { Double(picoseconds) * 1e-12 }
  /// Milliseconds since the start; for reports, never fed back into time.
  @inlinable public var milliseconds: Double { Double(picoseconds) * 1e-9 }
}

/// A span of virtual time in integer picoseconds.
public struct SimDuration: Comparable, Hashable, Sendable {
  public var picoseconds: Int64

  @inlinable public init(picoseconds: Int64) { self.picoseconds = picoseconds }

  @inlinable public static var zero: SimDuration { SimDuration(picoseconds: 0) }

  /// The nearest picosecond to `seconds`; the longest span for what is beyond it or no number.
  @inlinable public static func seconds(_ seconds: Double) -> SimDuration {
    nearest(seconds * 1e12)
  }
  @inlinable public static func milliseconds(_ ms: Double) -> SimDuration { nearest(ms * 1e9) }
  @inlinable public static func microseconds(_ us: Double) -> SimDuration { nearest(us * 1e6) }
  @inlinable public static func nanoseconds(_ ns: Double) -> SimDuration { nearest(ns * 1e3) }

  /// The nearest whole number of picoseconds, within what can be counted.
  @inlinable public static func nearest(_ picoseconds: Double) -> SimDuration {
    // What fits is rounded without a call.
    if picoseconds >= 0, picoseconds < 1e15 {
      let below = Int64(picoseconds)
      return SimDuration(picoseconds: picoseconds - Double(below) < 0.5 ? below : below + 1)
    }
    let whole = picoseconds.rounded()
    guard whole < 9.2e18 else { return SimDuration(picoseconds: .max) }
    return SimDuration(picoseconds: whole > -9.2e18 ? Int64(whole) : .max)
  }

  @inlinable public static func < (a: SimDuration, b: SimDuration) -> Bool {
    a.picoseconds < b.picoseconds
  }
  @inlinable public static func + (a: SimDuration, b: SimDuration) -> SimDuration {
    let (sum, overflows) = a.picoseconds.addingReportingOverflow(b.picoseconds)
    return SimDuration(picoseconds: overflows ? .max : sum)
  }
  @inlinable public static func - (a: SimDuration, b: SimDuration) -> SimDuration {
    SimDuration(picoseconds: a.picoseconds - b.picoseconds)
  }
  @inlinable public static func += (a: inout SimDuration, b: SimDuration) {
    a = a + b
  }
  @inlinable public static func * (a: SimDuration, n: Int) -> SimDuration {
    let (product, overflows) = a.picoseconds.multipliedReportingOverflow(by: Int64(n))
    return SimDuration(picoseconds: overflows ? .max : product)
  }

  @inlinable public var seconds: Double { Double(picoseconds) * 1e-12 }
  @inlinable public var milliseconds: Double { Double(picoseconds) * 1e-9 }
  @inlinable public var nanoseconds: Double { Double(picoseconds) * 1e-3 }
}
