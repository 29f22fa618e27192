// Recorded requests from a file or folder of any known format.

import EventKernel
import Foundation
import JSONText

/// Reads traces.
public enum TraceFile {
  /// Problems listed before the reader gives up on a file.
  static var problemLimit: Int { 20 }

  /// The rows of a trace that `spec` asks for, as the file has them.
  /// - Parameter limit: rows to read, nil for all.
  /// - Throws: every problem of the file, up to `problemLimit`.
  static func rows(_ spec: Traffic.TraceSpec, limit: Int?) throws(WorkloadError) -> TraceRows {
    if TraceInput.isFolder(spec.path) {
      return try folder(spec, limit: limit)
    }
    let input = try TraceInput(spec.path)
    let isText = ["", ".gz", ".xz"].contains { spec.path.hasSuffix(".json" + $0) }
    guard let first = try isText ? input.rest() : input.next() else { throw isEmpty(spec.path) }
    var format = spec.format
    if format == .auto {
      let start = first.drop { [0x20, 0x0A, 0x0D, 0x09].contains($0) }
      guard let found = TraceFormat.detected(start) else {
        throw WorkloadError([
          Problem(
            file: spec.path, line: input.line, path: "",
            message: "is in no known format: expected a JSON object a line (Mooncake, Bailian, "
              + "kv-cache-tester), or a CSV header with ContextTokens (Azure), \"Request tokens\" "
              + "(BurstGPT) or input_tokens (lengths)")
        ])
      }
      format = found
    }
    let log = ProblemLog(file: spec.path)
    var reader = Reader(format, spec, limit: limit, log: log)
    try reader.read(first, input)
    guard log.problems.isEmpty else { throw WorkloadError(log.problems) }
    guard !reader.trace.rows.isEmpty else { throw isEmpty(spec.path, reader.trace.failed) }
    return reader.trace
  }

  private static func isEmpty(_ path: String, _ failed: Int = 0) -> WorkloadError {
    WorkloadError([
      Problem(
        file: path, line: 0, path: "",
        message: "holds no requests"
          + (failed > 0
            ? " but \(failed) that failed or made no tokens"
            : " (of the slice and sessions asked for); expected one a line"))
    ])
  }

  /// Sessions of kv-cache-tester, a file each, by name.
  private static func folder(
    _ spec: Traffic.TraceSpec, limit: Int?
  ) throws(WorkloadError) -> TraceRows {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: spec.path)) ?? []).filter {
      name in ["", ".gz", ".xz"].contains { name.hasSuffix(".json" + $0) }
    }.sorted()
    guard spec.format == .auto || spec.format == .kvCacheTester, !names.isEmpty else {
      throw WorkloadError([
        Problem(
          file: spec.path, line: 0, path: "",
          message: "is a folder; only sessions of kv-cache-tester are, as .json files")
      ])
    }
    var trace: TraceRows?
    for name in names.prefix(spec.sessions ?? .max) {
      if let limit, (trace?.rows.count ?? 0) >= limit { break }
      let log = ProblemLog(file: "\(spec.path)/\(name)")
      let input = try TraceInput("\(spec.path)/\(name)")
      var reader = Reader(.kvCacheTester, spec, limit: limit, log: log)
      if let trace { reader.trace = trace }
      try reader.read(try input.rest(), input)
      guard log.problems.isEmpty else { throw WorkloadError(log.problems) }
      trace = reader.trace
    }
    guard let trace, !trace.rows.isEmpty else { throw isEmpty(spec.path) }
    return trace
  }

  /// Reads the lines of one file.
  private struct Reader {
    let format: TraceFormat
    let spec: Traffic.TraceSpec
    let limit: Int
    let log: ProblemLog
    var trace: TraceRows
    private var json: TraceJSON
    private var csv: TraceCSV?
    private var sessions: Set<UInt64> = []
    /// Lines read.
    private var texts = 0
    /// The first and the latest instant met.
    private var origin: Int128?
    private var last: Int128?

    init(
      _ format: TraceFormat, _ spec: Traffic.TraceSpec, limit: Int?, log: ProblemLog
    ) {
      self.format = format
      self.spec = spec
      self.limit = limit ?? .max
      self.log = log
      trace = TraceRows(blockTokens: spec.blockTokens ?? format.blockTokens)
      json = TraceJSON(format, blockTokens: spec.blockTokens, log: log)
    }

    mutating func read(_ first: ArraySlice<UInt8>, _ input: TraceInput) throws(WorkloadError) {
      var text: ArraySlice<UInt8>? = first
      if [.azure, .burstgpt, .lengths].contains(format) {
        csv = TraceCSV(format, header: first, number: input.line, log: log)
        guard csv != nil else { return }
        text = try input.next()
      }
      while let line = text, log.problems.count < TraceFile.problemLimit {
        let known = trace.rows.count
        switch csv?.row(line, line: input.line) {
        case nil: json.read(line, line: input.line, into: &trace)
        case .request(let row)?: trace.append(row)
        case .failed?: trace.failed += 1
        case .bad?: break
        }
        guard keep(from: known, input) else { return }
        texts += 1
        if format == .kvCacheTester, let limit = spec.sessions, texts >= limit { return }
        text = try input.next()
      }
    }

    /// Checks the rows added last and drops those that are not wanted; false if no more can come.
    private mutating func keep(from known: Int, _ input: TraceInput) -> Bool {
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
      if trace.rows.count >= limit {
        var rest = limit - known
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
}
