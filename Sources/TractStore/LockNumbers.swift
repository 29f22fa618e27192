// A set of locks by value, as a request line carries it.

import SharedMemory

/// Up to `PoolGeometry.lockSetLimit` lock numbers, in the order given; no memory of its own.
package struct LockNumbers: Hashable, Sendable, RandomAccessCollection,
  ExpressibleByArrayLiteral
{
  // The words of a line, four numbers in each; zeros beyond the last number.
  private var word0: UInt64 = 0
  private var word1: UInt64 = 0
  private var word2: UInt64 = 0
  private var word3: UInt64 = 0
  private var size: UInt8 = 0

  package init() {}

  /// - Precondition: at most `PoolGeometry.lockSetLimit` numbers.
  package init(_ numbers: some Sequence<UInt16>) {
    for number in numbers { append(number) }
  }

  package init(arrayLiteral numbers: UInt16...) { self.init(numbers) }

  /// The first `count` numbers of words 3 to 6 of a line.
  init(_ line: Line64, count: Int) {
    for index in 0..<Swift.min(count, PoolGeometry.lockSetLimit) {
      append(UInt16(truncatingIfNeeded: line[3 + index / 4] >> UInt64(16 * (index % 4))))
    }
  }

  mutating func append(_ number: UInt16) {
    precondition(count < PoolGeometry.lockSetLimit)
    let place = 2 * count
    withUnsafeMutableBytes(of: &self) {
      $0.storeBytes(of: number.littleEndian, toByteOffset: place, as: UInt16.self)
    }
    size += 1
  }

  /// The same in ascending order.
  var ascending: LockNumbers {
    let isAscending = (1..<Swift.max(1, count)).allSatisfy { self[$0 - 1] < self[$0] }
    return isAscending ? self : LockNumbers(sorted())
  }

  /// The words that a line carries.
  var words: (UInt64, UInt64, UInt64, UInt64) { (word0, word1, word2, word3) }

  package var startIndex: Int { 0 }
  package var endIndex: Int { Int(size) }
  package subscript(index: Int) -> UInt16 {
    precondition(index >= 0 && index < PoolGeometry.lockSetLimit)
    return withUnsafeBytes(of: self) {
      UInt16(littleEndian: $0.load(fromByteOffset: 2 * index, as: UInt16.self))
    }
  }
}
