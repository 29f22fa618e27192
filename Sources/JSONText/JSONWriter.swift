// JSON text out: members in their order, numbers in their shortest exact form.

extension JSONNode {
  /// The value as text; `indented` breaks lines with two spaces a level.
  public func text(indented: Bool) -> String { value.text(indented: indented) }
}

extension JSONValue {
  /// The value as text: the same bytes for the same value, everywhere.
  ///
  /// Numbers print as the shortest decimal that reads back exactly; those that are not finite,
  /// which JSON cannot hold, print as `null`.
  public func text(indented: Bool) -> String {
    var text = ""
    write(to: &text, indented: indented, level: 0)
    return text
  }

  private func write(to text: inout String, indented: Bool, level: Int) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .number(let value): text += Self.number(value)
    case .string(let value): Self.quote(value, to: &text)
    case .array(let elements):
      // Arrays of plain values stay on one line.
      let nested = elements.contains { $0.value.isContainer }
      Self.list("[", "]", elements.count, indented && nested, level, &text) { index, text in
        elements[index].value.write(to: &text, indented: indented, level: level + 1)
      }
    case .object(let members):
      Self.list("{", "}", members.count, indented, level, &text) { index, text in
        Self.quote(members[index].key, to: &text)
        text += indented ? ": " : ":"
        members[index].value.value.write(to: &text, indented: indented, level: level + 1)
      }
    }
  }

  private var isContainer: Bool {
    switch self {
    case .array, .object: true
    default: false
    }
  }

  private static func list(
    _ open: String, _ close: String, _ count: Int, _ broken: Bool, _ level: Int,
    _ text: inout String, _ element: (Int, inout String) -> Void
  ) {
    text += open
    for index in 0..<count {
      if index > 0 { text += "," }
      if broken { text += "\n" + String(repeating: "  ", count: level + 1) }
      element(index, &text)
    }
    if broken, count > 0 { text += "\n" + String(repeating: "  ", count: level) }
    text += close
  }

  private static func number(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
    return "\(value)"
  }

  private static func quote(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
