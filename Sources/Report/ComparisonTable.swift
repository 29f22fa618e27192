// The comparison on a terminal.

import Workload

/// Text tables of a comparison.
public enum ComparisonTable {
  private struct Row {
    var title: String
    var key: String
    var decimals: Int
    var scale = 1.0
    var ratio = false
  }

  private static var rows: [Row?] {
    [
      Row(title: "TTFT mean (ms)", key: "mean_ttft_ms", decimals: 1, ratio: true),
      Row(title: "TTFT median (ms)", key: "median_ttft_ms", decimals: 1),
      Row(title: "TTFT P99 (ms)", key: "p99_ttft_ms", decimals: 1, ratio: true),
      Row(title: "TPOT mean (ms)", key: "mean_tpot_ms", decimals: 2, ratio: true),
      Row(title: "TPOT P99 (ms)", key: "p99_tpot_ms", decimals: 2),
      Row(title: "requests/s", key: "request_throughput", decimals: 3, ratio: true),
      Row(title: "goodput requests/s", key: "request_goodput", decimals: 3, ratio: true),
      Row(title: "output tokens/s", key: "output_throughput", decimals: 1),
      Row(title: "prefix reuse (%)", key: "prefix_cache_reused_ratio", decimals: 1, scale: 100),
      Row(title: "energy/request (J)", key: "energy_per_request_j", decimals: 1, ratio: true),
      Row(title: "GPUs' energy/request (J)", key: "gpu_energy_per_request_j", decimals: 1),
      Row(title: "energy/output token (J)", key: "energy_per_output_token_j", decimals: 2),
      Row(title: "mean power (W)", key: "mean_power_w", decimals: 1),
      nil,
      Row(title: "prefill scheduling (ms)", key: "mean_prefill_scheduling_ms", decimals: 1),
      Row(title: "prefill KV read (ms)", key: "mean_prefill_kv_read_ms", decimals: 1),
      Row(title: "prefill compute (ms)", key: "mean_prefill_compute_ms", decimals: 1),
      Row(title: "prefill KV write (ms)", key: "mean_prefill_kv_write_ms", decimals: 1),
      Row(title: "decode scheduling (ms)", key: "mean_decode_scheduling_ms", decimals: 1),
      Row(title: "decode KV read (ms)", key: "mean_decode_kv_read_ms", decimals: 1),
      Row(title: "decode compute (ms)", key: "mean_decode_compute_ms", decimals: 1),
      nil,
      Row(title: "completed", key: "completed", decimals: 0),
      Row(title: "failed", key: "failed", decimals: 0),
      // With faults only.
      Row(title: "recomputed", key: "requests_recomputed", decimals: 0),
      Row(title: "KV tokens lost", key: "tokens_lost", decimals: 0),
      Row(title: "recovery mean (ms)", key: "mean_recovery_time_ms", decimals: 1),
      Row(title: "recovery max (ms)", key: "max_recovery_time_ms", decimals: 1),
      Row(title: "lock manager changes", key: "store_manager_changes", decimals: 0),
      Row(title: "longest store op (ms)", key: "store_max_operation_ms", decimals: 1),
    ]
  }

  /// A figure of all systems.
  struct Line {
    var title: String
    /// One a system.
    var cells: [(value: String, ratio: String?)]
  }

  /// What the table shows, in groups; figures that no system has are left out.
  static func groups(_ comparison: Comparison) -> [[Line]] {
    let (metrics, base) = (comparison.metrics, comparison.baseline)
    return rows.split { $0 == nil }.map { group in
      group.compactMap { $0 }.filter { row in metrics.contains { $0[row.key] != nil } }.map { row in
        let cells = metrics.map { system -> (String, String?) in
          let value = system[row.key] ?? .nan
          var ratio: String?
          if row.ratio, system.system != base.system, let reference = base[row.key], reference > 0,
            value.isFinite
          {
            ratio = "(\(Decimals.text(value / reference, 2))x)"
          }
          return (Decimals.text(value * row.scale, row.decimals), ratio)
        }
        return Line(title: row.title, cells: cells)
      }
    }
  }

  /// Systems side by side, with ratios to the baseline.
  public static func text(_ comparison: Comparison) -> String {
    let metrics = comparison.metrics
    let base = comparison.baseline
    // Ratios have a field of their own, so that values line up under their system's name.
    let widths = metrics.map { max(10, $0.system.count) + 2 }
    let ratioWidths = metrics.map { $0.system == base.system ? 0 : 8 }
    let head =
      "\(comparison.workload.name): \(comparison.workload.model.name), "
      + "seed \(comparison.workload.seed), ratios to \(base.system)"
    let names = metrics.indices.map {
      padLeft(metrics[$0].system, widths[$0]) + pad("", ratioWidths[$0])
    }
    let blocks = groups(comparison).map { group in
      group.map { line in
        let cells = line.cells.indices.map { index in
          padLeft(line.cells[index].value, widths[index])
            + padLeft(line.cells[index].ratio ?? "", ratioWidths[index])
        }
        return trimmed(pad(line.title, 24) + cells.joined())
      }
    }
    var lines = [head, "", trimmed(pad("", 24) + names.joined())] + blocks.joined(separator: [""])
    for system in metrics {
      for failure in system.failures {
        lines.append("\(system.system): \(failure.count) requests failed: \(failure.reason)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  static func padLeft(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  static func trimmed(_ line: String) -> String {
    String(line.reversed().drop { $0 == " " }.reversed())
  }
}

/// Decimal numbers that look the same in every locale.
public enum Decimals {
  /// `value` with a fixed number of decimals, rounded half away from zero; "-" if not finite.
  public static func text(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "-" }
    var factor = 1.0
    for _ in 0..<decimals { factor *= 10 }
    let scaled = (abs(value) * factor).rounded()
    guard scaled < 9e18 else { return "\(value)" }
    let digits = String(Int(scaled))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard decimals > 0 else { return sign + padded }
    return sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
  }
}
