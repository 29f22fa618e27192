// One row of a sweep: a system at a point, as a line of JSON and of CSV.

import EventKernel
import JSONText
import Workload

/// A system's figures at one point of a sweep.
public struct SweepRow: Sendable {
  public let point: Int
  public let system: String
  /// Members of the line, in order: point, the axes' values, system, figures, fingerprint.
  private let members: [(key: String, value: JSONNode)]

  /// Rows of one point's comparison, in the order of its systems.
  public static func rows(
    _ comparison: Comparison, point: Int, grid: SweepGrid
  ) -> [SweepRow] {
    let mark = fingerprint(comparison.workload)
    let values = zip(grid.axes, grid.values(of: point)).map { axis, text in
      (key: axis.path, value: value(text))
    }
    return comparison.metrics.map { metrics in
      var members = [(key: "point", value: JSONNode(.integer(point)))]
      members += values
      members.append(("system", JSONNode(.string(metrics.system))))
      members += metrics.values.map { ($0.key, JSONNode(.number($0.value))) }
      members.append(("fingerprint", JSONNode(.string(mark))))
      return SweepRow(point: point, system: metrics.system, members: members)
    }
  }

  private init(point: Int, system: String, members: [(key: String, value: JSONNode)]) {
    self.point = point
    self.system = system
    self.members = members
  }

  /// Reads a line of an earlier run; nil if it is none.
  init?(line: some StringProtocol) {
    guard let node = try? JSONParser.parse(Array(line.utf8)),
      case .object(let members) = node.value, case .integer(let point)? = node["point"]?.value,
      case .string(let system)? = node["system"]?.value
    else { return nil }
    self.init(point: point, system: system, members: members)
  }

  /// The row as one line of JSON, without its end.
  public var line: String { JSONValue.object(members).text(indented: false) }

  /// Whether the row is what a workload would give at its point.
  func belongs(to workload: Workload) -> Bool {
    guard case .string(Self.fingerprint(workload))? = self["fingerprint"] else { return false }
    return workload.systems.contains { $0.name == system }
  }

  subscript(key: String) -> JSONValue? { members.first { $0.key == key }?.value.value }

  /// The figure named `key`; nil if the system has none.
  func figure(_ key: String) -> Double? { self[key]?.double }

  /// Keys in order, but for the fingerprint.
  var keys: [String] { members.map(\.key).filter { $0 != "fingerprint" } }

  /// The cells of the given columns, as CSV.
  func cells(_ columns: [String]) -> String {
    columns.map { column in
      switch self[column] {
      case nil, .null: ""
      case .string(let text): Self.quoted(text)
      case let value?: Self.quoted(value.text(indented: false))
      }
    }.joined(separator: ",")
  }

  /// A CSV cell (RFC 4180).
  static func quoted(_ text: String) -> String {
    guard text.contains(where: { ",\"\n".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }

  /// A value of an axis as it stands in JSON.
  static func value(_ text: String) -> JSONNode {
    (try? JSONParser.parse(Array(text.utf8))) ?? JSONNode(.string(text))
  }

  /// Tells runs of different workloads or versions apart: a hash of the resolved file.
  private static func fingerprint(_ workload: Workload) -> String {
    let text = Comparison.version + ResolvedWorkload.json(workload).text(indented: false)
    let digits = String(StableHash.of(text.utf8), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
