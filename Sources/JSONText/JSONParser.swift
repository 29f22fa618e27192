// A strict JSON parser (RFC 8259) that keeps positions and refuses duplicate keys.
//
// Foundation's decoder does neither, and messages that name the line need both.

/// Parses one JSON text.
public struct JSONParser {
  private let bytes: [UInt8]
  private var position = 0
  private var line: Int
  private var lineStart = 0
  private var depth = 0

  /// Deepest nesting accepted.
  public static let depthLimit = 128

  /// Parses `bytes` as one JSON value; `firstLine` is the line number of its first byte.
  /// - Throws: `JSONSyntaxError` at the first fault.
  /// - Complexity: O(bytes).
  public static func parse(_ bytes: [UInt8], firstLine: Int = 1) throws(JSONSyntaxError)
    -> JSONNode
  {
    var parser = JSONParser(bytes: bytes, line: firstLine)
    let node = try parser.value()
    parser.skipSpace()
    if parser.position < bytes.count {
      throw parser.error("unexpected text after the end of the value")
    }
    return node
  }

  private init(bytes: [UInt8], line: Int) {
    self.bytes = bytes
    self.line = line
  }

  private func error(_ message: String) -> JSONSyntaxError {
    JSONSyntaxError(line: line, column: position - lineStart + 1, message: message)
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current {
      switch byte {
      case 0x20, 0x09, 0x0D: position += 1
      case 0x0A:
        position += 1
        line += 1
        lineStart = position
      default: return
      }
    }
  }

