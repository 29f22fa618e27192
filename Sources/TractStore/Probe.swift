// Finding hashes in the index: batches of linear probes.

import SharedMemory

/// Probes the index for many hashes at once, in rounds of reads that overlap.
///
/// The first round reads one line for each hash, later ones twice as many as the round before for
/// each hash still open: a line more costs a fraction of a round more, and most need one line.
struct Probe: Hashable {
  /// What the index holds for a hash.
  enum Finding: Hashable {
    /// The entry and its line.
    case entry(IndexEntry, slot: Int)
    /// No entry; the line where one may be put, −1 if the window is full.
    case absent(vacant: Int)
    /// A line that stays torn may hold the hash, so there is no telling.
    case unreadable
  }

  private struct Item: Hashable {
    var index: Int
    var distance = 0
    /// First line seen where the hash may be put; −1 if none.
    var vacant = -1
    var tornReads = 0
  }

  private var open: [Item]
  /// Lines read for each open hash in the next round.
  private var span = 1
  private let stopsAtMiss: Bool
  /// The first hash known to have no entry.
  private var firstMiss: Int?
  private let hashes: ArraySlice<BlockHash>
  private(set) var findings: [Finding]

  /// Times a torn line is read again. Its writer needs some ten nanoseconds more.
  private static var tornReadLimit: Int { 64 }
  /// Lines read for one hash in one round at most: hashes that far out are rare, and what is read
  /// beyond the entry is wasted.
  private static var largestSpan: Int { 16 }

  /// - Parameter stopsAtMiss: whether hashes after the first without an entry are of no interest;
  ///   their findings are then without meaning.
  init(_ hashes: ArraySlice<BlockHash>, stopsAtMiss: Bool = false) {
    self.hashes = hashes
    self.stopsAtMiss = stopsAtMiss
    findings = Array(repeating: .absent(vacant: -1), count: hashes.count)
    open = hashes.indices.map { Item(index: $0 - hashes.startIndex) }
  }

  /// One round; `.done` when every hash has its finding.
  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry, mutant: Mutant? = nil
  ) -> Step<Void> {
    let window = min(geometry.probeWindow, geometry.entriesPerShard)
    var slots: [Int] = []
    slots.reserveCapacity(open.count * span)
    for item in open {
      let hash = hashes[hashes.startIndex + item.index]
      for distance in item.distance..<min(item.distance + span, window) {
        slots.append(geometry.slot(of: hash, distance: distance))
      }
    }
    memory.invalidate(slots.map { geometry.entry($0) })
    var kept = 0
    var begin = 0
    for position in open.indices {
      let end = begin + min(span, window - open[position].distance)
      let next = look(open[position], slots[begin..<end], &memory, geometry, window, mutant)
      begin = end
      guard let next else { continue }
      open[kept] = next
      kept += 1
    }
    open.removeLast(open.count - kept)
    span = min(2 * span, Self.largestSpan)
    if stopsAtMiss, let miss = firstMiss { open.removeAll { $0.index > miss } }
    return open.isEmpty ? .done(()) : .sync
  }

  /// Looks at an item's lines of this round; returns how to go on, or nil when it has its finding.
  private mutating func look<M: SharedMemory & ~Copyable>(
    _ item: Item, _ slots: ArraySlice<Int>, _ memory: inout M, _ geometry: PoolGeometry,
    _ window: Int, _ mutant: Mutant?
  ) -> Item? {
    var item = item
    for slot in slots {
      let line = memory.loadLine(geometry.entry(slot))
      guard let next = judge(item, slot, line, geometry, window, mutant) else { return nil }
      // A torn line is read again in the next round.
      if next.distance == item.distance { return next }
      item = next
    }
    return item
  }

  /// Judges one line; returns how to go on, or nil when the hash has its finding.
  private mutating func judge(
    _ item: Item, _ slot: Int, _ line: Line64, _ geometry: PoolGeometry, _ window: Int,
    _ mutant: Mutant?
  ) -> Item? {
    var item = item
    let believed =
      mutant == .believesTornLines ? IndexEntry(unsealed: line, in: geometry) : nil
    guard let entry = IndexEntry(line, in: geometry) ?? believed else {
      if mutant == .takesUnreadableForEmpty {
        conclude(item.index, .absent(vacant: item.vacant >= 0 ? item.vacant : slot))
        return nil
      }
      // Passing a torn line over could put a hash into the index twice.
      item.tornReads += 1
      if item.tornReads < Self.tornReadLimit { return item }
      conclude(item.index, .unreadable)
      return nil
    }
    switch entry.state {
    case .empty:
      conclude(item.index, .absent(vacant: item.vacant >= 0 ? item.vacant : slot))
      return nil
    case .tomb:
      if item.vacant < 0 { item.vacant = slot }
    case .reserved, .ready, .evicting:
      let hash = hashes[hashes.startIndex + item.index]
      if entry.hash == hash || mutant == .comparesHalfTheHash && entry.hash.hi == hash.hi {
        conclude(item.index, .entry(entry, slot: slot))
        return nil
      }
    }
    item.distance += 1
    if item.distance < window { return item }
    conclude(item.index, .absent(vacant: item.vacant))
    return nil
  }

  private mutating func conclude(_ index: Int, _ finding: Finding) {
    findings[index] = finding
    if case .entry = finding { return }
    firstMiss = min(firstMiss ?? index, index)
  }
}
