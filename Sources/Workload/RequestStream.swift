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
  public var promptIDs: PromptIDs
  /// The conversation it belongs to, where a trace says so.
  public var session: UInt64?

  public init(
    arrival: SimTime, inputTokens: Int, outputTokens: Int, promptIDs: [UInt64],
    session: UInt64? = nil
  ) {
    self.init(
      arrival: arrival, inputTokens: inputTokens, outputTokens: outputTokens,
      promptIDs: PromptIDs(promptIDs), session: session)
  }

  init(
    arrival: SimTime, inputTokens: Int, outputTokens: Int, promptIDs: PromptIDs,
    session: UInt64? = nil
  ) {
    self.arrival = arrival
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
    self.promptIDs = promptIDs
    self.session = session
  }
}

/// All requests of a run in order of arrival.
public struct RequestStream: Sendable {
  /// Tokens per prompt id.
  public var blockTokens: Int
  public var requests: [OfferedRequest]
  /// Set for closed-loop arrivals: requests in flight at once; arrival times are then ignored.
  public var concurrency: Int?

  public init(blockTokens: Int, requests: [OfferedRequest], concurrency: Int? = nil) {
    self.blockTokens = blockTokens
    self.requests = requests
    self.concurrency = concurrency
  }
}
