// What a run's requests add up to, taken in one by one.

import EventKernel
import Serving
import Workload

/// Sums and samples over the requests of one run.
///
/// Samples are whole picoseconds. Up to 2²⁰ requests each is kept and quantiles are exact; of more,
/// samples are counted in buckets and quantiles are off by less than one part in 4096; sums, means
/// and deviations stay exact (`SampleRuns`).
struct RequestFigures {
  private static var exactLimit: Int { 1 << 20 }

  private let warmup: Int
  private let slo: ServiceLevel?

  // All requests of the run
  private(set) var allCompleted = 0
  private(set) var allOutputTokens = 0

  // Those that count: none of the warm-up
  private(set) var counted = 0
  private(set) var begin: SimTime?
  private(set) var end: SimTime?
  private(set) var preemptions = 0
  private(set) var recomputed = 0
  private(set) var failures: [String: Int] = [:]

  // Those of them that completed
  private(set) var completed = 0
  private(set) var inputTokens = 0
  private(set) var outputTokens = 0
  private(set) var cachedTokens = 0
  /// Requests that met the service level.
  private(set) var good = 0
  private(set) var ttft = SampleRuns(exactLimit: exactLimit)
  private(set) var tpot = SampleRuns(exactLimit: exactLimit)
  private(set) var endToEnd = SampleRuns(exactLimit: exactLimit)
  private(set) var prefillLatency = SampleRuns(exactLimit: exactLimit)
  private(set) var prefill = BreakdownSamples(exactLimit: exactLimit)
  private(set) var decode = BreakdownSamples(exactLimit: exactLimit)

  /// The four terms of one side.
  struct BreakdownSamples {
    private(set) var scheduling: SampleRuns
    private(set) var kvRead: SampleRuns
    private(set) var compute: SampleRuns
    private(set) var kvWrite: SampleRuns

    init(exactLimit: Int) {
      scheduling = SampleRuns(exactLimit: exactLimit)
      kvRead = scheduling
      compute = scheduling
      kvWrite = scheduling
    }

    mutating func add(_ parts: Breakdown) {
      scheduling.append(parts.scheduling.picoseconds)
      kvRead.append(parts.kvRead.picoseconds)
      compute.append(parts.compute.picoseconds)
      kvWrite.append(parts.kvWrite.picoseconds)
    }
  }

  init(_ workload: Workload) {
    warmup = workload.stop.warmupRequests
    slo = workload.slo
  }

  mutating func add(_ record: RequestRecord) {
    let isCompleted = record.outcome == .completed
    if isCompleted {
      allCompleted += 1
      allOutputTokens += record.outputTokens
    }
    guard record.id >= warmup else { return }
    counted += 1
    begin = min(begin ?? record.arrival, record.arrival)
    if let finished = record.finished { end = max(end ?? finished, finished) }
    preemptions += record.preemptions
    if record.recomputations > 0 { recomputed += 1 }
    if case .failed(let reason) = record.outcome { failures[reason, default: 0] += 1 }
    guard isCompleted else { return }
    completed += 1
    inputTokens += record.inputTokens
    outputTokens += record.outputTokens
    cachedTokens += record.cachedTokens
    if let first = record.firstToken { ttft.append((first - record.arrival).picoseconds) }
    if let gap = record.tokenGap { tpot.append(gap.picoseconds) }
    if let finished = record.finished {
      endToEnd.append((finished - record.arrival).picoseconds)
    }
    if let done = record.prefillDone {
      prefillLatency.append((done - record.arrival).picoseconds)
    }
    prefill.add(record.prefill)
    decode.add(record.decode)
    if let slo, meets(slo, record) { good += 1 }
  }

  private func meets(_ slo: ServiceLevel, _ record: RequestRecord) -> Bool {
    guard let first = record.firstToken, let end = record.finished else { return false }
    if let limit = slo.ttftSeconds, (first - record.arrival).seconds > limit { return false }
    if let limit = slo.e2eSeconds, (end - record.arrival).seconds > limit { return false }
    if let limit = slo.tpotSeconds, let gap = record.tokenGap, gap.seconds > limit { return false }
    return true
  }
}

extension RequestRecord {
  /// Time per output token after the first, to the nearest picosecond; nil for one token.
  var tokenGap: SimDuration? {
    guard outputTokens > 1, let firstToken, let finished else { return nil }
    let gaps = Int64(outputTokens - 1)
    return SimDuration(picoseconds: ((finished - firstToken).picoseconds + gaps / 2) / gaps)
  }

  /// The same in milliseconds, not rounded.
  var tokenMilliseconds: Double? {
    guard outputTokens > 1, let firstToken, let finished else { return nil }
    return (finished - firstToken).milliseconds / Double(outputTokens - 1)
  }
}
