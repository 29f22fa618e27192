// A set of locks by value, as a request line carries it.

/// Up to `PoolGeometry.lockSetLimit` lock numbers, in the order given; no memory of its own.
package struct LockNumbers: Hashable, Sendable, RandomAccessCollection,
  ExpressibleByArrayLiteral
{
  private var low: UInt64 = 0
  private var high: UInt64 = 0
  private var size: UInt8 = 0

  package init() {}

  /// - Precondition: at most `PoolGeometry.lockSetLimit` numbers.
  package init(_ numbers: some Sequence<UInt16>) {
    for number in numbers { append(number) }
  }

  package init(arrayLiteral numbers: UInt16...) { self.init(numbers) }

  /// The first `count` numbers of two words of a line, 16 bits each.
  init(_ low: UInt64, _ high: UInt64, count: Int) {
    for index in 0..<Swift.min(count, PoolGeometry.lockSetLimit) {
      append(UInt16(truncatingIfNeeded: (index < 4 ? low : high) >> Self.shift(index)))
    }
  }

  mutating func append(_ number: UInt16) {
    precondition(count < PoolGeometry.lockSetLimit)
    let bits = UInt64(number) << Self.shift(count)
    if count < 4 { low |= bits } else { high |= bits }
    size += 1
  }

  private static func shift(_ index: Int) -> UInt64 { 16 * UInt64(index % 4) }

  /// The same in ascending order.
  var ascending: LockNumbers {
    let isAscending = (1..<Swift.max(1, count)).allSatisfy { self[$0 - 1] < self[$0] }
    return isAscending ? self : LockNumbers(sorted())
  }

  /// The two words that a line carries.
  var words: (UInt64, UInt64) { (low, high) }

  package var startIndex: Int { 0 }
  package var endIndex: Int { Int(size) }
  package subscript(index: Int) -> UInt16 {
    UInt16(truncatingIfNeeded: (index < 4 ? low : high) >> Self.shift(index))
  }
}
