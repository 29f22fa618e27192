// What the laws of conservation need to know of requests whose records are gone.

import EventKernel

/// Sums over the records of a run.
struct RequestTotals {
  private(set) var requests = 0
  private(set) var unfinished = 0
  private(set) var completed = 0
  /// Prompt tokens of completed requests, and how many of these came from a cache.
  private(set) var completedTokens = 0
  private(set) var completedCachedTokens = 0
  private(set) var handedOverBytes = 0
  /// Tokens from a cache, of requests that were scheduled.
  private(set) var cachedTokens = 0
  /// Full blocks of computed prompts that came from no cache.
  private(set) var newBlocks = 0
  /// Time in the system, picoseconds.
  private(set) var residence: Int128 = 0
  /// Completed requests that handed over other than their prompt: how many, and the first.
  private(set) var unevenHandOvers = 0
  private(set) var firstUneven: RequestRecord?

  mutating func add(_ record: RequestRecord, blockTokens: Int, kvBytesPerToken: Int) {
    requests += 1
    handedOverBytes += record.handedOverBytes
    if record.prefillScheduled != nil { cachedTokens += record.cachedTokens }
    if record.prefillDone != nil {
      newBlocks += max(0, record.inputTokens / blockTokens - record.cachedTokens / blockTokens)
    }
    guard let finished = record.finished else {
      unfinished += 1
      return
    }
    residence += Int128((finished - record.arrival).picoseconds)
    guard record.outcome == .completed else { return }
    completed += 1
    completedTokens += record.inputTokens
    completedCachedTokens += record.cachedTokens
    if record.handedOverBytes != record.inputTokens * kvBytesPerToken {
      unevenHandOvers += 1
      if firstUneven == nil { firstUneven = record }
    }
  }
}
