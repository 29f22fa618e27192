// Seeds of a sweep put together: means with confidence intervals.

import EventKernel
import JSONText

/// Means over the seeds of each point and system, and ratios to the baseline.
enum SweepSummary {
  /// Figures that are averaged.
  private static var figures: [String] {
    [
      "mean_ttft_ms", "median_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "p99_tpot_ms",
      "request_throughput", "request_goodput", "prefix_cache_reused_ratio",
    ] + quantiles
      + [
        "energy_per_request_j", "gpu_energy_per_request_j", "energy_per_output_token_j",
        "mean_power_w", "mean_prefill_gpu_power_w", "mean_decode_gpu_power_w",
      ]
      + ["prefill", "decode"].flatMap { side in
        ["scheduling", "kv_read", "compute", "kv_write"].map { "mean_\(side)_\($0)_ms" }
      }
  }

  /// Figures that are compared with the baseline's of the same seed.
  private static var ratios: [String] {
    ["mean_ttft_ms", "p99_ttft_ms", "request_throughput", "median_ttft_ms"] + quantiles
      + ["energy_per_request_j"]
  }

  /// Those of the TTFT beside median and P99.
  private static var quantiles: [String] { [5, 25, 75, 90, 95].map { "p\($0)_ttft_ms" } }

  /// One row a point without its seed and a system: `n`, then mean and half width of the 95 %
  /// confidence interval (Student's) of each figure, then of each ratio to the baseline.
  ///
  /// Ratios are paired: every seed offers both systems the same requests.
  static func csv(_ rows: [SweepRow], _ grid: SweepGrid, baseline: String) -> String {
    let paths = grid.axes.map(\.path).filter { $0 != "seed" }
    var header = paths + ["system", "n"]
    for figure in figures { header += [figure, figure + "_ci95"] }
    for figure in ratios { header += [figure + "_ratio", figure + "_ratio_ci95"] }
    var lines = [header.map(SweepRow.quoted).joined(separator: ",")]
    var groups: [(key: String, rows: [SweepRow])] = []
    var places: [String: Int] = [:]
    for row in rows {
      let key = row.cells(paths + ["system"])
      if let place = places[key] {
        groups[place].rows.append(row)
      } else {
        places[key] = groups.count
        groups.append((key, [row]))
      }
    }
    let references = Dictionary(
      rows.filter { $0.system == baseline }.map { ($0.point, $0) }
    ) { first, _ in first }
    for group in groups {
      var cells = [group.key, "\(group.rows.count)"]
      for figure in figures { cells += interval(group.rows.compactMap { $0.figure(figure) }) }
      for figure in ratios {
        cells += interval(
          group.rows.compactMap { row in
            guard let value = row.figure(figure),
              let reference = references[row.point]?.figure(figure), reference != 0
            else { return nil }
            return value / reference
          })
      }
      lines.append(cells.joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Mean and half width; empty where there are too few samples.
  private static func interval(_ samples: [Double]) -> [String] {
    [Statistics.mean(samples), Statistics.confidenceHalfWidth(samples)].map {
      $0.isFinite ? JSONValue.number($0).text(indented: false) : ""
    }
  }
}
