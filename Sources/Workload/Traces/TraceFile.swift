// Recorded requests from a file or folder of any known format.

import Foundation

/// Reads traces.
public enum TraceFile {
  /// Problems listed before the reader gives up on a file.
  static var problemLimit: Int { 20 }

  /// The rows of a trace that `spec` asks for, as the file has them.
  /// - Parameter limit: rows to read, nil for all.
  /// - Throws: every problem of the file, up to `problemLimit`.
  static func rows(_ spec: Traffic.TraceSpec, limit: Int?) throws(WorkloadError) -> TraceRows {
    if TraceInput.isFolder(spec.path) { return try folder(spec, limit: limit) }
    var reader = try TraceReader(spec, limit: limit)
    let trace = try reader.readAll()
    guard !trace.rows.isEmpty else { throw isEmpty(spec.path, trace.failed) }
    return trace
  }

  /// What a run needs of a trace.
  enum Content {
    case held(TraceRows)
    /// Too much to hold, and nothing that needs all of it at once.
    case passing(TracePassage)
  }

  /// The rows of a trace; of a long one, where `arrivals` let them come one after the other, what is to
  /// be known of it beforehand. It is read again by each run.
  /// - Parameter memory: bytes up to which a trace is held.
  /// - Throws: every problem of the file, up to `problemLimit`.
  static func content(
    _ spec: Traffic.TraceSpec, limit: Int?, _ arrivals: Traffic.Arrivals, memory: Int
  ) throws(WorkloadError) -> Content {
    guard !TraceInput.isFolder(spec.path), arrivals.letTracesPass else {
      return .held(try rows(spec, limit: limit))
    }
    var reader = try TraceReader(spec, limit: limit)
    var passage = TracePassage(spec: spec, limit: limit, blockTokens: reader.trace.blockTokens)
    var isHeld = true
    while try reader.readLine() {
      if isHeld {
        guard reader.trace.bytes > memory else { continue }
        isHeld = false
      }
      // A row that waits for another one, far down in the file: all must be held after all.
      guard passage.add(reader.trace, arrivals) else {
        return .held(try rows(spec, limit: limit))
      }
      reader.forget()
    }
    guard reader.taken > 0 else { throw isEmpty(spec.path, reader.trace.failed) }
    return isHeld ? .held(reader.trace) : .passing(passage)
  }

  static func isEmpty(_ path: String, _ failed: Int = 0) -> WorkloadError {
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
      var reader = try TraceReader(spec, path: "\(spec.path)/\(name)", limit: limit)
      if let trace { reader.follow(trace) }
      trace = try reader.readAll()
    }
    guard let trace, !trace.rows.isEmpty else { throw isEmpty(spec.path) }
    return trace
  }
}
