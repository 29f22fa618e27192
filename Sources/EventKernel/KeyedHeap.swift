// A 4-ary heap on one 128-bit key.

/// Values in order of keys that all differ: one unsigned 128-bit comparison decides, which compiles to
/// compare-and-borrow, and the least of four children is found without branches.
@usableFromInline
struct KeyedHeap<Value> {
  @usableFromInline
  struct Entry {
    @usableFromInline var key: UInt128
    @usableFromInline var value: Value

    @inlinable init(key: UInt128, value: Value) {
      self.key = key
      self.value = value
    }
  }

  /// The entries: no parent, at (place − 1) / 4, has a greater key than its children.
  @usableFromInline var entries: ContiguousArray<Entry> = []

  @inlinable init() {}

  @inlinable var first: Entry? { entries.first }

  /// - Complexity: O(log count).
  @inlinable
  mutating func push(_ value: Value, key: UInt128) {
    let entry = Entry(key: key, value: value)
    entries.append(entry)
    var position = entries.count - 1
    while position > 0 {
      let parent = (position - 1) >> 2
      guard key < entries[parent].key else { break }
      entries[position] = entries[parent]
      position = parent
    }
    entries[position] = entry
  }

  /// Removes the entry of the least key; nil if there is none.
  /// - Complexity: O(log count).
  @inlinable
  mutating func popFirst() -> Entry? {
    guard let first = entries.first else { return nil }
    let last = entries.removeLast()
    if !entries.isEmpty { replaceFirst(with: last) }
    return first
  }

  @inlinable
  mutating func replaceFirst(with entry: Entry) {
    let count = entries.count
    var position = 0
    while true {
      let first = position << 2 + 1
      guard first < count else { break }
      var least = first
      var key = entries[first].key
      for child in first + 1..<max(first + 1, min(first + 4, count)) {
        let candidate = entries[child].key
        let less = candidate < key
        least = less ? child : least
        key = less ? candidate : key
      }
      guard key < entry.key else { break }
      entries[position] = entries[least]
      position = least
    }
    entries[position] = entry
  }
}

extension KeyedHeap: Sendable where Value: Sendable {}
extension KeyedHeap.Entry: Sendable where Value: Sendable {}
