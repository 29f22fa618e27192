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
    var hash: BlockHash
    var index: Int32
    /// The line to look at next, and how many were looked at before it.
    var slot: Int32
    var distance: Int32 = 0
    /// First line seen where the hash may be put; −1 if none.
    var vacant: Int32 = -1
    var tornReads: Int32 = 0

    /// Where the hash may be put if nothing holds it and the probe ends at `slot`.
    var vacancy: Int32 { vacant >= 0 ? vacant : slot }
  }

  private var open: [Item] = []
  /// Lines read for each open hash in the next round.
  private var span = 1
  private var stopsAtMiss = false
  /// The first hash known to have no entry.
  private var firstMiss: Int?
  private(set) var findings: [Finding] = []

  /// Times a torn line is read again. Its writer needs some ten nanoseconds more.
  private static var tornReadLimit: Int { 64 }
  /// Lines read for one hash in one round at most: hashes that far out are rare, and what is read
  /// beyond the entry is wasted.
  private static var largestSpan: Int { 16 }

  /// Nothing to look for.
  init() {}

  /// Looks for `count` hashes.
  /// - Parameter stopsAtMiss: whether hashes after the first without an entry are of no interest;
  ///   their findings are then without meaning.
  mutating func begin(
    _ count: Int, in geometry: PoolGeometry, stopsAtMiss: Bool = false, hash: (Int) -> BlockHash
  ) {
    self.stopsAtMiss = stopsAtMiss
    span = 1
    firstMiss = nil
    findings.removeAll(keepingCapacity: true)
    findings.append(contentsOf: repeatElement(.absent(vacant: -1), count: count))
    open.removeAll(keepingCapacity: true)
    open.reserveCapacity(count)
    for index in 0..<count {
      let hash = hash(index)
      let slot = geometry.slot(of: hash, distance: 0)
      open.append(Item(hash: hash, index: Int32(index), slot: Int32(slot)))
    }
  }

  /// Forgets what was found.
  mutating func end() {
    findings.removeAll(keepingCapacity: true)
    open.removeAll(keepingCapacity: true)
    firstMiss = nil
  }

  /// One round; `.done` when every hash has its finding.
  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Void> {
    let window = min(client.geometry.probeWindow, client.geometry.entriesPerShard)
    for item in open {
      var slot = Int(item.slot)
      memory.flush(client.geometry.entry(slot))
      for _ in 1..<min(span, window - Int(item.distance)) {
        slot = client.geometry.next(after: slot)
        memory.flush(client.geometry.entry(slot))
      }
    }
    memory.fence()
    var kept = 0
    for position in open.indices {
      guard look(position, window, &memory, &client) else { continue }
      open[kept] = open[position]
      kept += 1
    }
    open.removeLast(open.count - kept)
    span = min(2 * span, Self.largestSpan)
    if stopsAtMiss, let miss = firstMiss { open.removeAll { Int($0.index) > miss } }
    return open.isEmpty ? .done(()) : .sync
  }

  /// Looks at an item's lines of this round; false when it has its finding.
  private mutating func look<M: SharedMemory & ~Copyable>(
    _ position: Int, _ window: Int, _ memory: inout M, _ client: inout StoreClient
  ) -> Bool {
    for _ in 0..<min(span, window - Int(open[position].distance)) {
      let before = open[position].distance
      let line = memory.loadLine(client.geometry.entry(Int(open[position].slot)))
      guard judge(position, line, window, &client) else { return false }
      // A torn line is read again in the next round.
      if open[position].distance == before { return true }
    }
    return true
  }

  /// Judges the line an item is at; false when it has its finding.
  private mutating func judge(
    _ position: Int, _ line: Line64, _ window: Int, _ client: inout StoreClient
  ) -> Bool {
    let item = open[position]
    // Most lines are empty.
    if line.isZero { return conclude(item, .absent(vacant: Int(item.vacancy))) }
    let believed =
      client.mutant == .believesTornLines
      ? IndexEntry(unsealed: line, in: client.geometry) : nil
    guard let entry = IndexEntry(line, in: client.geometry) ?? believed else {
      if client.mutant == .takesUnreadableForEmpty {
        return conclude(item, .absent(vacant: Int(item.vacancy)))
      }
      // Passing a torn line over could put a hash into the index twice.
      open[position].tornReads += 1
      return Int(item.tornReads) + 1 < Self.tornReadLimit || conclude(item, .unreadable)
    }
    switch entry.state {
    case .empty: return conclude(item, .absent(vacant: Int(item.vacancy)))
    case .tomb: open[position].vacant = item.vacancy
    case .reserved, .ready, .evicting:
      let isSame =
        entry.hash == item.hash
        || client.mutant == .comparesHalfTheHash && entry.hash.hi == item.hash.hi
      if isSame { return conclude(item, .entry(entry, slot: Int(item.slot))) }
    }
    open[position].distance += 1
    guard Int(open[position].distance) < window else {
      return conclude(item, .absent(vacant: Int(open[position].vacant)))
    }
    open[position].slot = Int32(client.geometry.next(after: Int(item.slot)))
    return true
  }

  /// Notes the finding of an item; false, as it is not open any more.
  private mutating func conclude(_ item: Item, _ finding: Finding) -> Bool {
    findings[Int(item.index)] = finding
    if case .entry = finding { return false }
    firstMiss = min(firstMiss ?? .max, Int(item.index))
    return false
  }
}
