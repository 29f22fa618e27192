// How far a figure may move, and which way is better.

/// How far a figure may move from its baseline.
public enum Tolerance: Hashable, Sendable {
  /// Share of the baseline's value.
  case relative(Double)
  case absolute(Double)

  /// Parses `1%` or `0.5`; nil for anything else.
  public init?(_ text: String) {
    if text.hasSuffix("%"), let percent = Double(text.dropLast()), percent >= 0, percent.isFinite {
      self = .relative(percent / 100)
    } else if let value = Double(text), value >= 0, value.isFinite {
      self = .absolute(value)
    } else {
      return nil
    }
  }

  /// As it is written: `1%` or `0.5`.
  public var text: String {
    switch self {
    // Six decimals of a percent, free of binary residue.
    case .relative(let share): "\(Self.brief((share * 1e8).rounded() / 1e6))%"
    case .absolute(let limit): Self.brief(limit)
    }
  }

  private static func brief(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
  }

  func allows(_ value: Double, baseline: Double) -> Bool {
    switch self {
    case .relative(let share): abs(value - baseline) <= share * abs(baseline)
    case .absolute(let limit): abs(value - baseline) <= limit
    }
  }
}

/// The figures that baselines hold.
public enum CheckedFigures {
  /// Those that are always compared.
  public static let metrics = [
    "mean_ttft_ms", "median_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "p99_tpot_ms",
    "mean_itl_ms", "mean_e2el_ms", "request_throughput", "request_goodput", "output_throughput",
    "completed", "failed", "prefix_cache_reused_ratio",
    // With faults only.
    "requests_recomputed", "tokens_lost", "mean_recovery_time_ms", "max_recovery_time_ms",
    "store_manager_changes",
  ]

  /// Where a request's time goes: they say why a latency moved, and are compared only where a
  /// tolerance is given for them.
  public static let parts = ["prefill", "decode"].flatMap { side in
    ["scheduling", "kv_read", "compute", "kv_write"].map { "mean_\(side)_\($0)_ms" }
  }

  private static let moreIsBetter: Set = [
    "request_throughput", "request_goodput", "output_throughput", "completed",
    "prefix_cache_reused_ratio",
  ]

  static func isBetter(_ value: Double, than baseline: Double, _ metric: String) -> Bool {
    moreIsBetter.contains(metric) ? value > baseline : value < baseline
  }

  /// A part's name in words, e.g. `decode kv_read`.
  static func words(_ part: String) -> String {
    let words = part.split(separator: "_").dropFirst().dropLast()
    return "\(words.first ?? "") \(words.dropFirst().joined(separator: "_"))"
  }
}
