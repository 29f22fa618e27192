// `requests.jsonl`: one line a request and system.

import EventKernel
import JSONText
import Serving

/// The lines of one system's requests, written beside their place while the run goes on.
///
/// For one run at a time. A failure is told when the file takes its place; what takes no place is removed.
final class RequestLog: @unchecked Sendable {
  /// The system's name as JSON.
  private let system: [UInt8]
  private let hasFaults: Bool
  private let file: PartFile
  private var out = JSONBytes()

  /// - Parameter folder: an existing one.
  init(folder: String, system: String, place: Int, hasFaults: Bool) throws(FileError) {
    self.system = RequestLines.quoted(system)
    self.hasFaults = hasFaults
    file = try PartFile(for: "\(folder)/requests.jsonl", part: place)
  }

  func append(_ record: RequestRecord) {
    RequestLines.write(record, system, hasFaults: hasFaults, to: &out)
    if out.count > 1 << 16 { flush() }
  }

  private func flush() {
    out.withBytes { file.write($0) }
    out.removeAll()
  }

  /// Puts the lines of all logs, one after the other, into the file for which they were written.
  static func commit(_ logs: [RequestLog]) throws(FileError) {
    for log in logs { log.flush() }
    for log in logs.dropFirst() { logs[0].file.write(contentsOf: log.file) }
    try logs.first?.file.commit()
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
