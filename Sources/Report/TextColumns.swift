// Columns of text for terminals.

enum TextColumns {
  /// Cells padded to the width of their column, those of the columns `toTheRight` on the left side;
  /// lines end with their last character.
  static func aligned(_ rows: [[String]], toTheRight: ClosedRange<Int>) -> [String] {
    aligned(rows) { toTheRight.contains($0) }
  }

  /// The same, with columns that hold numbers, by their first character, to the right.
  static func aligned(_ rows: [[String]]) -> [String] {
    aligned(rows) { column in
      rows.dropFirst().contains { $0[column].first.map { "+-0123456789".contains($0) } ?? false }
    }
  }

  private static func aligned(_ rows: [[String]], _ isRight: (Int) -> Bool) -> [String] {
    guard let first = rows.first else { return [] }
    let widths = first.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let rights = first.indices.map(isRight)
    return rows.map { row in
      let cells = row.indices.map { column in
        let gap = String(repeating: " ", count: widths[column] - row[column].count)
        return rights[column] ? gap + row[column] : row[column] + gap
      }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }
}
