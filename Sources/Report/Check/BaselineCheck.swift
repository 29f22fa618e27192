// Figures beside those of a committed baseline: what is better, worse, gone, and why.

/// A comparison's figures beside a baseline's.
public struct BaselineCheck: Sendable {
  public enum Verdict: String, CaseIterable, Sendable {
    case worse, improved
    /// On one side only.
    case missing
    case same
  }

  /// One figure.
  public struct Finding: Sendable {
    public let system: String
    /// The figure's key; `(system)` for a system that no longer runs.
    public let metric: String
    public let baseline: Double?
    public let value: Double?
    public let tolerance: Tolerance
    public let verdict: Verdict

    /// Relative change, e.g. `+5.00 %`; empty without two sides or from zero.
    public var change: String {
      guard let value, let baseline, baseline != 0 else { return "" }
      let percent = (value / baseline - 1) * 100
      return (percent >= 0 ? "+" : "") + Decimals.text(percent, 2) + " %"
    }

    /// Both sides, the change and what was allowed, in words.
    public var text: String {
      if baseline == nil, value == nil { return "the baseline has it, but it does not run" }
      let sides = [baseline, value].map(Self.cell).joined(separator: " -> ")
      return sides + (change.isEmpty ? "" : " (\(change))") + ", allowed \(tolerance.text)"
    }

    static func cell(_ value: Double?) -> String {
      value.map { Decimals.text($0, 4) } ?? "missing"
    }
  }

  /// Every figure of every system.
  public let findings: [Finding]
  /// What the breakdown says about systems whose latency moved, in words.
  public let reasons: [(system: String, text: String)]

  /// How far a figure without a tolerance of its own may move. Runs repeat to the bit, so this
  /// only has to absorb rounding on other machines.
  public static let defaultTolerance = Tolerance.relative(0.001)

  /// - Parameter tolerances: go before the baseline's own.
  public init(_ comparison: Comparison, _ baseline: Baseline, tolerances: [String: Tolerance]) {
    let tolerances = baseline.tolerances.merging(tolerances) { $1 }
    let keys =
      CheckedFigures.metrics + CheckedFigures.parts.filter { tolerances[$0] != nil }
    var findings: [Finding] = []
    var reasons: [(system: String, text: String)] = []
    for metrics in comparison.metrics {
      let expected = baseline.systems.first { $0.name == metrics.system }?.figures ?? [:]
      let own = keys.compactMap { key -> Finding? in
        let value = metrics[key].flatMap { $0.isFinite ? $0 : nil }
        guard value != nil || expected[key] != nil else { return nil }
        return Self.finding(
          metrics.system, key, expected[key], value, tolerances[key] ?? Self.defaultTolerance)
      }
      findings += own
      let isSlower = own.contains { finding in
        [.worse, .improved].contains(finding.verdict) && finding.metric.hasSuffix("_ms")
      }
      if isSlower { reasons.append((metrics.system, Self.reason(metrics, expected))) }
    }
    for system in baseline.systems
    where !comparison.metrics.contains(where: { $0.system == system.name }) {
      findings.append(
        Finding(
          system: system.name, metric: "(system)", baseline: nil, value: nil,
          tolerance: Self.defaultTolerance, verdict: .missing))
    }
    self.findings = findings
    self.reasons = reasons
  }

  private static func finding(
    _ system: String, _ metric: String, _ baseline: Double?, _ value: Double?,
    _ tolerance: Tolerance
  ) -> Finding {
    let verdict: Verdict =
      if let baseline, let value {
        if tolerance.allows(value, baseline: baseline) {
          .same
        } else {
          CheckedFigures.isBetter(value, than: baseline, metric) ? .improved : .worse
        }
      } else {
        .missing
      }
    return Finding(
      system: system, metric: metric, baseline: baseline, value: value, tolerance: tolerance,
      verdict: verdict)
  }

  /// The parts of the breakdown that moved, the largest first.
  private static func reason(_ metrics: Metrics, _ expected: [String: Double]) -> String {
    var moves: [(part: String, from: Double, by: Double)] = []
    for part in CheckedFigures.parts {
      guard let value = metrics[part], let reference = expected[part], value.isFinite else {
        continue
      }
      moves.append((part, reference, value - reference))
    }
    guard !moves.isEmpty else { return "the baseline holds no breakdown; --accept writes one" }
    let largest = moves.map { abs($0.by) }.max() ?? 0
    guard largest > 0 else { return "no part of the breakdown moved" }
    // Parts that moved by less than a twentieth of the largest explain nothing.
    return moves.filter { abs($0.by) >= largest / 20 }.sorted { abs($0.by) > abs($1.by) }
      .map { move in
        let sign = move.by >= 0 ? "+" : ""
        let percent =
          move.from > 0 ? " (\(sign)\(Decimals.text(move.by / move.from * 100, 1)) %)" : ""
        return "\(CheckedFigures.words(move.part)) \(sign)\(Decimals.text(move.by, 3)) ms\(percent)"
      }.joined(separator: ", ")
  }

  public func count(_ verdict: Verdict) -> Int { findings.count { $0.verdict == verdict } }

  /// Whether the check fails: a figure is missing or worse, or, if `improvedToo`, improved.
  public func fails(improvedToo: Bool) -> Bool {
    findings.contains { Self.fails($0.verdict, improvedToo: improvedToo) }
  }

  static func fails(_ verdict: Verdict, improvedToo: Bool) -> Bool {
    switch verdict {
    case .worse, .missing: true
    case .improved: improvedToo
    case .same: false
    }
  }

  /// How many of each kind, e.g. `2 worse, 1 improved, 0 missing, 33 same`.
  public var summary: String {
    if count(.same) == findings.count { return "\(findings.count) figures within tolerance" }
    return Verdict.allCases.map { "\(count($0)) \($0.rawValue)" }.joined(separator: ", ")
  }

  /// What moved, one line a figure, then what the breakdown says; empty if nothing did.
  public var table: String {
    let moved = findings.filter { $0.verdict != .same }
    guard !moved.isEmpty else { return "" }
    let header = ["system", "metric", "baseline", "now", "change", "allowed", "verdict"]
    let rows = moved.map { finding in
      [
        finding.system, finding.metric, Finding.cell(finding.baseline),
        Finding.cell(finding.value), finding.change, finding.tolerance.text,
        finding.verdict.rawValue,
      ]
    }
    let lines =
      TextColumns.aligned([header] + rows, toTheRight: 2...5)
      + reasons.map { "\($0.system), parts of the breakdown: \($0.text)" }
    return lines.map { "  \($0)\n" }.joined()
  }
}
