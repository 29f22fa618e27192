// The event queue: a heap on one 128-bit key, so that equal times have a total order.

/// Pending events in order of time, then rank, then insertion.
///
/// The key is `time · 2⁶⁴ + rank · 2⁴⁸ + sequence`.
/// `rank` is the stable id that breaks ties between processes; insertion order breaks the rest.
public struct EventQueue<Event> {
  @usableFromInline var heap = KeyedHeap<Event>()
  @usableFromInline var sequence: UInt64 = 0

  /// Time of the event popped last.
  public private(set) var now = SimTime.zero
  /// Rank of the event popped last.
  public private(set) var rank: UInt16 = 0
  /// Events popped so far.
  public private(set) var handled = 0

  public init() {}

  @inlinable public var isEmpty: Bool { heap.entries.isEmpty }
  @inlinable public var count: Int { heap.entries.count }

  /// Time of the next event; nil if there is none.
  @inlinable public var nextTime: SimTime? {
    heap.first.map { SimTime(picoseconds: Int64($0.key >> 64)) }
  }

  /// Adds an event.
  /// - Precondition: `time` is not before `now`.
  /// - Complexity: O(log count).
  @inlinable
  public mutating func push(_ event: Event, at time: SimTime, rank: UInt16 = 0) {
    precondition(time >= now, "an event must not lie in the past")
    heap.push(event, key: key(time, rank))
    sequence += 1
  }

  /// Moves on to `time` as if an event pushed there had been popped; false, and nothing, if another
  /// one would come first.
  @inlinable
  public mutating func skip(to time: SimTime, rank: UInt16 = 0) -> Bool {
    precondition(time >= now, "an event must not lie in the past")
    if let first = heap.first, first.key < key(time, rank) { return false }
    advance(to: time, rank: rank)
    return true
  }

  @inlinable
  func key(_ time: SimTime, _ rank: UInt16) -> UInt128 {
    UInt128(UInt64(time.picoseconds)) << 64 | UInt128(UInt64(rank) << 48 | sequence)
  }

  /// Removes and returns the next event, moving `now` to its time; nil if there is none.
  /// - Complexity: O(log count).
  @inlinable
  public mutating func pop() -> (time: SimTime, event: Event)? {
    guard let first = heap.popFirst() else { return nil }
    advance(
      to: SimTime(picoseconds: Int64(first.key >> 64)),
      rank: UInt16(truncatingIfNeeded: first.key >> 48))
    return (now, first.value)
  }

  @usableFromInline
  mutating func advance(to time: SimTime, rank: UInt16) {
    now = time
    self.rank = rank
    handled += 1
  }
}

extension EventQueue: Sendable where Event: Sendable {}
