// Requests in line for something that one at a time may ask for.

/// Requests in line; the first is served.
struct RequestLine {
  private var requests: [Int] = []
  private var head = 0

  /// Whose turn it is.
  var first: Int? { head < requests.count ? requests[head] : nil }

  /// Joins the end; true if that is also the front.
  mutating func join(_ request: Int) -> Bool {
    requests.append(request)
    return requests.count - head == 1
  }

  /// Leaves from anywhere; who is first now, if that is somebody else than before.
  mutating func drop(_ request: Int) -> Int? {
    guard let place = requests[head...].firstIndex(of: request) else { return nil }
    if place == head { return leave(request) }
    requests.remove(at: place)
    return nil
  }

  /// The first leaves; who is first now.
  mutating func leave(_ request: Int) -> Int? {
    precondition(requests[head] == request, "only the first in line is served")
    head += 1
    guard head < requests.count else {
      requests.removeAll(keepingCapacity: true)
      head = 0
      return nil
    }
    return requests[head]
  }
}
