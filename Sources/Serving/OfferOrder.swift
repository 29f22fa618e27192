// Which requests arrive because others have ended: turns of sessions, and users of a closed loop.

import Workload

/// What is offered when, apart from recorded instants.
struct OfferOrder {
  private let concurrency: Int?
  /// The first request that awaits each one's end, and the next that awaits the same; -1 is none.
  /// Empty if no request awaits another.
  private var firstFollower: [Int32] = []
  private var nextFollower: [Int32] = []
  /// Requests that begin a session, from `nextRoot` on: in order, those of an open loop by arrival.
  private let roots: [Int32]
  private var nextRoot = 0
  /// Requests of a closed loop that are under way or paused for.
  private var active = 0

  init(_ stream: RequestStream) {
    concurrency = stream.concurrency
    var roots = stream.requests.indices.filter { stream.requests[$0].follows == nil }
    if stream.concurrency == nil {
      roots.sort { (stream.requests[$0].arrival, $0) < (stream.requests[$1].arrival, $1) }
    }
    self.roots = roots.map(Int32.init)
    guard roots.count < stream.requests.count else { return }
    firstFollower = Array(repeating: -1, count: stream.requests.count)
    nextFollower = firstFollower
    for (index, request) in stream.requests.enumerated().reversed() {
      guard let before = request.follows else { continue }
      nextFollower[index] = firstFollower[Int(before)]
      firstFollower[Int(before)] = Int32(index)
    }
  }

  /// The next request of an open loop that awaits nothing.
  mutating func nextOfOpenLoop() -> Int32? {
    guard concurrency == nil, nextRoot < roots.count else { return nil }
    defer { nextRoot += 1 }
    return roots[nextRoot]
  }

  /// Whether `nextOfOpenLoop` gave this request last.
  func isLatestOfOpenLoop(_ request: Int) -> Bool {
    concurrency == nil && nextRoot > 0 && Int(roots[nextRoot - 1]) == request
  }

  /// The first requests of a closed loop's users.
  mutating func firstOfUsers() -> [Int32] {
    guard let concurrency else { return [] }
    return (0..<min(concurrency, roots.count)).compactMap { _ in nextOfUser() }
  }

  private mutating func nextOfUser() -> Int32? {
    guard nextRoot < roots.count else { return nil }
    defer { nextRoot += 1 }
    active += 1
    return roots[nextRoot]
  }

  /// Requests that the end of `request` sets off.
  mutating func ended(_ request: Int) -> [Int32] {
    var next: [Int32] = []
    if !firstFollower.isEmpty {
      var follower = firstFollower[request]
      while follower >= 0 {
        next.append(follower)
        follower = nextFollower[Int(follower)]
      }
    }
    guard let concurrency else { return next }
    active += next.count - 1
    if active < concurrency, let root = nextOfUser() { next.append(root) }
    return next
  }
}
