// Flows of one class in the order in which they end.

/// A binary heap of flows by the amount served per flow at which each ends, then by order of start.
struct FlowEnds {
  struct End {
    /// Amount and order in one number, so that one comparison decides; amounts are not negative.
    let key: UInt128
    let slot: Int32

    init(amount: Double, order: UInt64, slot: Int32) {
      key = UInt128(amount.bitPattern) << 64 | UInt128(order)
      self.slot = slot
    }

    var amount: Double { Double(bitPattern: UInt64(key >> 64)) }
    var order: UInt64 { UInt64(truncatingIfNeeded: key) }
  }

  private var heap: [End] = []

  var count: Int { heap.count }
  var first: End? { heap.first }

  mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

  mutating func push(_ end: End) {
    var position = heap.count
    heap.append(end)
    while position > 0 {
      let parent = (position - 1) / 2
      guard end.key < heap[parent].key else { break }
      heap[position] = heap[parent]
      position = parent
    }
    heap[position] = end
  }

  /// - Precondition: there is one.
  mutating func removeFirst() {
    let last = heap.removeLast()
    guard !heap.isEmpty else { return }
    var position = 0
    while true {
      var child = 2 * position + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1].key < heap[child].key { child += 1 }
      guard heap[child].key < last.key else { break }
      heap[position] = heap[child]
      position = child
    }
    heap[position] = last
  }

  /// Keeps some.
  mutating func keep(where isKept: (End) -> Bool) {
    heap.removeAll { !isKept($0) }
    // What is sorted is a heap.
    heap.sort { $0.key < $1.key }
  }

  /// Counts amounts from `amount` on. Their order stays: numbers that differ still do afterwards.
  mutating func rebase(by amount: Double) {
    for position in heap.indices {
      let end = heap[position]
      heap[position] = End(
        amount: max(0, end.amount - amount), order: end.order, slot: end.slot)
    }
  }
}
