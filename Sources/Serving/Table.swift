// Elements in memory of their own, for what is changed at every step.

/// A list that grows and whose elements stay where they are while nothing is appended.
///
/// It cannot be copied, so no access needs to ask whether it is shared.
struct Table<Element>: ~Copyable {
  private var base: UnsafeMutablePointer<Element>
  private(set) var count = 0
  private var capacity = 8

  init() { base = .allocate(capacity: capacity) }

  init(_ elements: some Swift.Sequence<Element>) {
    self.init()
    for element in elements { append(element) }
  }

  deinit {
    base.deinitialize(count: count)
    base.deallocate()
  }

  var indices: Range<Int> { 0..<count }

  mutating func append(_ element: consuming Element) {
    if count == capacity { grow() }
    (base + count).initialize(to: element)
    count += 1
  }

  private mutating func grow() {
    capacity *= 2
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
    larger.moveInitialize(from: base, count: count)
    base.deallocate()
    base = larger
  }

  subscript(index: Int) -> Element {
    unsafeAddress { address(of: index) }
    unsafeMutableAddress { mutableAddress(of: index) }
  }

  @inline(__always) func address(of index: Int) -> UnsafePointer<Element> {
    precondition(index >= 0 && index < count)
    return UnsafePointer(base + index)
  }

  @inline(__always) mutating func mutableAddress(of index: Int) -> UnsafeMutablePointer<Element> {
    precondition(index >= 0 && index < count)
    return base + index
  }
}
