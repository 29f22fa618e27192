// Virtual time: an instant and a span, both integer picoseconds.

/// An instant of virtual time, in integer picoseconds since the start of the run.
///
/// `Int64` picoseconds span 106 days, far beyond any run.
public struct SimTime: Comparable, Hashable, Sendable {
  public var picoseconds: Int64

  @inlinable public init(picoseconds: Int64) { self.picoseconds = picoseconds }

  public static let zero = SimTime(picoseconds: 0)

  @inlinable public static func < (a: SimTime, b: SimTime) -> Bool {
    a.picoseconds < b.picoseconds
  }
  @inlinable public static func + (a: SimTime, b: SimDuration) -> SimTime {
    SimTime(picoseconds: a.picoseconds + b.picoseconds)
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

  public static let zero = SimDuration(picoseconds: 0)

  /// The nearest picosecond to `seconds`, which must be finite and within ±9.2e6.
  @inlinable public static func seconds(_ seconds: Double) -> SimDuration {
    SimDuration(picoseconds: Int64((seconds * 1e12).rounded()))
  }
  @inlinable public static func milliseconds(_ ms: Double) -> SimDuration {
    SimDuration(picoseconds: Int64((ms * 1e9).rounded()))
  }
  @inlinable public static func microseconds(_ us: Double) -> SimDuration {
    SimDuration(picoseconds: Int64((us * 1e6).rounded()))
  }
  @inlinable public static func nanoseconds(_ ns: Double) -> SimDuration {
    SimDuration(picoseconds: Int64((ns * 1e3).rounded()))
  }

  @inlinable public static func < (a: SimDuration, b: SimDuration) -> Bool {
    a.picoseconds < b.picoseconds
  }
  @inlinable public static func + (a: SimDuration, b: SimDuration) -> SimDuration {
    SimDuration(picoseconds: a.picoseconds + b.picoseconds)
  }
  @inlinable public static func - (a: SimDuration, b: SimDuration) -> SimDuration {
    SimDuration(picoseconds: a.picoseconds - b.picoseconds)
  }
  @inlinable public static func += (a: inout SimDuration, b: SimDuration) {
    a.picoseconds += b.picoseconds
  }
  @inlinable public static func * (a: SimDuration, n: Int) -> SimDuration {
    SimDuration(picoseconds: a.picoseconds * Int64(n))
  }

  @inlinable public var seconds: Double { Double(picoseconds) * 1e-12 }
  @inlinable public var milliseconds: Double { Double(picoseconds) * 1e-9 }
  @inlinable public var nanoseconds: Double { Double(picoseconds) * 1e-3 }
}
