// This node's pins: lines that evictors on any node read before they take a block away.

import SharedMemory

/// Pins of one node, counted in DRAM and published line by line.
///
/// Two tiers: only the first pin and the last unpin of a block touch shared memory. Lines are
/// written by this node alone. A pin may outstay its use, never the other way round.
struct PinTable: Hashable {
  /// A place of the table.
  private struct Pin: Hashable {
    /// As it is, or will be after the next `publish`, in shared memory; 0 if the place is free.
    var word: UInt64 = 0
    var count: Int32 = 0
    /// Whether the entry was read again after the pin was published.
    var isProven = false
    /// The next place with a pin of the same block, of another generation; −1 if there is none.
    var next: Int32 = -1
  }

  private let geometry: PoolGeometry
  private let node: Int
  private var pins: [Pin] = []
  /// The first place with a pin of each block; −1 if there is none.
  private var first: [Int32]
  private var freePlaces: [Int] = []
  private var dirtyLines: [Int] = []
  private var isDirty: [Bool] = []
  private var publishedLines = 0
  private var incarnation: UInt32 = 0

  init(_ geometry: PoolGeometry, node: Int) {
    self.geometry = geometry
    self.node = node
    first = Array(repeating: -1, count: geometry.blocks)
  }

  /// Blocks that are pinned, those of two generations twice.
  var count: Int { pins.count - freePlaces.count }

  /// A pin as it stands in shared memory; never 0. The lower half of the generation is enough: a
  /// pin that is taken for a later one of the same block only outstays its use.
  static func word(block: Int, generation: UInt64) -> UInt64 {
    UInt64(block + 1) << 32 | generation & 0xFFFF_FFFF
  }

  /// Block and lower half of the generation of a pin word that is not 0.
  static func pin(_ word: UInt64) -> (block: Int, generation: UInt32) {
    (Int(word >> 32) - 1, UInt32(truncatingIfNeeded: word))
  }

  func isPinned(block: Int, generation: UInt64) -> Bool {
    place(of: block, Self.word(block: block, generation: generation)) >= 0
  }

  /// −1 if the block is not pinned so.
  @inline(__always)
  private func place(of block: Int, _ word: UInt64) -> Int {
    var place = Int(first[block])
    while place >= 0, pins[place].word != word { place = Int(pins[place].next) }
    return place
  }

  /// Begins this life's pins: none. What an earlier life left in the lines is not counted by the
  /// header any more.
  mutating func begin<M: SharedMemory & ~Copyable>(_ member: Member, _ memory: inout M) {
    incarnation = member.incarnation
    memory.writeLine(header, at: geometry.pinHeader(node: node))
  }

  private var header: Line64 {
    Line64(UInt64(publishedLines), UInt64(incarnation), 0, 0, 0, 0, 0, 0).sealed(sequence: 1)
  }

  /// Counts a pin; true if its line must be published and the entry read again before it is
  /// believed; nil if the table is full.
  mutating func add(block: Int, generation: UInt64) -> Bool? {
    let word = Self.word(block: block, generation: generation)
    let known = place(of: block, word)
    if known >= 0 {
      pins[known].count += 1
      return !pins[known].isProven
    }
    let place: Int
    if let free = freePlaces.popLast() {
      place = free
    } else {
      guard pins.count < geometry.pinLinesPerNode * PoolGeometry.pinsPerLine else { return nil }
      place = pins.count
      pins.append(Pin())
    }
    link(place, block, Pin(word: word, count: 1))
    mark(place)
    return true
  }

  /// The entry was READY with this generation after the pin was at the device.
  mutating func prove(block: Int, generation: UInt64) {
    let place = place(of: block, Self.word(block: block, generation: generation))
    if place >= 0 { pins[place].isProven = true }
  }

  mutating func remove(block: Int, generation: UInt64) {
    let place = place(of: block, Self.word(block: block, generation: generation))
    guard place >= 0 else {
      preconditionFailure("block \(block) generation \(generation) is unpinned more than pinned")
    }
    if pins[place].count > 1 {
      pins[place].count -= 1
      return
    }
    unlink(place, block)
    freePlaces.append(place)
    mark(place)
  }

  /// Places of one block are in ascending order, so that equal tables compare equal.
  @inline(__always)
  private mutating func link(_ place: Int, _ block: Int, _ pin: Pin) {
    var pin = pin
    var before: Int32 = -1
    pin.next = first[block]
    while pin.next >= 0, pin.next < place {
      (before, pin.next) = (pin.next, pins[Int(pin.next)].next)
    }
    pins[place] = pin
    setNext(of: before, block, Int32(place))
  }

  @inline(__always)
  private mutating func unlink(_ place: Int, _ block: Int) {
    var before: Int32 = -1
    var after = first[block]
    while after != place { (before, after) = (after, pins[Int(after)].next) }
    setNext(of: before, block, pins[place].next)
    pins[place] = Pin()
  }

  @inline(__always)
  private mutating func setNext(of place: Int32, _ block: Int, _ next: Int32) {
    if place < 0 { first[block] = next } else { pins[Int(place)].next = next }
  }

  @inline(__always)
  private mutating func mark(_ place: Int) {
    let line = place / PoolGeometry.pinsPerLine
    if line >= isDirty.count || !isDirty[line] { markLine(line) }
  }

  private mutating func markLine(_ line: Int) {
    while isDirty.count <= line { isDirty.append(false) }
    isDirty[line] = true
    dirtyLines.append(line)
  }

  var needsPublishing: Bool { !dirtyLines.isEmpty }

  /// Writes changed pin lines; when it returns they are at the device.
  mutating func publish<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    guard !dirtyLines.isEmpty else { return }
    let used = (pins.count + PoolGeometry.pinsPerLine - 1) / PoolGeometry.pinsPerLine
    // Evictors read only the lines the header counts; it never shrinks.
    let grows = used > publishedLines
    if grows { publishedLines = used }
    memory.writeLines(dirtyLines.count + (grows ? 1 : 0)) { index in
      if grows, index == 0 { return LineWrite(header, at: geometry.pinHeader(node: node)) }
      let line = dirtyLines[grows ? index - 1 : index]
      return LineWrite(content(of: line), at: geometry.pinLine(node: node, line))
    }
    for line in dirtyLines { isDirty[line] = false }
    dirtyLines.removeAll(keepingCapacity: true)
  }

  private func content(of line: Int) -> Line64 {
    var content = Line64()
    let start = line * PoolGeometry.pinsPerLine
    for index in 0..<min(PoolGeometry.pinsPerLine, pins.count - start) {
      content[index] = pins[start + index].word
    }
    return content.sealed(sequence: 1)
  }
}
