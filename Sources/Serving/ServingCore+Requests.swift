// Requests come and go: drawn from their source as they arrive, handed out when nothing is left of them.

import Workload

extension ServingCore {
  /// Takes requests from the source up to this one.
  mutating func supply(through request: Int) {
    while supplied <= request {
      let next = source.next()
      offered[supplied] = next
      records[supplied] = RequestRecord(
        id: supplied, arrival: next.arrival, inputTokens: next.inputTokens,
        outputTokens: next.outputTokens)
      supplied += 1
    }
  }

  /// Whether the request is none of the warm-up.
  func counts(_ request: Int) -> Bool { request >= workload.stop.warmupRequests }

  /// Something begins for a request that outlives the event.
  mutating func began(_ request: Int) { work[request] += 1 }

  /// It has ended.
  mutating func finished(_ request: Int) {
    work[request] -= 1
    if request == records.first { mayHandOut = true }
  }

  /// Hands out the records of the oldest requests that have come to their last; nobody speaks of
  /// these again. A crash may take any request back to its beginning, so with faults all wait.
  mutating func handOut() {
    mayHandOut = false
    guard !faults.isPresent else { return }
    var next = records.first
    while next < supplied, work[next] == 0, records[next].finished != nil,
      isOver(SequenceID(request: next, side: .prefill)),
      isOver(SequenceID(request: next, side: .decode))
    {
      take(next)
      next += 1
    }
    drop(before: next)
  }

  /// Hands all records out that are left, at the end.
  mutating func handOutRest() {
    supply(through: requestCount - 1)
    for request in records.first..<requestCount { take(request) }
    drop(before: requestCount)
  }

  private func isOver(_ id: SequenceID) -> Bool {
    self[id].status == .idle || self[id].status == .finished
  }

  private mutating func take(_ request: Int) {
    totals.add(
      records[request], blockTokens: system.blockTokens, kvBytesPerToken: kvBytesPerToken)
    taker(records[request])
  }

  private mutating func drop(before request: Int) {
    offered.drop(before: request)
    records.drop(before: request)
    sequences.drop(before: 2 * request)
    blockTables.drop(before: 2 * request)
    work.drop(before: request)
    faults.attempts.drop(before: request)
  }
}
