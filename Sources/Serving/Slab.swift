// Values that come and go, each in a place of its own.

/// Values of one kind, each in a place where it changes without being moved.
struct Slab<Value>: ~Copyable {
  private var values = Table<Value>()
  private var free: [Int] = []

  /// Takes a place; the one given back last is used again first.
  mutating func add(_ value: consuming Value) -> Int {
    guard let place = free.popLast() else {
      values.append(value)
      return values.count - 1
    }
    values[place] = value
    return place
  }

  /// Gives a place back; the value stays until the place is used again.
  mutating func remove(_ place: Int) { free.append(place) }

  /// All places, those given back among them.
  var indices: Range<Int> { values.indices }

  subscript(place: Int) -> Value {
    unsafeAddress { values.address(of: place) }
    unsafeMutableAddress { values.mutableAddress(of: place) }
  }
}
