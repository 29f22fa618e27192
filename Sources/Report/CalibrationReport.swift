// A calibration as a table for the terminal, and as a fragment of the catalogue.

import JSONText
import Rack

/// How a fit of the step-time formula is shown.
public struct CalibrationReport {
  private let calibration: StepTimeCalibration
  private let table: StepTimeTable
  private let gpu: String
  private let setting: String

  /// - Parameter setting: model, ranks and number formats, in words.
  public init(
    _ calibration: StepTimeCalibration, table: StepTimeTable, gpu: String, setting: String
  ) {
    self.calibration = calibration
    self.table = table
    self.gpu = gpu
    self.setting = setting
  }

  private var errors: String {
    "mean error \(percent(calibration.meanError)), worst \(percent(calibration.worstError))"
  }

  /// Parameters, then every step with its residual, then the mean and the worst error.
  public var text: String {
    var lines = ["\(gpu), \(setting): \(table.rows.count) steps of \(table.file)", ""]
    let header = ["parameter", "fitted", "deviation", "catalogue", "unit", ""]
    lines.append(
      contentsOf: TextColumns.aligned(
        [header]
          + calibration.parameters.map { parameter in
            [
              parameter.key, Decimals.text(parameter.value, 4),
              parameter.deviation.map { Decimals.text($0, 4) } ?? "-",
              Decimals.text(parameter.start, 4), parameter.unit == "1" ? "" : parameter.unit,
              parameter.held ?? "",
            ]
          }))
    lines.append("")
    let columns = ["line", "kind", "tokens", "cached", "sequences", "context"]
    lines.append(
      contentsOf: TextColumns.aligned(
        [columns + ["measured ms", "formula ms", "error"]]
          + calibration.residuals.map { residual in
            let row = residual.row
            let counts = [row.tokens, row.cached, row.sequences, row.contextTokens]
            return ["\(row.line)", row.kind.rawValue] + counts.map(String.init)
              + [
                Decimals.text(row.seconds * 1e3, 4), Decimals.text(residual.seconds * 1e3, 4),
                (residual.error < 0 ? "-" : "+") + percent(abs(residual.error)),
              ]
          }))
    return (lines + ["", errors, ""]).joined(separator: "\n")
  }

  /// The GPU's entry of `catalogue.json` as far as it was fitted; what was held stays as it is there.
  public var catalogueFragment: JSONValue {
    let source = "calibrate"
    let figures = calibration.parameters.filter { $0.held == nil }.map { parameter in
      let figure = JSONValue.object([
        "value": .number(parameter.value), "unit": .string(parameter.unit),
        "source": .string(source), "grade": .string(Grade.fitted.rawValue),
      ])
      return (parameter.key, JSONNode(figure))
    }
    let citation =
      "tract-sim calibrate \(table.file): \(setting), \(table.rows.count) steps, \(errors)"
    return .object([
      ("sources", JSONNode(.object([(source, JSONNode(.string(citation)))]))),
      ("gpu", JSONNode(.object([(gpu, JSONNode(.object(figures)))]))),
    ])
  }

  private func percent(_ share: Double) -> String { Decimals.text(share * 100, 2) + " %" }
}
