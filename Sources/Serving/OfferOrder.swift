// Which requests arrive because others have ended: turns of sessions, and users of a closed loop.

import Workload

/// What is offered when, apart from recorded instants.
struct OfferOrder {
  private let concurrency: Int?
  /// The first request that awaits each one's end, and the next that awaits the same; -1 is none.
  /// Empty if no request awaits another.
  private var firstFollower: [Int32] = []
  private var nextFollower: [Int32] = []
  /// Requests that begin a session, from `nextRoot` on: in order, those of an open loop by arrival;
  /// nil if these are all requests as they come.
  private var roots: [Int32]?
  private let rootCount: Int
  private var nextRoot = 0
  /// Requests of a closed loop that are under way or paused for.
  private var active = 0

  init(_ stream: RequestStream) {
    concurrency = stream.concurrency
    guard !stream.isInOrder else {
      rootCount = stream.count
      return
    }
    let requests = stream.requests
    var roots = requests.indices.filter { requests[$0].follows == nil }
    if stream.concurrency == nil {
      roots.sort { (requests[$0].arrival, $0) < (requests[$1].arrival, $1) }
    }
    rootCount = roots.count
    self.roots = roots.map(Int32.init)
    guard roots.count < requests.count else { return }
    firstFollower = Array(repeating: -1, count: requests.count)
    nextFollower = firstFollower
    for (index, request) in requests.enumerated().reversed() {
      guard let before = request.follows else { continue }
      nextFollower[index] = firstFollower[Int(before)]
      firstFollower[Int(before)] = Int32(index)
    }
  }

  private func root(_ place: Int) -> Int32 { roots?[place] ?? Int32(place) }

  /// The next request of an open loop that awaits nothing.
  mutating func nextOfOpenLoop() -> Int32? {
    guard concurrency == nil, nextRoot < rootCount else { return nil }
    defer { nextRoot += 1 }
    return root(nextRoot)
  }

  /// Whether `nextOfOpenLoop` gave this request last.
  func isLatestOfOpenLoop(_ request: Int) -> Bool {
    concurrency == nil && nextRoot > 0 && Int(root(nextRoot - 1)) == request
  }

  /// The first requests of a closed loop's users.
  mutating func firstOfUsers() -> [Int32] {
    guard let concurrency else { return [] }
    return (0..<min(concurrency, rootCount)).compactMap { _ in nextOfUser() }
  }

  private mutating func nextOfUser() -> Int32? {
    guard nextRoot < rootCount else { return nil }
    defer { nextRoot += 1 }
    active += 1
    return root(nextRoot)
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
