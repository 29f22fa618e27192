// Validations as text: for the terminal, and for `Results/validation`.

import Foundation

extension Validation {
  /// The verdict in one line.
  public var summary: String {
    let verdict =
      switch limit {
      case .mean(let limit):
        "\(holds ? "ok" : "MISSED"), mean at most \(Self.percent(limit))"
      case .each(let limit):
        "\(holds ? "ok" : "MISSED"), each at most \(Self.percent(limit))"
      case .interval: "\(holds ? "ok" : "MISSED"), each within its confidence interval"
      case .none:
        "reported only, median \(Self.percent(quantile(0.5))), "
          + "95th percentile \(Self.percent(quantile(0.95)))"
      }
    return "\(name): \(rows.count) rows, error mean \(Self.percent(meanError)), "
      + "bias \(bias < 0 ? "-" : "+")\(Self.percent(abs(bias))), "
      + "worst \(Self.percent(worstError)); \(verdict)"
  }

  /// Everything: title, source, summary and rows.
  public var text: String {
    let width = rows.map(\.label.count).max() ?? 0
    var lines = ["# \(title)", "# source: \(source)", "# \(summary)"]
    lines.append("# \(unit): reference, model, error")
    for row in rows {
      lines.append(
        row.label.padding(toLength: width, withPad: " ", startingAt: 0)
          + String(format: "  %12.6g  %12.6g  %+8.3f %%", row.reference, row.model, row.error * 100)
          + (row.tolerance.map { String(format: "  within %.3f %%", $0 * 100) } ?? ""))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func percent(_ share: Double) -> String {
    String(format: share < 0.01 ? "%.3f %%" : "%.2f %%", share * 100)
  }
}
