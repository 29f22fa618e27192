// `requests.jsonl`: one line a request and system.

import EventKernel
import JSONText
import Serving

extension ReportFiles {
  /// `requests.jsonl` as one text.
  public static func requests(_ comparison: Comparison) -> String {
    var bytes: [UInt8] = []
    appendRequests(comparison) { bytes += $0 }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// `requests.jsonl` in pieces of about 64 KiB.
  static func appendRequests(_ comparison: Comparison, _ append: ([UInt8]) -> Void) {
    let hasFaults = !comparison.workload.faults.isEmpty
    var out = JSONBytes()
    for run in comparison.runs {
      for record in run.requests {
        write(record, run.system.name, hasFaults, to: &out)
        guard out.bytes.count > 1 << 16 else { continue }
        append(out.bytes)
        out.removeAll()
      }
    }
    append(out.bytes)
  }

  private static func write(
    _ record: RequestRecord, _ system: String, _ hasFaults: Bool, to out: inout JSONBytes
  ) {
    out.begin()
    out.string("system", system)
    out.integer("request_id", record.id)
    time("arrival_time_ms", record.arrival, to: &out)
    time("first_admit_ms", record.prefillScheduled, to: &out)
    time("prefill_done_ms", record.prefillDone, to: &out)
    time("first_token_ms", record.firstToken, to: &out)
    time("terminal_time_ms", record.finished, to: &out)
    time("ttft_ms", record.firstToken, since: record.arrival, to: &out)
    if let tpot = Metrics.tpot(record) {
      out.number("tpot_ms", tpot)
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
      out.string("terminal_status", "completed")
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
