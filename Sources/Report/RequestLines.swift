// `requests.jsonl`: one line a request and system.

import EventKernel
import Foundation
import JSONText
import Serving

/// The lines of one system's requests, written beside their place while the run goes on.
///
/// A failure is told when the file takes its place, not before; what takes no place is removed.
final class RequestLog {
  /// The system's name as JSON.
  private let system: [UInt8]
  private let hasFaults: Bool
  private let path: String
  private var file: FileHandle?
  private var out = JSONBytes()
  private var problem: FileError?

  /// - Parameter folder: an existing one.
  init(folder: String, system: String, place: Int, hasFaults: Bool) {
    self.system = RequestLines.quoted(system)
    self.hasFaults = hasFaults
    path = "\(folder)/requests.jsonl.tmp-\(getpid())-\(place)"
    if FileManager.default.createFile(atPath: path, contents: nil) {
      file = FileHandle(forUpdatingAtPath: path)
    }
    if file == nil {
      problem = FileError(path: path, action: "create", reason: String(cString: strerror(errno)))
    }
  }

  deinit { if let file { discard(file) } }

  func append(_ record: RequestRecord) {
    RequestLines.write(record, system, hasFaults: hasFaults, to: &out)
    if out.count > 1 << 16 { flush() }
  }

  private func flush() {
    guard problem == nil, let file else { return out.removeAll() }
    do {
      // Not copied: the data does not outlive the call.
      try out.withBytes { bytes in
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        let data = Data(
          bytesNoCopy: UnsafeMutableRawPointer(mutating: start), count: bytes.count,
          deallocator: .none)
        try file.write(contentsOf: data)
      }
    } catch {
      problem = FileError(path: path, action: "write", reason: error.localizedDescription)
    }
    out.removeAll()
  }

  /// Puts the lines of all logs, one after the other, into one file.
  static func merge(_ logs: [RequestLog], into target: String) throws(FileError) {
    guard let first = logs.first else { return }
    for log in logs { log.flush() }
    if let problem = logs.lazy.compactMap(\.problem).first { throw problem }
    for log in logs.dropFirst() { try first.take(log) }
    guard rename(first.path, target) == 0 else {
      throw FileError(path: target, action: "write", reason: String(cString: strerror(errno)))
    }
    try? first.file?.close()
    first.file = nil
  }

  private func take(_ other: RequestLog) throws(FileError) {
    guard let file, let source = other.file else { return }
    do {
      try source.seek(toOffset: 0)
      while let piece = try source.read(upToCount: 1 << 20), !piece.isEmpty {
        try file.write(contentsOf: piece)
      }
    } catch {
      throw FileError(path: path, action: "write", reason: error.localizedDescription)
    }
    other.discard(source)
    other.file = nil
  }

  private func discard(_ file: FileHandle) {
    try? file.close()
    try? FileManager.default.removeItem(atPath: path)
  }
}

/// The format of a line.
enum RequestLines {
  /// A system's name as JSON.
  static func quoted(_ system: String) -> [UInt8] {
    Array(JSONValue.string(system).text(indented: false).utf8)
  }

  static func write(
    _ record: RequestRecord, _ system: [UInt8], hasFaults: Bool, to out: inout JSONBytes
  ) {
    out.begin()
    out.json("system", system)
    out.integer("request_id", record.id)
    time("arrival_time_ms", record.arrival, to: &out)
    time("first_admit_ms", record.prefillScheduled, to: &out)
    time("prefill_done_ms", record.prefillDone, to: &out)
    time("first_token_ms", record.firstToken, to: &out)
    time("terminal_time_ms", record.finished, to: &out)
    time("ttft_ms", record.firstToken, since: record.arrival, to: &out)
    if let gap = record.tokenGap {
      out.number("tpot_ms", billionths: gap.picoseconds)
    } else {
      out.null("tpot_ms")
    }
    time("e2e_latency_ms", record.finished, since: record.arrival, to: &out)
    out.integer("input_length", record.inputTokens)
    out.integer("output_length", record.outputTokens)
    out.integer("reused_input_tokens", record.cachedTokens)
    out.integer("prefill_worker_idx", record.prefillWorker)
    out.integer("decode_worker_idx", record.decodeWorker)
    write("prefill", record.prefill, to: &out)
    write("decode", record.decode, to: &out)
    out.integer("handed_over_bytes", record.handedOverBytes)
    out.integer("preemptions", record.preemptions)
    switch record.outcome {
    case .completed:
      out.key("terminal_status")
      out.raw("\"completed\"")
      out.null("reason")
    case .failed(let reason):
      out.string("terminal_status", "failed")
      out.string("reason", reason)
    }
    if hasFaults { out.integer("recomputations", record.recomputations) }
    out.end()
    out.endLine()
  }

  private static func time(
    _ key: StaticString, _ time: SimTime?, since start: SimTime = .zero, to out: inout JSONBytes
  ) {
    guard let time else { return out.null(key) }
    out.number(key, billionths: (time - start).picoseconds)
  }

  private static func write(
    _ key: StaticString, _ parts: Breakdown, to out: inout JSONBytes
  ) {
    out.key(key)
    out.begin()
    out.number("scheduling_ms", billionths: parts.scheduling.picoseconds)
    out.number("kv_read_ms", billionths: parts.kvRead.picoseconds)
    out.number("compute_ms", billionths: parts.compute.picoseconds)
    out.number("kv_write_ms", billionths: parts.kvWrite.picoseconds)
    out.end()
  }
}

extension ReportFiles {
  /// `requests.jsonl` as one text, of a comparison that has kept its requests.
  public static func requests(_ comparison: Comparison) -> String {
    let hasFaults = !comparison.workload.faults.isEmpty
    var out = JSONBytes()
    for run in comparison.runs {
      let system = RequestLines.quoted(run.system.name)
      for record in run.requests {
        RequestLines.write(record, system, hasFaults: hasFaults, to: &out)
      }
    }
    return String(decoding: out.bytes, as: UTF8.self)
  }
}
