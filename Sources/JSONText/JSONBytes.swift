// JSON text out, member by member, for files with very many lines.

/// Appends JSON to bytes: what `JSONValue.text(indented: false)` gives, without building values.
public struct JSONBytes {
  public private(set) var bytes: [UInt8] = []
  /// Whether a member or an element precedes in the container that is open.
  private var follows = false

  public init() {}

  /// Forgets what has been written, keeping the space.
  public mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    follows = false
  }

  public mutating func raw(_ text: StaticString) {
    bytes.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Begins an object; as a member's value, after `key`.
  public mutating func begin() {
    bytes.append(UInt8(ascii: "{"))
    follows = false
  }

  public mutating func end() {
    bytes.append(UInt8(ascii: "}"))
    follows = true
  }

  public mutating func endLine() {
    bytes.append(UInt8(ascii: "\n"))
    follows = false
  }

  /// - Precondition: the key needs no escapes.
  public mutating func key(_ key: StaticString) {
    if follows { bytes.append(UInt8(ascii: ",")) }
    bytes.append(UInt8(ascii: "\""))
    raw(key)
    raw("\":")
    follows = true
  }

  public mutating func null(_ key: StaticString) {
    self.key(key)
    raw("null")
  }

  public mutating func integer(_ key: StaticString, _ value: Int) {
    self.key(key)
    append(value)
  }

  public mutating func string(_ key: StaticString, _ value: String) {
    self.key(key)
    bytes.append(contentsOf: JSONValue.string(value).text(indented: false).utf8)
  }

  public mutating func number(_ key: StaticString, _ value: Double) {
    self.key(key)
    append(value)
  }

  /// The number `Double(billionths) * 1e-9`.
  ///
  /// A decimal of at most 15 digits that reads back as the number is its shortest one, and needs no
  /// search.
  public mutating func number(_ key: StaticString, billionths: Int64) {
    let value = Double(billionths) * 1e-9
    guard billionths >= 0, billionths < 1_000_000_000_000_000, value == Double(billionths) / 1e9,
      // Smaller ones print with an exponent.
      billionths == 0 || billionths >= 100_000
    else { return number(key, value) }
    self.key(key)
    append(Int(billionths / 1_000_000_000))
    var rest = billionths % 1_000_000_000
    guard rest > 0 else { return }
    var digits = 9
    while rest % 10 == 0 {
      rest /= 10
      digits -= 1
    }
    bytes.append(UInt8(ascii: "."))
    append(digits: UInt64(rest), atLeast: digits)
  }

  private mutating func append(_ value: Double) {
    if value == value.rounded(), abs(value) < 1e15 { return append(Int(value)) }
    guard value.isFinite else { return raw("null") }
    bytes.append(contentsOf: value.description.utf8)
  }

  private mutating func append(_ value: Int) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    append(digits: UInt64(value.magnitude), atLeast: 1)
  }

  private mutating func append(digits value: UInt64, atLeast count: Int) {
    let start = bytes.count
    var (value, left) = (value, count)
    while value > 0 || left > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(value % 10))
      value /= 10
      left -= 1
    }
    bytes[start...].reverse()
  }
}