  private mutating func value() throws(JSONSyntaxError) -> JSONNode {
    skipSpace()
    let (line, column) = (line, position - lineStart + 1)
    guard let byte = current else { throw error("the text ends where a value should stand") }
    let value: JSONValue
    switch byte {
    case UInt8(ascii: "{"): value = try object()
    case UInt8(ascii: "["): value = try array()
    case UInt8(ascii: "\""): value = .string(try string())
    case UInt8(ascii: "t"): value = try literal("true", .bool(true))
    case UInt8(ascii: "f"): value = try literal("false", .bool(false))
    case UInt8(ascii: "n"): value = try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): value = try number()
    default: throw error("unexpected character \(Self.shown(byte))")
    }
    return JSONNode(value, line: line, column: column)
  }

  private static func shown(_ byte: UInt8) -> String {
    byte >= 0x20 && byte < 0x7F ? "'\(Character(UnicodeScalar(byte)))'" : "byte \(byte)"
  }

  private mutating func literal(_ text: StaticString, _ value: JSONValue)
    throws(JSONSyntaxError) -> JSONValue
  {
    for offset in 0..<text.utf8CodeUnitCount {
      guard current == text.utf8Start[offset] else {
        throw error("unknown word; allowed are true, false and null")
      }
      position += 1
    }
    return value
  }

  private mutating func enter() throws(JSONSyntaxError) {
    depth += 1
    if depth > Self.depthLimit { throw error("nested deeper than \(Self.depthLimit) levels") }
    position += 1
  }

  private mutating func array() throws(JSONSyntaxError) -> JSONValue {
    try enter()
    var elements: [JSONNode] = []
    skipSpace()
    if current == UInt8(ascii: "]") {
      position += 1
      depth -= 1
      return .array([])
    }
    while true {
      elements.append(try value())
      skipSpace()
      guard let byte = current else { throw error("the text ends inside an array") }
      guard byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") else {
        throw error("expected ',' or ']', found \(Self.shown(byte))")
      }
      position += 1
      if byte == UInt8(ascii: "]") { break }
    }
    depth -= 1
    return .array(elements)
  }

  private mutating func object() throws(JSONSyntaxError) -> JSONValue {
    try enter()
    var members: [(key: String, value: JSONNode)] = []
    // Of objects with many keys; a few are compared faster than hashed.
    var keys: Set<String> = []
    skipSpace()
    if current == UInt8(ascii: "}") {
      position += 1
      depth -= 1
      return .object([])
    }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else {
        throw error(current == nil ? "the text ends inside an object" : "expected a key in quotes")
      }
      let key = try string()
      if members.count == 16 { keys = Set(members.map(\.key)) }
      let isKnown =
        members.count < 16
        ? members.contains { $0.key == key } : !keys.insert(key).inserted
      if isKnown {
        throw error("the key \"\(key)\" stands twice in one object")
      }
      skipSpace()
      guard current == UInt8(ascii: ":") else { throw error("expected ':' after \"\(key)\"") }
      position += 1
      members.append((key, try value()))
      skipSpace()
      guard let byte = current else { throw error("the text ends inside an object") }
      guard byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") else {
        throw error("expected ',' or '}', found \(Self.shown(byte))")
      }
      position += 1
      if byte == UInt8(ascii: "}") { break }
    }
    depth -= 1
    return .object(members)
  }

  private mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = position
    var isInteger = true
    if current == UInt8(ascii: "-") { position += 1 }
    let firstDigit = current
    try digits()
    if firstDigit == UInt8(ascii: "0"), position - start > (bytes[start] == 0x2D ? 2 : 1) {
      throw error("a number must not begin with 0")
    }
    if current == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      try digits()
    }
    if let byte = current, byte | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
    if isInteger {
      var value = 0
      let negative = bytes[start] == UInt8(ascii: "-")
      var overflow = false
      for byte in bytes[(negative ? start + 1 : start)..<position] {
        let (product, first) = value.multipliedReportingOverflow(by: 10)
        let (sum, second) = product.subtractingReportingOverflow(Int(byte - 0x30))
        overflow = overflow || first || second
        value = sum
      }
      if !overflow, negative || value != .min { return .integer(negative ? value : -value) }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Double(text), value.isFinite else {
      throw error("the number \(text) is out of range")
    }
    return .number(value)
  }

  private mutating func digits() throws(JSONSyntaxError) {
    let start = position
    while let byte = current, byte >= 0x30, byte <= 0x39 { position += 1 }
    if position == start { throw error("expected a digit") }
  }

  private mutating func string() throws(JSONSyntaxError) -> String {
    position += 1
    var start = position
    var text: [UInt8] = []
    while true {
      guard let byte = current else { throw error("the text ends inside a string") }
      if byte == UInt8(ascii: "\"") { break }
      if byte < 0x20 { throw error("a control character must be escaped in a string") }
      if byte == UInt8(ascii: "\\") {
        text.append(contentsOf: bytes[start..<position])
        position += 1
        text.append(contentsOf: Array(String(try escape()).utf8))
        start = position
      } else {
        position += 1
      }
    }
    text.append(contentsOf: bytes[start..<position])
    position += 1
    guard let string = String(validating: text, as: UTF8.self) else {
      throw error("a string is not valid UTF-8")
    }
    return string
  }

  private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar {
    guard let byte = current else { throw error("the text ends inside a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UnicodeScalar(byte)
    case UInt8(ascii: "b"): return "\u{08}"
    case UInt8(ascii: "f"): return "\u{0C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let first = try hexadecimal()
      if let scalar = Unicode.Scalar(first) { return scalar }
      // A high surrogate must be followed by a low one.
      if first < 0xDC00, current == UInt8(ascii: "\\") {
        position += 1
        if current == UInt8(ascii: "u") {
          position += 1
          let second = try hexadecimal()
          let code = 0x10000 + (UInt32(first) - 0xD800) << 10 + UInt32(second) &- 0xDC00
          if second >= 0xDC00, second < 0xE000, let scalar = Unicode.Scalar(code) {
            return scalar
          }
        }
      }
      throw error("a surrogate escape stands alone")
    default: throw error("unknown escape \\\(Self.shown(byte))")
    }
  }

  private mutating func hexadecimal() throws(JSONSyntaxError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
        throw error("expected four hexadecimal digits after \\u")
      }
      value = value << 4 | UInt16(digit)
      position += 1
    }
    return value
  }
}
