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
    var vacancy: Int { Int(vacant >= 0 ? vacant : slot) }
  }

  private var open: [Item] = []
  /// Lines read for each open hash in the next round.
  private var span: Int32 = 1
  private var stopsAtMiss = false
  /// The first hash known to have no entry.
  private var firstMiss: Int?
  private(set) var findings: [Finding] = []
  /// The lines of a round that reads one for each hash; holds something only within a step.
  private var lines: [Line64] = []

  /// Times a torn line is read again. Its writer needs some ten nanoseconds more.
  private static var tornReadLimit: Int { 64 }
  /// Lines read for one hash in one round at most: hashes that far out are rare, and what is read
  /// beyond the entry is wasted.
  private static var largestSpan: Int32 { 16 }

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
    end()
    findings.reserveCapacity(count)
    for _ in 0..<count { findings.append(.absent(vacant: -1)) }
    open.reserveCapacity(count)
    for index in 0..<count {
      let hash = hash(index)
      let slot = geometry.slot(of: hash, distance: 0)
      open.append(Item(hash: hash, index: Int32(index), slot: Int32(slot)))
    }
  }

  /// Forgets what was found.
  mutating func end() {
    if !findings.isEmpty { findings.removeAll(keepingCapacity: true) }
    if !open.isEmpty { open.removeAll(keepingCapacity: true) }
    firstMiss = nil
  }

  /// One round; `.done` when every hash has its finding.
  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Void> {
    let window = Int32(min(client.geometry.probeWindow, client.geometry.entriesPerShard))
    for item in open {
      var slot = Int(item.slot)
      memory.flush(client.geometry.entry(slot))
      for _ in 1..<min(span, window - item.distance) {
        slot = client.geometry.next(after: slot)
        memory.flush(client.geometry.entry(slot))
      }
    }
    memory.fence()
    // Reads one after the other wait for memory together, which the judging in between would prevent.
    if span == 1 {
      lines.reserveCapacity(open.count)
      for item in open { lines.append(memory.loadLine(client.geometry.entry(Int(item.slot)))) }
    }
    // Taken out, so that items change where they lie.
    var open: [Item] = []
    swap(&open, &self.open)
    var kept = 0
    open.withUnsafeMutableBufferPointer { open in
      for position in open.indices {
        let end = min(open[position].distance + span, window)
        let isOver =
          span == 1
          ? !judge(&open[position], lines[position], window, &client)
          : !look(&open[position], until: end, window, &memory, &client)
        if isOver { continue }
        open[kept] = open[position]
        kept += 1
      }
    }
    lines.removeAll(keepingCapacity: true)
    if kept == 0 {
      open.removeAll(keepingCapacity: true)
    } else if kept < open.count {
      open.removeLast(open.count - kept)
    }
    span = min(2 * span, Self.largestSpan)
    if stopsAtMiss, let miss = firstMiss { open.removeAll { Int($0.index) > miss } }
    swap(&open, &self.open)
    return self.open.isEmpty ? .done(()) : .sync
  }

  /// Looks at an item's lines before distance `end`; false when it has its finding.
  private mutating func look<M: SharedMemory & ~Copyable>(
    _ item: inout Item, until end: Int32, _ window: Int32, _ memory: inout M,
    _ client: inout StoreClient
  ) -> Bool {
    repeat {
      let distance = item.distance
      let line = memory.loadLine(client.geometry.entry(Int(item.slot)))
      guard judge(&item, line, window, &client) else { return false }
      // A torn line is read again in the next round.
      if item.distance == distance { return true }
    } while item.distance < end
    return true
  }

  /// Judges the item's next line, and goes on to the one behind it unless it is torn; false when the
  /// item has its finding.
  private mutating func judge(
    _ item: inout Item, _ line: Line64, _ window: Int32, _ client: inout StoreClient
  ) -> Bool {
    // Most lines are empty.
    let judgement =
      line.isZero ? conclude(item, .absent(vacant: item.vacancy)) : judge(&item, line, &client)
    switch judgement {
    case .concluded: return false
    case .torn: return true
    case .passed: break
    }
    item.distance += 1
    guard item.distance < window else {
      _ = conclude(item, .absent(vacant: Int(item.vacant)))
      return false
    }
    item.slot = Int32(client.geometry.next(after: Int(item.slot)))
    return true
  }

  private enum Judgement {
    case concluded
    case passed
    case torn
  }

  private mutating func judge(
    _ item: inout Item, _ line: Line64, _ client: inout StoreClient
  ) -> Judgement {
    let names = client.geometry.names
    let believed =
      client.mutant == .believesTornLines ? IndexEntry(unsealed: line, in: names) : nil
    guard let entry = IndexEntry(line, in: names) ?? believed else {
      if client.mutant == .takesUnreadableForEmpty {
        return conclude(item, .absent(vacant: item.vacancy))
      }
      // Passing a torn line over could put a hash into the index twice.
      item.tornReads += 1
      if item.tornReads < Self.tornReadLimit { return .torn }
      return conclude(item, .unreadable)
    }
    switch entry.state {
    case .empty:
      return conclude(item, .absent(vacant: item.vacancy))
    case .tomb: item.vacant = Int32(item.vacancy)
    case .reserved, .ready, .evicting:
      let isSame =
        entry.hash == item.hash
        || client.mutant == .comparesHalfTheHash && entry.hash.hi == item.hash.hi
      if isSame {
        return conclude(item, .entry(entry, slot: Int(item.slot)))
      }
    }
    return .passed
  }

  private mutating func conclude(_ item: Item, _ finding: Finding) -> Judgement {
    findings[Int(item.index)] = finding
    if case .entry = finding { return .concluded }
    firstMiss = min(firstMiss ?? .max, Int(item.index))
    return .concluded
  }
}
