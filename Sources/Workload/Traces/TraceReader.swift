// The rows of a trace file, one line after the other.

import EventKernel
import Foundation
import JSONText

/// Reads the rows that a workload wants of one file, a line at a time.
struct TraceReader {
  let format: TraceFormat
  let spec: Traffic.TraceSpec
  let limit: Int
  let log: ProblemLog
  /// The rows read so far, or since they were last forgotten.
  private(set) var trace: TraceRows
  /// Rows read so far.
  private(set) var taken = 0
  private let input: TraceInput
  /// The line to read next.
  private var text: ArraySlice<UInt8>?
  private var json: TraceJSON
  private var csv: TraceCSV?
  private var sessions: Set<UInt64> = []
  /// Lines read.
  private var texts = 0
  /// The first and the latest instant met.
  private var origin: Int128?
  private var last: Int128?

  /// - Parameter path: the file; that of `spec` if it is none of a folder's.
  /// - Throws: what keeps it from being read.
  init(_ spec: Traffic.TraceSpec, path: String? = nil, limit: Int?) throws(WorkloadError) {
    let path = path ?? spec.path
    input = try TraceInput(path)
    let isText =
      path != spec.path || ["", ".gz", ".xz"].contains { path.hasSuffix(".json" + $0) }
    guard let first = try isText ? input.rest() : input.next() else {
      throw TraceFile.isEmpty(path)
    }
    format = try path == spec.path ? Self.format(spec, first, input) : .kvCacheTester
    self.spec = spec
    self.limit = limit ?? .max
    log = ProblemLog(file: path)
    trace = TraceRows(blockTokens: spec.blockTokens ?? format.blockTokens)
    json = TraceJSON(format, blockTokens: spec.blockTokens, log: log)
    text = first
    guard [.azure, .burstgpt, .lengths].contains(format) else { return }
    csv = TraceCSV(format, header: first, number: input.line, log: log)
    text = csv == nil ? nil : try input.next()
  }

  private static func format(
    _ spec: Traffic.TraceSpec, _ first: ArraySlice<UInt8>, _ input: TraceInput
  ) throws(WorkloadError) -> TraceFormat {
    guard spec.format == .auto else { return spec.format }
    let start = first.drop { [0x20, 0x0A, 0x0D, 0x09].contains($0) }
    if let found = TraceFormat.detected(start) { return found }
    throw WorkloadError([
      Problem(
        file: spec.path, line: input.line, path: "",
        message: "is in no known format: expected a JSON object a line (Mooncake, Bailian, "
          + "kv-cache-tester), or a CSV header with ContextTokens (Azure), \"Request tokens\" "
          + "(BurstGPT) or input_tokens (lengths)")
    ])
  }

  /// Goes on from the rows of files before this one.
  mutating func follow(_ rows: TraceRows) {
    trace = rows
    taken = rows.rows.count
  }

  /// Forgets the rows read so far; they still count for the limit.
  mutating func forget() { trace.removeAll() }

  /// Reads all that is left.
  /// - Throws: every problem of the file, up to `TraceFile.problemLimit`.
  mutating func readAll() throws(WorkloadError) -> TraceRows {
    while try readLine() {}
    return trace
  }

  /// Reads one line, whose rows join those that are there; false after the last.
  /// - Throws: every problem of the file once it is clear that there are no more to find.
  mutating func readLine() throws(WorkloadError) -> Bool {
    guard let line = text, log.problems.count < TraceFile.problemLimit else {
      guard log.problems.isEmpty else { throw WorkloadError(log.problems) }
      return false
    }
    let known = trace.rows.count
    switch csv?.row(line, line: input.line) {
    case nil: json.read(line, line: input.line, into: &trace)
    case .request(let row)?: trace.append(row)
    case .failed?: trace.failed += 1
    case .bad?: break
    }
    texts += 1
    let goesOn = keep(from: known)
    taken += trace.rows.count - known
    let isLast = format == .kvCacheTester && spec.sessions.map { texts >= $0 } ?? false
    text = goesOn && !isLast ? try input.next() : nil
    return true
  }

  /// Checks the rows added last and drops those that are not wanted; false if no more can come.
  private mutating func keep(from known: Int) -> Bool {
    for row in trace.rows[known...] where !trace.hasClockPerSession {
      guard let time = row.time else { continue }
      if let last, time < last {
        log.add(
          line: row.line, path: "$.timestamp",
          "\(shown(time)) lies before the line above (\(shown(last))); sort the trace by time")
      }
      last = max(last ?? time, time)
      origin = origin ?? time
    }
    let isPlain = spec.fromSeconds == 0 && spec.toSeconds == nil && spec.sessions == nil
    if !isPlain {
      // Not while `trace`, a part of self, changes.
      let wanted = trace.rows[known...].map { isWanted($0) }
      var index = -1
      trace.filter(from: known) { _ in
        index += 1
        return wanted[index]
      }
    }
    guard trace.blocks <= RequestStream.blockLimit else {
      log.add(
        line: input.line, path: "",
        "prompts up to here have more than \(RequestStream.blockLimit) blocks; take a part with "
          + "from_s and to_s or stop.requests, or raise block_tokens")
      return false
    }
    if taken + trace.rows.count - known >= limit {
      var rest = limit - taken
      trace.filter(from: known) { _ in
        rest -= 1
        return rest >= 0
      }
      return false
    }
    if !trace.hasClockPerSession, let to = spec.toSeconds, let origin, let last,
      Double(last - origin) * 1e-12 >= to
    {
      return false
    }
    return true
  }

  private mutating func isWanted(_ row: TraceRow) -> Bool {
    if let time = row.time {
      let seconds = Double(time - (trace.hasClockPerSession ? 0 : origin ?? 0)) * 1e-12
      guard seconds >= spec.fromSeconds, seconds < spec.toSeconds ?? .infinity else {
        return false
      }
    }
    // Sessions of kv-cache-tester come whole, with those of their agents.
    if let limit = spec.sessions, format != .kvCacheTester {
      guard let session = row.session else {
        if log.problems.isEmpty {
          log.add(
            line: row.line, path: "", "names no session, of which the workload wants \(limit)")
        }
        return false
      }
      if !sessions.contains(session) {
        guard sessions.count < limit else { return false }
        sessions.insert(session)
      }
    }
    return true
  }

  private func shown(_ time: Int128) -> String {
    let seconds = Double(time - (origin ?? 0)) * 1e-12
    return format == .mooncake ? "\(Double(time) * 1e-9) ms" : "\(seconds) s after the first"
  }
}
