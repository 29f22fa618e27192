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

  /// `series.csv`: utilisation and power over time, one row an interval and system.
  public static func series(_ comparison: Comparison) -> String {
    guard let first = comparison.runs.first else { return "" }
    var out = JSONBytes(capacity: 1 << 16)
    out.append(Array((["system", "time_s"] + first.seriesColumns).joined(separator: ",").utf8))
    for run in comparison.runs {
      let system = Array("\n\(run.system.name)".utf8)
      for row in run.series {
        out.append(system)
        append(row.seconds, to: &out)
        for value in row.values { append(value, to: &out) }
      }
    }
    out.raw("\n")
    return String(decoding: out.bytes, as: UTF8.self)
  }

  /// A comma and the nearest number of at most six decimals.
  private static func append(_ value: Double, to out: inout JSONBytes) {
    let millionths = (value * 1e6).rounded()
    out.raw(",")
    // Beyond it fewer digits tell the number.
    if millionths >= 0, millionths < 1e15 {
      out.decimal(billionths: UInt64(millionths) * 1000)
    } else {
      out.append(Array(JSONValue.number(millionths / 1e6).text(indented: false).utf8))
    }
  }

  /// Writes the report into `folder`, which is made if need be.
  ///
  /// Every file is written beside its place first and then renamed, so that a failure leaves no
  /// half-written file. `requests.jsonl` is there if the comparison has logged its requests in this
  /// folder, or kept them.
  public static func write(_ comparison: Comparison, to folder: String) throws(FileError) {
    try makeFolder(folder)
    let files = [
      ("report.json", json(comparison).text(indented: true) + "\n"),
      ("report.csv", csv(comparison)), ("series.csv", series(comparison)),
      ("workload.json", ResolvedWorkload.json(comparison.workload).text(indented: true) + "\n"),
    ]
    for (name, text) in files { try AtomicFile.write(text, to: "\(folder)/\(name)") }
    if comparison.logs.isEmpty {
      try AtomicFile.write(requests(comparison), to: "\(folder)/requests.jsonl")
    } else {
      try RequestLog.commit(comparison.logs)
    }
  }

  static func makeFolder(_ folder: String) throws(FileError) {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError(path: folder, action: "create", reason: error.localizedDescription)
    }
  }
}
