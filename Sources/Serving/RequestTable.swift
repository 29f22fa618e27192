// Values by request, kept only as long as their requests matter.

/// A value for each request from the oldest that is kept on.
///
/// A ring: requests come and go in order, give or take those that overtake, so the memory is that of
/// the requests under way. Values that were never set are the default. Touching a request that was
/// dropped traps: its figures have been handed out.
struct RequestTable<Element> {
  private let vacant: Element
  /// A power of two of elements; every slot of a request that is not set holds `vacant`.
  private var ring: ContiguousArray<Element>
  /// The oldest request that is kept.
  private(set) var first = 0

  init(_ vacant: Element) {
    self.vacant = vacant
    ring = ContiguousArray(repeating: vacant, count: 16)
  }

  subscript(request: Int) -> Element {
    get {
      let place = request - first
      guard place < ring.count else { return vacant }
      precondition(place >= 0, "the request is no longer kept")
      return ring[request & (ring.count - 1)]
    }
    _modify {
      let place = request - first
      precondition(place >= 0, "the request is no longer kept")
      if place >= ring.count { grow(to: place + 1) }
      yield &ring[request & (ring.count - 1)]
    }
  }

  /// Drops all values of requests before this one.
  mutating func drop(before request: Int) {
    while first < request {
      ring[first & (ring.count - 1)] = vacant
      first += 1
    }
  }

  private mutating func grow(to count: Int) {
    var capacity = ring.count
    while capacity < count { capacity *= 2 }
    var grown = ContiguousArray(repeating: vacant, count: capacity)
    for request in first..<first + ring.count {
      grown[request & (capacity - 1)] = ring[request & (ring.count - 1)]
    }
    ring = grown
  }
}
