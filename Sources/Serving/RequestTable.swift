// Values by request, kept only as long as their requests matter.

/// A value for each request from the oldest that is kept on.
///
/// A ring: requests come and go in order, give or take those that overtake, so the memory is that of
/// the requests under way. Values that were never set are the default. Touching a request that was
/// dropped traps: its figures have been handed out. It cannot be copied, so no access needs to ask
/// whether it is shared.
struct RequestTable<Element>: ~Copyable {
  /// As many elements as a power of two, and the default behind them; every slot of a request that is
  /// not set holds it, too.
  private var ring: UnsafeMutablePointer<Element>
  private var mask: Int
  /// The oldest request that is kept.
  private(set) var first = 0

  init(_ vacant: Element) {
    mask = 15
    ring = Self.ring(vacant, mask: mask)
  }

  deinit { Self.free(ring, mask: mask) }

  /// In place: a value is neither copied to read a part of it nor moved to change one.
  subscript(request: Int) -> Element {
    unsafeAddress { address(of: request) }
    unsafeMutableAddress { mutableAddress(of: request) }
  }

  func address(of request: Int) -> UnsafePointer<Element> {
    let place = request - first
    precondition(place >= 0, "the request is no longer kept")
    return UnsafePointer(ring + (place <= mask ? request & mask : mask + 1))
  }

  mutating func mutableAddress(of request: Int) -> UnsafeMutablePointer<Element> {
    let place = request - first
    precondition(place >= 0, "the request is no longer kept")
    if place > mask { grow(to: place + 1) }
    return ring + (request & mask)
  }

  /// Drops all values of requests before this one.
  mutating func drop(before request: Int) {
    while first < request {
      ring[first & mask] = ring[mask + 1]
      first += 1
    }
  }

  private mutating func grow(to count: Int) {
    var wider = mask
    while wider < count - 1 { wider = 2 * wider + 1 }
    let grown = Self.ring(ring[mask + 1], mask: wider)
    for request in first...first + mask { grown[request & wider] = ring[request & mask] }
    Self.free(ring, mask: mask)
    (ring, mask) = (grown, wider)
  }

  private static func ring(_ vacant: Element, mask: Int) -> UnsafeMutablePointer<Element> {
    let ring = UnsafeMutablePointer<Element>.allocate(capacity: mask + 2)
    ring.initialize(repeating: vacant, count: mask + 2)
    return ring
  }

  private static func free(_ ring: UnsafeMutablePointer<Element>, mask: Int) {
    ring.deinitialize(count: mask + 2)
    ring.deallocate()
  }
}
