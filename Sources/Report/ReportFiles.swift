// The report as files: all of them written, or none.

import EventKernel
import Foundation
import JSONText
import Serving
import Workload

/// Renders a comparison as text for files; nothing in it depends on machine, time or place.
public enum ReportFiles {
  /// `report.json`.
  public static func json(_ comparison: Comparison) -> JSONValue {
    let workload = comparison.workload
    let runs = comparison.metrics.map { metrics -> JSONValue in
      var members: [(key: String, value: JSONNode)] = [
        ("system", JSONNode(.string(metrics.system)))
      ]
      members += metrics.values.map { ($0.key, JSONNode(.number($0.value))) }
      members.append(
        (
          "failures",
          JSONNode(
            .object(metrics.failures.map { ($0.reason, JSONNode(.integer($0.count))) }))
        ))
      return .object(members)
    }
    return .object([
      "schema": .string("tract-sim-report/1"), "name": .string(workload.name),
      "seed": .integer(Int(workload.seed)), "version": .string(Comparison.version),
      "model": .string(workload.model.name), "baseline": .string(workload.baseline),
      "definitions": .object(
        (Metrics.definitions + (workload.faults.isEmpty ? [] : Metrics.faultDefinitions)).map {
          ($0.key, JSONNode(.string($0.text)))
        }),
      "runs": .list(runs),
    ])
  }

  /// `report.csv`: one row a system; a figure that a system does not have is empty.
  public static func csv(_ comparison: Comparison) -> String {
    var keys: [String] = []
    var seen: Set<String> = []
    for metrics in comparison.metrics {
      for (key, _) in metrics.values where seen.insert(key).inserted { keys.append(key) }
    }
    var lines = [(["system"] + keys).joined(separator: ",")]
    for metrics in comparison.metrics {
      let cells = keys.map { key in
        metrics[key].map { $0.isFinite ? JSONValue.number($0).text(indented: false) : "" } ?? ""
      }
      lines.append(([metrics.system] + cells).joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// `requests.jsonl`: one line a request and system.
  public static func requests(_ comparison: Comparison) -> String {
    var text = ""
    for run in comparison.runs {
      for record in run.requests {
        var line = request(record, run.system.name)
        if !comparison.workload.faults.isEmpty, case .object(var members) = line {
          members.append(("recomputations", JSONNode(.integer(record.recomputations))))
          line = .object(members)
        }
        text += line.text(indented: false)
        text += "\n"
      }
    }
    return text
  }

  private static func request(_ record: RequestRecord, _ system: String) -> JSONValue {
    func time(_ time: SimTime?) -> JSONValue { time.map { .number($0.milliseconds) } ?? .null }
    func since(_ time: SimTime?) -> JSONValue {
      time.map { .number(($0 - record.arrival).milliseconds) } ?? .null
    }
    func parts(_ parts: Breakdown) -> JSONValue {
      .object([
        "scheduling_ms": .number(parts.scheduling.milliseconds),
        "kv_read_ms": .number(parts.kvRead.milliseconds),
        "compute_ms": .number(parts.compute.milliseconds),
        "kv_write_ms": .number(parts.kvWrite.milliseconds),
      ])
    }
    let (status, reason): (String, JSONValue) =
      switch record.outcome {
      case .completed: ("completed", .null)
      case .failed(let reason): ("failed", .string(reason))
      }
    return .object([
      "system": .string(system), "request_id": .integer(record.id),
      "arrival_time_ms": time(record.arrival), "first_admit_ms": time(record.prefillScheduled),
      "prefill_done_ms": time(record.prefillDone), "first_token_ms": time(record.firstToken),
      "terminal_time_ms": time(record.finished), "ttft_ms": since(record.firstToken),
      "tpot_ms": Metrics.tpot(record).map { .number($0) } ?? .null,
      "e2e_latency_ms": since(record.finished), "input_length": .integer(record.inputTokens),
      "output_length": .integer(record.outputTokens),
      "reused_input_tokens": .integer(record.cachedTokens),
      "prefill_worker_idx": .integer(record.prefillWorker),
      "decode_worker_idx": .integer(record.decodeWorker), "prefill": parts(record.prefill),
      "decode": parts(record.decode), "handed_over_bytes": .integer(record.handedOverBytes),
      "preemptions": .integer(record.preemptions), "terminal_status": .string(status),
      "reason": reason,
    ])
  }

  /// `series.csv`: utilisation and power over time, one row an interval and system.
  public static func series(_ comparison: Comparison) -> String {
    guard let first = comparison.runs.first else { return "" }
    var lines = [(["system", "time_s"] + first.seriesColumns).joined(separator: ",")]
    for run in comparison.runs {
      for row in run.series {
        let cells = ([row.seconds] + row.values).map {
          JSONValue.number(($0 * 1e6).rounded() / 1e6).text(indented: false)
        }
        lines.append(([run.system.name] + cells).joined(separator: ","))
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Writes the report into `folder`, which is made if need be.
  ///
  /// Every file is written beside its place first and then renamed, so that a failure leaves no
  /// half-written file.
  public static func write(_ comparison: Comparison, to folder: String) throws(FileError) {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError(path: folder, action: "create", reason: error.localizedDescription)
    }
    let files = [
      ("report.json", json(comparison).text(indented: true) + "\n"),
      ("report.csv", csv(comparison)), ("requests.jsonl", requests(comparison)),
      ("series.csv", series(comparison)),
      ("workload.json", ResolvedWorkload.json(comparison.workload).text(indented: true) + "\n"),
    ]
    for (name, text) in files { try AtomicFile.write(text, to: "\(folder)/\(name)") }
  }
}
