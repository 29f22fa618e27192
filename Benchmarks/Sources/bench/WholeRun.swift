// A whole run, as `tract-sim run` does it, without printing.

import CAllocations
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
    let comparison = try Comparison(
      workload, jobs: 1, keeping: Comparison.Keeping(records: false))
    precondition(comparison.violations.isEmpty, "\(comparison.violations)")
    func sum(_ keys: String...) -> Double {
      keys.reduce(0) { sum, key in
        sum + comparison.metrics.reduce(0) { $0 + ($1[key] ?? 0) }
      }
    }
    let warmup = workload.stop.warmupRequests * comparison.runs.count
    let requests = sum("completed", "failed") + Double(warmup)
    func total(_ value: (RunResult) -> Int) -> Double {
      Double(comparison.runs.reduce(0) { $0 + value($1) })
    }
    let (seconds, allocations) = (processorSeconds(), tract_allocations())
    return BenchResult(
      name: name,
      figures: [
        ("cpu_s", (seconds * 1e4).rounded() / 1e4),
        ("events", total(\.events)), ("steps", total(\.steps)),
        ("step_events", total(\.stepEvents)),
        ("output_tokens", sum("total_output_tokens")), ("requests", requests),
        ("requests_per_cpu_s", (requests / seconds).rounded()),
        ("allocations", Double(allocations)),
        ("peak_mib", peakMemoryMiB().rounded()),
      ])
  }
}
