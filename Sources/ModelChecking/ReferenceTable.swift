// Reference figures as they are committed: comma-separated tables with comments.

/// A table under `References`: lines that begin with `#` are comments (the source among them), the
/// first other line names the columns.
struct ReferenceTable {
  let columns: [String]
  let rows: [[String]]

  /// - Precondition: the table is well-formed; it is part of the program.
  init(_ bytes: [UInt8]) {
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
      .filter { !$0.hasPrefix("#") }
      .map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
    columns = lines[0]
    rows = Array(lines.dropFirst())
    precondition(rows.allSatisfy { $0.count == columns.count })
  }

  /// The cell of `column` in `row`.
  func text(_ column: String, _ row: [String]) -> String {
    row[columns.firstIndex(of: column)!]
  }

  /// The cell as a number.
  func number(_ column: String, _ row: [String]) -> Double { Double(text(column, row))! }
}
