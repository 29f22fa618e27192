// Elements in memory of their own, for what is changed at every step.

/// A list that grows and whose elements stay where they are while nothing is appended.
///
/// Unlike an array's, its accesses need not find out who else holds it: a copy of the value is the
/// same list. Confined to one thread.
struct Table<Element> {
  private final class Storage {
    @exclusivity(unchecked) var base: UnsafeMutablePointer<Element>
    @exclusivity(unchecked) var count = 0
    var capacity: Int

    init(capacity: Int) {
      self.capacity = capacity
      base = .allocate(capacity: capacity)
    }

    deinit {
      base.deinitialize(count: count)
      base.deallocate()
    }

    func grow() {
      let larger = UnsafeMutablePointer<Element>.allocate(capacity: 2 * capacity)
      larger.moveInitialize(from: base, count: count)
      base.deallocate()
      base = larger
      capacity *= 2
    }
  }

  private let storage = Storage(capacity: 8)

  init() {}

  init(_ elements: some Swift.Sequence<Element>) {
    for element in elements { append(element) }
  }

  var count: Int { storage.count }
  var indices: Range<Int> { 0..<storage.count }

  func append(_ element: consuming Element) {
    if storage.count == storage.capacity { storage.grow() }
    (storage.base + storage.count).initialize(to: element)
    storage.count += 1
  }

  subscript(index: Int) -> Element {
    @inline(__always) unsafeAddress {
      precondition(index >= 0 && index < storage.count)
      return UnsafePointer(storage.base + index)
    }
    @inline(__always) nonmutating unsafeMutableAddress {
      precondition(index >= 0 && index < storage.count)
      return storage.base + index
    }
  }
}

/// Values of one kind that come and go, each in a place where it changes without being moved.
struct Slab<Value> {
  private let values = Table<Value>()
  private var free: [Int] = []

  /// Takes a place; a place given back is used again first.
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

  var indices: Range<Int> { values.indices }

  subscript(place: Int) -> Value {
    @inline(__always) _read { yield values[place] }
    @inline(__always) nonmutating _modify { yield &values[place] }
  }
}
