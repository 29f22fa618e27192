// A trace that is read while the run goes on.

import EventKernel

/// What is known of a trace before its rows are read again, one after the other.
struct TracePassage: Sendable {
  let spec: Traffic.TraceSpec
  /// Rows wanted, nil for all.
  let limit: Int?
  let blockTokens: Int
  private(set) var count = 0
  /// Instants of the first and the last row, picoseconds.
  private(set) var first: Int128?
  private(set) var last: Int128 = 0

  init(spec: Traffic.TraceSpec, limit: Int?, blockTokens: Int) {
    self.spec = spec
    self.limit = limit
    self.blockTokens = blockTokens
  }

  /// Counts rows; false if one of them cannot come by itself.
  mutating func add(_ trace: TraceRows, _ arrivals: Traffic.Arrivals) -> Bool {
    guard !trace.hasClockPerSession else { return false }
    for row in trace.rows {
      guard row.time != nil || arrivals != .recorded else { return false }
      last = row.time ?? last
      first = first ?? last
      count += 1
    }
    return true
  }

  /// Seconds from the first row to the last as they are replayed.
  func span(_ arrivals: Traffic.Arrivals) -> Double {
    let smear = arrivals == .recorded ? spec.smearSeconds : 0
    return (Double(last - (first ?? 0)) * 1e-12 + smear) / spec.speedup
  }
}

extension Traffic.Arrivals {
  /// Whether requests of a trace need not know of one another.
  var letTracesPass: Bool {
    switch self {
    case .recorded, .poisson, .gamma, .deterministic, .closedLoop: true
    case .sessions: false
    }
  }
}

/// The requests of such a trace in order of their starts, read from its file once more.
final class TraceReplay {
  private let passage: TracePassage
  private let isRecorded: Bool
  private var reader: TraceReader
  /// Rows of the line read last that have been taken, and rows taken in all.
  private var place = 0
  private var number = 0
  /// Recorded instant of the upcoming row.
  private var time: Int128 = 0
  /// The row whose request is to wait next; nil after the last.
  private var upcoming: TraceRow?
  private var smear: RandomStream
  /// Requests that have been read, by start: smearing moves some behind later ones.
  private var waiting = EventQueue<OfferedRequest>()

  init(_ passage: TracePassage, _ arrivals: Traffic.Arrivals, seed: UInt64) {
    self.passage = passage
    isRecorded = arrivals == .recorded
    do {
      reader = try TraceReader(passage.spec, limit: passage.limit)
    } catch {
      preconditionFailure("a trace has changed since it was checked: \(error)")
    }
    smear = RandomStream(seed: seed, name: "smear")
    readRow()
  }

  /// The next request.
  /// - Precondition: there is one more.
  func next() -> OfferedRequest {
    while let row = upcoming {
      // Later rows start later, if not at the same instant.
      if let first = waiting.nextTime, first <= start(smeared: 0) { break }
      take(row)
    }
    guard let (_, request) = waiting.pop() else {
      preconditionFailure("\(passage.spec.path) has fewer requests than when it was checked")
    }
    return request
  }

  /// When the upcoming row's request starts.
  private func start(smeared seconds: Double) -> SimTime {
    let offset = Double(nearest: time - (passage.first ?? 0)) * 1e-12
    return .zero + .seconds((offset + seconds) / passage.spec.speedup)
  }

  /// Lets the upcoming row's request wait for its turn.
  private func take(_ row: TraceRow) {
    let isSmeared = passage.spec.smearSeconds > 0 && isRecorded
    let start = start(smeared: isSmeared ? smear.uniform() * passage.spec.smearSeconds : 0)
    waiting.push(
      OfferedRequest(
        arrival: start, inputTokens: row.inputTokens, outputTokens: row.outputTokens,
        promptIDs: row.ids
          ?? RequestStream.uniqueIDs(
            number, tokens: row.inputTokens, blockTokens: passage.blockTokens),
        session: row.session), at: start)
    number += 1
    readRow()
  }

  private func readRow() {
    while place == reader.trace.rows.count {
      reader.forget()
      place = 0
      do {
        guard try reader.readLine() else {
          upcoming = nil
          return
        }
      } catch {
        preconditionFailure("a trace has changed since it was checked: \(error)")
      }
    }
    let row = reader.trace.rows[place]
    place += 1
    upcoming = row
    time = row.time ?? time
  }
}
