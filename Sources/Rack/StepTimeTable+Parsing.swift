// Reading a table of measured step times from comma-separated text.

import Foundation

/// What is wrong with a table, line by line.
public struct StepTimeTableError: Error, CustomStringConvertible {
  public struct Finding: Hashable, Sendable {
    /// 1 is the first line.
    public var line: Int
    public var message: String
  }

  public var file: String
  public var findings: [Finding]

  public var description: String {
    findings.map { "\(file):\($0.line): \($0.message)" }.joined(separator: "\n")
  }
}

extension StepTimeTable {
  /// The columns, in their order.
  public static let columns = [
    "kind", "tokens", "cached", "sequences", "context_tokens", "milliseconds",
  ]
  private static var findingLimit: Int { 20 }
  private static var tokenLimit: Int { 100_000_000 }

  /// The table in `text`: a line naming the columns, then one step a line; empty lines and lines
  /// that begin with `#` are comments. Cells that a kind does not use are 0 or empty.
  /// - Throws: what is wrong, up to twenty findings.
  public init(file: String, text: [UInt8]) throws(StepTimeTableError) {
    let lines = String(decoding: text, as: UTF8.self)
      .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .map { $0.trimmingCharacters(in: .whitespaces) }
    var numbered = lines.indices.filter { !lines[$0].isEmpty && !lines[$0].hasPrefix("#") }[...]
    func cells(_ index: Int) -> [String] {
      lines[index].split(separator: ",", omittingEmptySubsequences: false)
        .map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let header = numbered.popFirst()
    guard let header, cells(header) == Self.columns else {
      let message = "the first line must name the columns \(Self.columns.joined(separator: ","))"
      throw StepTimeTableError(
        file: file, findings: [.init(line: (header ?? 0) + 1, message: message)])
    }
    var findings: [StepTimeTableError.Finding] = []
    var rows: [Row] = []
    var lineOfStep: [Row: Int] = [:]
    for index in numbered where findings.count < Self.findingLimit {
      switch Self.row(cells(index), line: index + 1) {
      case .failure(let wrong): findings.append(.init(line: index + 1, message: wrong.message))
      case .success(let row):
        var step = row
        (step.seconds, step.line) = (0, 0)
        if let earlier = lineOfStep.updateValue(row.line, forKey: step) {
          findings.append(
            .init(line: row.line, message: "is the step that line \(earlier) has already"))
        }
        rows.append(row)
      }
    }
    if findings.isEmpty, rows.isEmpty {
      findings = [.init(line: header + 1, message: "no step follows; expected one a line")]
    }
    guard findings.isEmpty else { throw StepTimeTableError(file: file, findings: findings) }
    self.init(file: file, rows: rows)
  }

  private struct Malformed: Error {
    var message: String
  }

  private static func row(_ cells: [String], line: Int) -> Result<Row, Malformed> {
    func wrong(_ message: String) -> Result<Row, Malformed> {
      .failure(Malformed(message: message))
    }
    guard cells.count == columns.count else {
      return wrong("has \(cells.count) cells, expected \(columns.count)")
    }
    guard let kind = Kind(rawValue: cells[0]) else {
      let kinds = Kind.allCases.map(\.rawValue).joined(separator: ", ")
      return wrong("kind: unknown \"\(cells[0])\"; allowed are \(kinds)")
    }
    var counts: [Int] = []
    for (column, cell) in zip(columns, cells).dropFirst().prefix(4) {
      let isUsed =
        switch column {
        case "tokens", "cached": kind != .decode
        default: kind != .prefill
        }
      let lowest = isUsed && column != "cached" ? 1 : 0
      let highest = isUsed ? tokenLimit : 0
      guard let count = Int(cell.isEmpty ? "0" : cell), (lowest...highest).contains(count) else {
        let allowed =
          isUsed ? "a whole number from \(lowest) to \(highest)" : "0 or nothing in a \(kind) step"
        return wrong("\(column): expected \(allowed), found \"\(cell)\"")
      }
      counts.append(count)
    }
    guard let milliseconds = Double(cells[5]), milliseconds > 0, milliseconds <= 1e9 else {
      return wrong("milliseconds: expected a number above 0 up to 1e9, found \"\(cells[5])\"")
    }
    return .success(
      Row(
        kind: kind, tokens: counts[0], cached: counts[1], sequences: counts[2],
        contextTokens: counts[3], seconds: milliseconds / 1e3, line: line))
  }
}
