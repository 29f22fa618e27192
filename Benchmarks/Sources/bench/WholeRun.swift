// A whole run, as `tract-sim run` does it, without printing.

import Foundation
import Report
import Serving
import Workload

enum WholeRun {
  /// Runs a workload file in this process. CPU time and memory are the process's own, reading and
  /// decompressing the trace included (`xz` is a process of its own and does not count).
  static func measure(name: String, file: String, overrides: [String]) throws -> BenchResult {
    let parsed = overrides.map { text in
      guard let override = WorkloadFile.Override(text) else {
        preconditionFailure("'\(text)' has no '='")
      }
      return override
    }
    let workload = try WorkloadFile.load(path: file, overrides: parsed)
    let comparison = try Comparison(workload, jobs: 1)
    precondition(comparison.violations.isEmpty, "\(comparison.violations)")
    let requests = comparison.runs.reduce(0) { $0 + $1.requests.count }
    let tokens = comparison.runs.reduce(0) { sum, run in
      sum + run.requests.reduce(0) { $0 + ($1.outcome == .completed ? $1.outputTokens : 0) }
    }
    let events = comparison.runs.reduce(0) { $0 + $1.events }
    let seconds = processorSeconds()
    return BenchResult(
      name: name,
      figures: [
        ("cpu_s", (seconds * 1e4).rounded() / 1e4),
        ("events", Double(events)), ("output_tokens", Double(tokens)),
        ("requests", Double(requests)),
        ("requests_per_cpu_s", (Double(requests) / seconds).rounded()),
        ("peak_mib", peakMemoryMiB().rounded()),
      ])
  }
}
