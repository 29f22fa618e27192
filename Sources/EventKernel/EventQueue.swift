// The event queue: a 4-ary heap on one 128-bit key, so that equal times have a total order.

/// Pending events in order of time, then rank, then insertion.
///
/// The key is `time · 2⁶⁴ + rank · 2⁴⁸ + sequence`: one unsigned 128-bit comparison decides, which
/// compiles to compare-and-borrow, and the least of four children is found without branches.
/// `rank` is the stable id that breaks ties between processes; insertion order breaks the rest.
public struct EventQueue<Event> {
  @usableFromInline
  struct Entry {
    @usableFromInline var key: UInt128
    @usableFromInline var event: Event

    @inlinable init(key: UInt128, event: Event) {
      self.key = key
      self.event = event
    }
  }

  @usableFromInline var heap: ContiguousArray<Entry> = []
  @usableFromInline var sequence: UInt64 = 0

  /// Time of the event popped last.
  public private(set) var now = SimTime.zero
  /// Rank of the event popped last.
  public private(set) var rank: UInt16 = 0
  /// Events popped so far.
  public private(set) var handled = 0

  public init() {}

  @inlinable public var isEmpty: Bool { heap.isEmpty }
  @inlinable public var count: Int { heap.count }

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
    heap.append(Entry(key: key(time, rank), event: event))
    sequence += 1
    siftUp(from: heap.count - 1)
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
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty { siftDown(last) }
    advance(
      to: SimTime(picoseconds: Int64(first.key >> 64)),
      rank: UInt16(truncatingIfNeeded: first.key >> 48))
    return (now, first.event)
  }

  @usableFromInline
  mutating func advance(to time: SimTime, rank: UInt16) {
    now = time
    self.rank = rank
    handled += 1
  }

  @inlinable
  mutating func siftUp(from start: Int) {
    var position = start
    let entry = heap[position]
    while position > 0 {
      let parent = (position - 1) >> 2
      guard entry.key < heap[parent].key else { break }
      heap[position] = heap[parent]
      position = parent
    }
    heap[position] = entry
  }

  /// Places `entry`, which replaces the root.
  @inlinable
  mutating func siftDown(_ entry: Entry) {
    let count = heap.count
    var position = 0
    while true {
      let first = position << 2 + 1
      guard first < count else { break }
      var least = first
      var key = heap[first].key
      for child in first + 1..<max(first + 1, min(first + 4, count)) {
        let candidate = heap[child].key
        let less = candidate < key
        least = less ? child : least
        key = less ? candidate : key
      }
      guard key < entry.key else { break }
      heap[position] = heap[least]
      position = least
    }
    heap[position] = entry
  }
}

extension EventQueue: Sendable where Event: Sendable {}
extension EventQueue.Entry: Sendable where Event: Sendable {}
