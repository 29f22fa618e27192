// JSON text out, member by member, for files with very many lines.

import Foundation

/// Appends JSON to bytes: what `JSONValue.text(indented: false)` gives, without building values.
public struct JSONBytes: ~Copyable {
  private var buffer: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  public private(set) var count = 0
  /// Whether a member or an element precedes in the container that is open.
  private var follows = false

  public init(capacity: Int = 1 << 12) {
    self.capacity = max(capacity, 64)
    buffer = .allocate(capacity: self.capacity)
  }

  deinit { buffer.deallocate() }

  /// What has been written.
  public var bytes: [UInt8] { Array(UnsafeBufferPointer(start: buffer, count: count)) }

  /// The same, not copied, as long as `body` runs.
  public func withBytes<T, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> T) throws(E) -> T
  {
    try body(UnsafeRawBufferPointer(start: buffer, count: count))
  }

  /// Forgets what has been written, keeping the space.
  public mutating func removeAll() {
    count = 0
    follows = false
  }

  /// Makes room for `extra` more bytes.
  @inline(__always)
  private mutating func reserve(_ extra: Int) {
    if count + extra > capacity { grow(extra) }
  }

  @inline(never)
  private mutating func grow(_ extra: Int) {
    capacity = max(2 * capacity, count + extra)
    let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    grown.update(from: buffer, count: count)
    buffer.deallocate()
    buffer = grown
  }

  /// - Precondition: there is room.
  @inline(__always)
  private mutating func put(_ byte: UInt8) {
    buffer[count] = byte
    count += 1
  }

  @inline(__always)
  private mutating func put(_ text: StaticString) {
    (buffer + count).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
    count += text.utf8CodeUnitCount
  }

  public mutating func raw(_ text: StaticString) {
    reserve(text.utf8CodeUnitCount)
    put(text)
  }

  /// Begins an object; as a member's value, after `key`.
  public mutating func begin() {
    raw("{")
    follows = false
  }

  public mutating func end() {
    raw("}")
    follows = true
  }

  public mutating func endLine() {
    raw("\n")
    follows = false
  }

  /// - Precondition: the key needs no escapes.
  public mutating func key(_ key: StaticString) {
    reserve(key.utf8CodeUnitCount + 4)
    if follows { put(UInt8(ascii: ",")) }
    put(UInt8(ascii: "\""))
    put(key)
    put("\":")
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
    json(key, Array(JSONValue.string(value).text(indented: false).utf8))
  }

  /// A value that is JSON already.
  public mutating func json(_ key: StaticString, _ text: [UInt8]) {
    self.key(key)
    append(text)
  }

  public mutating func number(_ key: StaticString, _ value: Double) {
    self.key(key)
    append(value)
  }

  /// So many billionths, exactly.
  public mutating func number(_ key: StaticString, billionths: Int64) {
    self.key(key)
    reserve(1)
    if billionths < 0 { put(UInt8(ascii: "-")) }
    decimal(billionths: billionths.magnitude)
  }

  /// So many billionths as a plain decimal without zeros at its end.
  public mutating func decimal(billionths: UInt64) {
    reserve(32)
    let (whole, rest) = billionths.quotientAndRemainder(dividingBy: 1_000_000_000)
    put(whole, digits: Self.digits(whole))
    guard rest > 0 else { return }
    put(UInt8(ascii: "."))
    put(rest, digits: 9)
    while buffer[count - 1] == UInt8(ascii: "0") { count -= 1 }
  }

  public mutating func append(_ text: [UInt8]) {
    reserve(text.count)
    text.withUnsafeBufferPointer { text in
      if let start = text.baseAddress { (buffer + count).update(from: start, count: text.count) }
    }
    count += text.count
  }

  private mutating func append(_ value: Double) {
    if value == value.rounded(), abs(value) < 1e15 { return append(Int(value)) }
    guard value.isFinite else { return raw("null") }
    append(Array(value.description.utf8))
  }

  private mutating func append(_ value: Int) {
    reserve(24)
    if value < 0 { put(UInt8(ascii: "-")) }
    let magnitude = UInt64(value.magnitude)
    put(magnitude, digits: Self.digits(magnitude))
  }

  /// Decimal digits of a number, at least one.
  private static func digits(_ value: UInt64) -> Int {
    var (digits, bound) = (1, UInt64(10))
    while value >= bound, digits < 19 {
      digits += 1
      bound *= 10
    }
    return value >= 10_000_000_000_000_000_000 ? 20 : digits
  }

  /// So many digits of a number, zeros first.
  private mutating func put(_ value: UInt64, digits: Int) {
    var value = value
    var place = count + digits
    count = place
    while place - 2 >= count - digits {
      let (rest, pair) = value.quotientAndRemainder(dividingBy: 100)
      place -= 2
      (buffer + place).update(from: Self.pairs.utf8Start + 2 * Int(pair), count: 2)
      value = rest
    }
    if place > count - digits { buffer[place - 1] = UInt8(ascii: "0") + UInt8(value) }
  }

  /// 00 to 99.
  private static var pairs: StaticString {
    """
    0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
    5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899
    """
  }
}
