// Committed figures and the check against them.

import JSONText

/// How far a figure may move.
public enum Tolerance: Sendable {
  /// Share of the baseline's value.
  case relative(Double)
  case absolute(Double)

  /// Parses `1%` or `0.5`; nil for anything else.
  public init?(_ text: String) {
    if text.hasSuffix("%"), let percent = Double(text.dropLast()), percent >= 0 {
      self = .relative(percent / 100)
    } else if let value = Double(text), value >= 0, value.isFinite {
      self = .absolute(value)
    } else {
      return nil
    }
  }

  func allows(_ value: Double, baseline: Double) -> Bool {
    switch self {
    case .relative(let share): abs(value - baseline) <= share * abs(baseline)
    case .absolute(let limit): abs(value - baseline) <= limit
    }
  }
}

/// Compares a comparison's figures with a committed file.
public struct BaselineCheck {
  /// One figure that moved, or is on one side only.
  public struct Move {
    public var system: String
    public var metric: String
    public var baseline: Double?
    public var value: Double?
  }

  /// Figures that baselines hold and checks compare.
  public static let metrics = [
    "mean_ttft_ms", "median_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "p99_tpot_ms",
    "mean_itl_ms", "mean_e2el_ms", "request_throughput", "output_throughput", "completed",
    "failed", "prefix_cache_reused_ratio",
    // With faults only.
    "requests_recomputed", "tokens_lost", "mean_recovery_time_ms", "max_recovery_time_ms",
    "store_manager_changes",
  ]

  public private(set) var moves: [Move] = []
  public private(set) var compared = 0

  /// The baseline file of a comparison.
  public static func file(_ comparison: Comparison) -> JSONValue {
    .object([
      "schema": .string("tract-sim-baseline/1"), "name": .string(comparison.workload.name),
      "systems": .object(
        comparison.metrics.map { metrics in
          (
            metrics.system,
            JSONNode(
              .object(
                Self.metrics.compactMap { key in
                  metrics[key].map { (key, JSONNode(.number($0))) }
                }))
          )
        }),
    ])
  }

  /// How far a figure without a tolerance of its own may move. Runs repeat to the bit, so this
  /// only has to absorb rounding on other machines.
  public static let defaultTolerance = Tolerance.relative(0.001)

  /// Compares every figure of every system.
  public init(
    _ comparison: Comparison, baseline: JSONNode, tolerances: [String: Tolerance]
  ) {
    let systems = baseline["systems"]
    for metrics in comparison.metrics {
      let expected = systems?[metrics.system]
      for key in Self.metrics {
        let value = metrics[key].flatMap { $0.isFinite ? $0 : nil }
        let reference = expected?[key]?.value.double
        if value == nil, reference == nil { continue }
        compared += 1
        let tolerance = tolerances[key] ?? Self.defaultTolerance
        if let value, let reference, tolerance.allows(value, baseline: reference) { continue }
        moves.append(
          Move(system: metrics.system, metric: key, baseline: reference, value: value))
      }
    }
    if case .object(let members)? = systems?.value {
      for (name, _) in members where !comparison.metrics.contains(where: { $0.system == name }) {
        moves.append(Move(system: name, metric: "(system)", baseline: nil, value: nil))
      }
    }
  }

  /// What moved, one line a figure.
  public var table: String {
    func cell(_ value: Double?) -> String { value.map { Decimals.text($0, 4) } ?? "missing" }
    return moves.map { move in
      var change = ""
      if let value = move.value, let baseline = move.baseline, baseline != 0 {
        let percent = (value / baseline - 1) * 100
        change = "  \(percent >= 0 ? "+" : "")\(Decimals.text(percent, 2)) %"
      }
      return "  " + ComparisonTable.pad(move.system, 18) + " "
        + ComparisonTable.pad(move.metric, 28)
        + ComparisonTable.padLeft(cell(move.baseline), 14) + " -> "
        + ComparisonTable.padLeft(cell(move.value), 14) + change
    }.joined(separator: "\n")
  }
}
