// The files of a sweep: rows as they are done, and in order at the end.

import Foundation
import JSONText
import Workload

/// `sweep.jsonl`, `sweep.csv` and, in the end, `summary.csv` of one folder.
///
/// Each row is appended by one write, so that a killed sweep leaves whole lines, or one torn last
/// line, which the next run drops. `finish` writes everything once more, in order.
public final class SweepFiles {
  private let folder: String
  private var rows: [SweepRow]
  private var columns: [String] = []
  private var lines: Int32 = -1
  private var table: Int32 = -1

  private var linesPath: String { folder + "/sweep.jsonl" }
  private var tablePath: String { folder + "/sweep.csv" }

  /// Points that are done.
  public private(set) var done: Set<Int> = []

  /// Opens the files; `isResuming` keeps the rows of points whose rows are all there, one for each
  /// of `workloads`' systems.
  /// - Throws: `SweepError` for files of another sweep, `FileError`.
  public init(
    folder: String, isResuming: Bool, _ workloads: [Workload]
  ) throws {
    self.folder = folder
    rows = []
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    if FileManager.default.fileExists(atPath: linesPath) {
      guard isResuming else {
        throw SweepError(
          description: "\(linesPath) exists; give --resume to go on with it, or another --output")
      }
      rows = try Self.read(linesPath)
      let stranger = rows.first { row in
        !(workloads.indices.contains(row.point) && row.belongs(to: workloads[row.point]))
      }
      if let stranger {
        throw SweepError(
          description:
            "\(linesPath): point \(stranger.point), system \(stranger.system) belongs to "
            + "another sweep, workload or version")
      }
    }
    keepWholePoints(workloads)
    removeLeftovers()
    try write()
    lines = try Self.append(linesPath)
    table = try Self.append(tablePath)
  }

  deinit {
    close(lines)
    close(table)
  }

  /// Takes away temporary files of runs that were killed while they wrote.
  private func removeLeftovers() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names
    where ["sweep.jsonl", "sweep.csv", "summary.csv"].contains(where: {
      name.hasPrefix($0 + ".tmp-")
    }) {
      try? FileManager.default.removeItem(atPath: folder + "/" + name)
    }
  }

  /// Drops rows of points that were cut short, and repeated rows.
  private func keepWholePoints(_ workloads: [Workload]) {
    var systems: [Int: Set<String>] = [:]
    rows = rows.filter { systems[$0.point, default: []].insert($0.system).inserted }
    done = Set(systems.keys.filter { systems[$0]!.count == workloads[$0].systems.count })
    rows = rows.filter { done.contains($0.point) }
  }

  private static func read(_ path: String) throws -> [SweepRow] {
    let text = String(decoding: try AtomicFile.read(path), as: UTF8.self)
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    // After the last line's end there is nothing, or what was torn.
    lines.removeLast()
    return try lines.enumerated().map { number, line in
      guard let row = SweepRow(line: line) else {
        throw SweepError(description: "\(path): line \(number + 1) is no row of a sweep")
      }
      return row
    }
  }

  private static func append(_ path: String) throws(FileError) -> Int32 {
    let file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard file >= 0 else {
      throw FileError(path: path, action: "open", reason: String(cString: strerror(errno)))
    }
    return file
  }

  /// Adds the rows of a point.
  public func add(_ new: [SweepRow]) throws(FileError) {
    var text = ""
    if columns.isEmpty {
      columns = Self.columns(new)
      text = columns.map(SweepRow.quoted).joined(separator: ",") + "\n"
    }
    for row in new { text += row.cells(columns) + "\n" }
    try Self.write(new.map { $0.line + "\n" }.joined(), to: lines, linesPath)
    try Self.write(text, to: table, tablePath)
    rows += new
  }

  private static func write(_ text: String, to file: Int32, _ path: String) throws(FileError) {
    let bytes = Array(text.utf8)
    guard Foundation.write(file, bytes, bytes.count) == bytes.count else {
      throw FileError(path: path, action: "write", reason: String(cString: strerror(errno)))
    }
  }

  /// All keys of the rows, in the order in which they first occur.
  private static func columns(_ rows: [SweepRow]) -> [String] {
    var seen: Set<String> = []
    return rows.flatMap(\.keys).filter { seen.insert($0).inserted }
  }

  /// Writes what there is, as it is.
  private func write() throws(FileError) {
    columns = Self.columns(rows)
    var text = rows.isEmpty ? "" : columns.map(SweepRow.quoted).joined(separator: ",") + "\n"
    for row in rows { text += row.cells(columns) + "\n" }
    try AtomicFile.write(rows.map { $0.line + "\n" }.joined(), to: linesPath)
    try AtomicFile.write(text, to: tablePath)
  }

  /// Writes everything in the order of points and of `systems`, and the summary.
  public func finish(_ grid: SweepGrid, systems: [String], baseline: String) throws(FileError) {
    let rank = Dictionary(systems.enumerated().map { ($1, $0) }) { first, _ in first }
    rows.sort {
      ($0.point, rank[$0.system] ?? .max, $0.system)
        < ($1.point, rank[$1.system] ?? .max, $1.system)
    }
    try write()
    try AtomicFile.write(
      SweepSummary.csv(rows, grid, baseline: baseline), to: folder + "/summary.csv")
  }
}
