// Flows of one class in the order in which they end.

/// Flows by the amount served per flow at which each ends, then by order of start.
struct FlowEnds {
  struct End {
    var amount: Double
    var order: UInt64
    var slot: Int32
  }

  /// Slots by amount and order; amounts are not negative, so that their bits are in order.
  private var heap = KeyedHeap<Int32>()

  var count: Int { heap.entries.count }
  var first: End? { heap.first.map(Self.end) }

  private static func key(_ amount: Double, _ order: UInt64) -> UInt128 {
    UInt128(amount.bitPattern) << 64 | UInt128(order)
  }

  private static func end(_ entry: KeyedHeap<Int32>.Entry) -> End {
    End(
      amount: Double(bitPattern: UInt64(entry.key >> 64)),
      order: UInt64(truncatingIfNeeded: entry.key), slot: entry.value)
  }

  mutating func removeAll() { heap.entries.removeAll(keepingCapacity: true) }

  mutating func push(_ end: End) { heap.push(end.slot, key: Self.key(end.amount, end.order)) }

  /// - Precondition: there is one.
  mutating func removeFirst() { _ = heap.popFirst() }

  /// Keeps some.
  mutating func keep(where isKept: (End) -> Bool) {
    heap.entries.removeAll { !isKept(Self.end($0)) }
    // What is sorted is a heap.
    heap.entries.sort { $0.key < $1.key }
  }

  /// Counts amounts from `amount` on. Their order stays: numbers that differ still do afterwards.
  mutating func rebase(by amount: Double) {
    for place in heap.entries.indices {
      let end = Self.end(heap.entries[place])
      heap.entries[place].key = Self.key(max(0, end.amount - amount), end.order)
    }
  }
}
