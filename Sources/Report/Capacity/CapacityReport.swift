// Capacities as a table, JSON or CSV.

import JSONText

/// What was found for one system at one point of the choices.
public struct CapacityRow: Sendable {
  /// Path and value of each choice.
  public var choices: [(path: String, value: String)]
  public var system: String
  public var price: Double?
  public var best: CapacityRule.Trial?
  public var beyond: CapacityRule.Trial?

  public init(
    choices: [(path: String, value: String)], system: String, price: Double?,
    best: CapacityRule.Trial?, beyond: CapacityRule.Trial?
  ) {
    self.choices = choices
    self.system = system
    self.price = price
    self.best = best
    self.beyond = beyond
  }

  private var pricePerRate: Double? {
    guard let price, let rate = best?.rate else { return nil }
    return price / rate
  }

  /// Everything by key, in order; what there is not is null.
  var members: [(key: String, value: JSONValue)] {
    func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    var members = choices.map { choice in
      (key: choice.path, value: SweepRow.value(choice.value).value)
    }
    members += [
      ("system", .string(system)), ("highest_rate_rps", number(best?.rate)),
      ("beyond_rate_rps", number(beyond?.rate)),
      ("beyond", beyond?.excess.map { .string($0) } ?? .null),
      ("price", number(price)), ("price_per_rps", number(pricePerRate)),
    ]
    let figures = (best ?? beyond)?.figures.map(\.key) ?? []
    return members + figures.map { ($0, number(best?[$0])) }
  }

  /// Cells of the table by column, in order.
  var cells: [(column: String, text: String)] {
    let none = "-"
    func text(_ value: Double?, _ decimals: Int) -> String {
      value.map { Decimals.text($0, decimals) } ?? none
    }
    var cells = choices.map { (column: $0.path, text: $0.value) }
    cells.append(("system", system))
    cells.append(("requests/s", best.map { "\($0.rate)" } ?? none))
    for (key, _) in (best ?? beyond)?.figures ?? [] {
      let words = key.split(separator: "_").map(String.init)
      switch key {
      case "goodput_share": cells.append(("goodput %", text(best?[key].map { $0 * 100 }, 1)))
      case "request_throughput": cells.append(("throughput", text(best?[key], 3)))
      case "failed": break
      default:
        cells.append(("\(words[0].uppercased()) \(words[1].uppercased()) ms", text(best?[key], 1)))
      }
    }
    if let price {
      cells += [
        ("price", text(price, 0)), ("per request/s", text(pricePerRate, 0)),
      ]
    }
    let next = beyond.map { "\($0.rate): \($0.excess ?? "")" } ?? none
    cells.append(("too much at", next))
    return cells
  }
}

/// Renders rows.
public enum CapacityReport {
  public static func table(_ rows: [CapacityRow]) -> String {
    guard let first = rows.first else { return "" }
    let header = first.cells.map(\.column)
    // The first columns are words, and so is the last.
    let left = first.choices.count + 1
    return TextColumns.aligned(
      [header] + rows.map { $0.cells.map(\.text) }, toTheRight: left...(header.count - 2)
    ).joined(separator: "\n") + "\n"
  }

  public static func json(_ rows: [CapacityRow], rule: String, name: String) -> JSONValue {
    .object([
      "schema": .string("tract-sim-capacity/1"), "name": .string(name), "rule": .string(rule),
      "rows": .list(
        rows.map { row in .object(row.members.map { ($0.key, JSONNode($0.value)) }) }),
    ])
  }

  public static func csv(_ rows: [CapacityRow]) -> String {
    guard let first = rows.first else { return "" }
    let lines =
      [first.members.map { SweepRow.quoted($0.key) }]
      + rows.map { row in
        row.members.map { member in
          switch member.value {
          case .null: ""
          case .string(let text): SweepRow.quoted(text)
          case let value: SweepRow.quoted(value.text(indented: false))
          }
        }
      }
    return lines.map { $0.joined(separator: ",") + "\n" }.joined()
  }
}
