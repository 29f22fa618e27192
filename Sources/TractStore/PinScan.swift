// Reading every node's pins, as one who takes blocks away must.

import SharedMemory

/// The pins of all living nodes on some blocks, as an evictor finds them after its EVICTING marks are
/// at the device.
struct PinScan: Hashable {
  /// Which pins are kept: a bit for all blocks whose numbers end alike. Empty if all are.
  private var wanted: [UInt64] = []
  /// Lines to read of each node; empty while the headers are to be read.
  private var counts: [Int] = []
  /// Pin words that are kept, in ascending order, each once.
  private(set) var pinned: [UInt64] = []

  /// A power of two. With a hundred victims of a put, one pin in forty is kept for nothing.
  private static var wantedBits: Int { 4096 }

  /// Forgets what was read.
  mutating func restart() {
    counts.removeAll(keepingCapacity: true)
    pinned.removeAll(keepingCapacity: true)
  }

  /// Forgets what was read, and from now on keeps the pins of `count` blocks, and some of others.
  mutating func restart(_ count: Int, block: (Int) -> Int) {
    restart()
    wanted.removeAll(keepingCapacity: true)
    wanted.append(contentsOf: repeatElement(0, count: Self.wantedBits / 64))
    for index in 0..<count {
      let bit = Self.bit(of: block(index))
      wanted[bit / 64] |= 1 << UInt64(bit % 64)
    }
  }

  private static func bit(of block: Int) -> Int { block & (wantedBits - 1) }

  /// Whether a pin is kept.
  private func wants(_ word: UInt64) -> Bool {
    if wanted.isEmpty { return true }
    let bit = Self.bit(of: PinTable.pin(word).block)
    return wanted[bit / 64] >> UInt64(bit % 64) & 1 != 0
  }

  /// Whether some node pins the block so.
  func isPinned(block: Int, generation: UInt64) -> Bool {
    let word = PinTable.word(block: block, generation: generation)
    var (low, high) = (0, pinned.count)
    while low < high {
      let middle = (low + high) / 2
      if pinned[middle] < word { low = middle + 1 } else { high = middle }
    }
    return low < pinned.count && pinned[low] == word
  }

  /// Steps until all lines are read; a torn line means a pin is being written, so read again.
  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Void> {
    if counts.isEmpty {
      guard readHeaders(&memory, &client) else {
        counts.removeAll(keepingCapacity: true)
        return .wait(nanoseconds: client.pollNanoseconds)
      }
      return .sync
    }
    defer { tidy() }
    guard readLines(&memory, &client) else {
      // If its writer has died, its pins need not be read.
      counts.removeAll(keepingCapacity: true)
      return .wait(nanoseconds: client.pollNanoseconds)
    }
    return .done(())
  }

  /// False if one is torn.
  private mutating func readHeaders<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Bool {
    let nodes = client.geometry.nodes
    memory.invalidate(nodes) { client.geometry.pinHeader(node: $0) }
    for node in 0..<nodes {
      let header = memory.loadLine(client.geometry.pinHeader(node: node))
      let owner = Member(node: node, incarnation: UInt32(truncatingIfNeeded: header[1]))
      // The dead read nothing any more.
      if client.isDead(owner) {
        counts.append(0)
        continue
      }
      guard header.isSealed else { return false }
      counts.append(Int(min(header[0], UInt64(client.geometry.pinLinesPerNode))))
    }
    return true
  }

  /// False if one is torn.
  private mutating func readLines<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Bool {
    for node in counts.indices {
      for line in 0..<counts[node] {
        memory.flush(client.geometry.pinLine(node: node, line))
      }
    }
    memory.fence()
    for node in counts.indices {
      for line in 0..<counts[node] {
        let words = memory.loadLine(client.geometry.pinLine(node: node, line))
        guard words.isSealed || client.mutant == .believesTornLines else { return false }
        for place in 0..<PoolGeometry.pinsPerLine where words[place] != 0 && wants(words[place]) {
          pinned.append(words[place])
        }
      }
    }
    return true
  }

  private mutating func tidy() {
    pinned.sort()
    var kept = 0
    for word in pinned where kept == 0 || pinned[kept - 1] != word {
      pinned[kept] = word
      kept += 1
    }
    pinned.removeLast(pinned.count - kept)
  }
}
