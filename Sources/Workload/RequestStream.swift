// The requests a run offers, the same to every system.

import EventKernel

/// One request as offered.
///
/// `promptIDs[i]` identifies the prompt's tokens `[i·T, (i+1)·T)` *and all before them* (T =
/// `RequestStream.blockTokens`), so equal ids mean equal prefixes; the last may be partial.
public struct OfferedRequest: Sendable {
  public var arrival: SimTime
  public var inputTokens: Int
  public var outputTokens: Int
  public var promptIDs: [UInt64]
  /// The conversation it belongs to, where a trace says so.
  public var session: UInt64?
  /// The request whose end it awaits, by its place in the stream; nil arrives at `arrival`, or in a
  /// closed loop when a user is free.
  public var follows: Int32?
  /// Pause before it: from that end, or of a closed loop's user.
  public var pause = SimDuration.zero

  public init(
    arrival: SimTime, inputTokens: Int, outputTokens: Int, promptIDs: [UInt64],
    session: UInt64? = nil
  ) {
    self.arrival = arrival
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
    self.promptIDs = promptIDs
    self.session = session
  }
}

/// All requests of a run in order of arrival: listed, or drawn or read anew for whoever goes
/// through them.
public struct RequestStream: Sendable {
  enum Content: Sendable {
    case listed([OfferedRequest])
    case drawn(PromptLaw, ArrivalLaw)
    /// Read from a trace file as the run goes on.
    case passing(TracePassage, ArrivalLaw)
  }

  /// Tokens per prompt id.
  public var blockTokens: Int
  /// Set for closed loops: users, each with one request or session in flight; arrival times are
  /// then ignored.
  public var concurrency: Int?
  var content: Content

  public init(blockTokens: Int, requests: [OfferedRequest], concurrency: Int? = nil) {
    self.blockTokens = blockTokens
    self.concurrency = concurrency
    content = .listed(requests)
  }

  public var count: Int {
    switch content {
    case .listed(let requests): requests.count
    case .drawn(_, let law), .passing(_, let law): law.count
    }
  }

  /// All of them at once.
  /// - Complexity: O(1) where they are listed; else time and memory of all requests.
  public var requests: [OfferedRequest] {
    switch content {
    case .listed(let requests): return requests
    case .drawn, .passing:
      let source = source()
      return (0..<count).map { _ in source.next() }
    }
  }

  /// The requests one by one, from the first on.
  public func source() -> RequestSource { RequestSource(content) }

  /// Whether no request awaits another and all arrive in the order in which they come.
  public var isInOrder: Bool {
    guard case .listed(let requests) = content else { return true }
    guard requests.allSatisfy({ $0.follows == nil }) else { return false }
    return concurrency != nil
      || zip(requests, requests.dropFirst()).allSatisfy { $0.arrival <= $1.arrival }
  }

  /// The most blocks of all prompts of a run together; names of more would not fit in memory.
  static var blockLimit: Int { 1 << 28 }

  /// Marks names of blocks that no other request has.
  static var uniqueMark: UInt64 { 1 << 63 }

  /// Identity of block `block` of a prompt that nothing else shares.
  static func uniqueID(_ request: Int, _ block: Int) -> UInt64 {
    UInt64(request) << 32 | UInt64(block) | uniqueMark
  }

  /// Identities of all blocks of such a prompt.
  static func uniqueIDs(_ request: Int, tokens: Int, blockTokens: Int) -> [UInt64] {
    (0..<((tokens + blockTokens - 1) / blockTokens)).map { uniqueID(request, $0) }
  }
}
