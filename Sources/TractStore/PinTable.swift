// This node's pins: lines that evictors on any node read before they take a block away.

import SharedMemory

/// Pins of one node, counted in DRAM and published line by line.
///
/// Two tiers: only the first pin and the last unpin of a block touch shared memory. Lines are
/// written by this node alone. A pin may outstay its use, never the other way round.
struct PinTable: Hashable {
  private struct Pin: Hashable {
    var place: Int
    var count: Int
    /// Whether the entry was read again after the pin was published.
    var isProven = false
  }

  private let geometry: PoolGeometry
  private let node: Int
  private var pins: [UInt64: Pin] = [:]
  /// Pin words as they are, or will be after the next `publish`, in shared memory.
  private var words: [UInt64] = []
  private var freePlaces: [Int] = []
  private var dirtyLines: [Int] = []
  private var isDirty: [Bool] = []
  private var publishedLines = 0
  private var incarnation: UInt32 = 0

  init(_ geometry: PoolGeometry, node: Int) {
    self.geometry = geometry
    self.node = node
  }

  var count: Int { pins.count }

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
    pins[Self.word(block: block, generation: generation)] != nil
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
    if let pin = pins[word] {
      pins[word]?.count += 1
      return !pin.isProven
    }
    let place: Int
    if let free = freePlaces.popLast() {
      place = free
      words[place] = word
    } else {
      guard words.count < geometry.pinLinesPerNode * PoolGeometry.pinsPerLine else { return nil }
      place = words.count
      words.append(word)
    }
    pins[word] = Pin(place: place, count: 1)
    mark(place)
    return true
  }

  /// The entry was READY with this generation after the pin was at the device.
  mutating func prove(block: Int, generation: UInt64) {
    pins[Self.word(block: block, generation: generation)]?.isProven = true
  }

  mutating func remove(block: Int, generation: UInt64) {
    let word = Self.word(block: block, generation: generation)
    guard let pin = pins[word] else {
      preconditionFailure("block \(block) generation \(generation) is unpinned more than pinned")
    }
    if pin.count > 1 {
      pins[word]?.count -= 1
      return
    }
    pins[word] = nil
    words[pin.place] = 0
    freePlaces.append(pin.place)
    mark(pin.place)
  }

  private mutating func mark(_ place: Int) {
    let line = place / PoolGeometry.pinsPerLine
    while isDirty.count <= line { isDirty.append(false) }
    guard !isDirty[line] else { return }
    isDirty[line] = true
    dirtyLines.append(line)
  }

  var needsPublishing: Bool { !dirtyLines.isEmpty }

  /// Writes changed pin lines; when it returns they are at the device.
  mutating func publish<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    guard !dirtyLines.isEmpty else { return }
    var writes: [LineWrite] = []
    let used = (words.count + PoolGeometry.pinsPerLine - 1) / PoolGeometry.pinsPerLine
    if used > publishedLines {
      // Evictors read only the lines the header counts; it never shrinks.
      publishedLines = used
      writes.append(LineWrite(header, at: geometry.pinHeader(node: node)))
    }
    for line in dirtyLines {
      isDirty[line] = false
      var content = Line64()
      for index in 0..<PoolGeometry.pinsPerLine {
        let place = line * PoolGeometry.pinsPerLine + index
        if place < words.count { content[index] = words[place] }
      }
      writes.append(
        LineWrite(content.sealed(sequence: 1), at: geometry.pinLine(node: node, line)))
    }
    dirtyLines.removeAll(keepingCapacity: true)
    memory.writeLines(writes)
  }
}

/// Every pin of every living node, as an evictor finds them after its EVICTING marks are at the
/// device.
struct PinScan: Hashable {
  private enum State: Hashable {
    case headers
    case lines([Int])
  }

  private var state = State.headers
  private(set) var pinned: Set<UInt64> = []

  /// Steps until all lines are read; a torn line means a pin is being written, so read again.
  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: StoreClient
  ) -> Step<Void> {
    let geometry = client.geometry
    switch state {
    case .headers:
      memory.invalidate((0..<geometry.nodes).map { geometry.pinHeader(node: $0) })
      var counts: [Int] = []
      for node in 0..<geometry.nodes {
        let header = memory.loadLine(geometry.pinHeader(node: node))
        let owner = Member(node: node, incarnation: UInt32(truncatingIfNeeded: header[1]))
        // The dead read nothing any more.
        if client.isDead(owner) {
          counts.append(0)
          continue
        }
        guard header.isSealed else { return .wait(nanoseconds: client.pollNanoseconds) }
        counts.append(Int(min(header[0], UInt64(geometry.pinLinesPerNode))))
      }
      state = .lines(counts)
      return .sync
    case .lines(let counts):
      let lines = counts.enumerated().flatMap { node, count in
        (0..<count).map { geometry.pinLine(node: node, $0) }
      }
      memory.invalidate(lines)
      var index = 0
      for count in counts {
        for address in lines[index..<index + count] {
          let line = memory.loadLine(address)
          guard line.isSealed || client.mutant == .believesTornLines else {
            // If its writer has died, its pins need not be read.
            state = .headers
            return .wait(nanoseconds: client.pollNanoseconds)
          }
          for place in 0..<PoolGeometry.pinsPerLine where line[place] != 0 {
            pinned.insert(line[place])
          }
        }
        index += count
      }
      return .done(())
    }
  }
}
