// Finding hashes in the index: batches of linear probes.

import SharedMemory

/// Probes the index for many hashes at once: one round reads one line for each open hash.
struct Probe {
  /// What the index holds for a hash.
  enum Finding: Hashable {
    /// The entry and its line.
    case entry(IndexEntry, slot: Int)
    /// No entry; the line where one may be put, −1 if the window is full. The probe ended at an
    /// empty line right after `tombs` tombs, or at the window's end (`end` −1).
    case absent(vacant: Int, end: Int, tombs: Int)
    /// A line that stays torn may hold the hash, so there is no telling.
    case unreadable
  }

  private struct Item {
    var index: Int
    var distance = 0
    /// First line seen where the hash may be put; −1 if none.
    var vacant = -1
    /// Tombs seen last in a row.
    var tombs = 0
    var tornReads = 0
  }

  private var open: [Item]
  private let hashes: ArraySlice<BlockHash>
  private(set) var findings: [Finding]

  /// Times a torn line is read again. Its writer needs some ten nanoseconds more.
  private static var tornReadLimit: Int { 64 }

  init(_ hashes: ArraySlice<BlockHash>) {
    self.hashes = hashes
    findings = Array(
      repeating: .absent(vacant: -1, end: -1, tombs: 0), count: hashes.count)
    open = hashes.indices.map { Item(index: $0 - hashes.startIndex) }
  }

  /// One round; `.done` when every hash has its finding.
  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) -> Step<Void> {
    memory.invalidate(open.map { geometry.entry(slot(of: $0, geometry)) })
    var kept = 0
    for position in open.indices {
      let slot = slot(of: open[position], geometry)
      let line = memory.loadLine(geometry.entry(slot))
      guard let next = look(open[position], slot, line, geometry) else { continue }
      open[kept] = next
      kept += 1
    }
    open.removeLast(open.count - kept)
    return open.isEmpty ? .done(()) : .sync
  }

  private func slot(of item: Item, _ geometry: PoolGeometry) -> Int {
    geometry.slot(of: hashes[hashes.startIndex + item.index], distance: item.distance)
  }

  /// Judges one line; returns how to go on, or nil when the hash has its finding.
  private mutating func look(
    _ item: Item, _ slot: Int, _ line: Line64, _ geometry: PoolGeometry
  ) -> Item? {
    var item = item
    guard let entry = IndexEntry(line) else {
      // Passing a torn line over could put a hash into the index twice.
      item.tornReads += 1
      if item.tornReads < Self.tornReadLimit { return item }
      findings[item.index] = .unreadable
      return nil
    }
    switch entry.state {
    case .empty:
      findings[item.index] = .absent(
        vacant: item.vacant >= 0 ? item.vacant : slot, end: slot, tombs: item.tombs)
      return nil
    case .tomb:
      if item.vacant < 0 { item.vacant = slot }
      item.tombs += 1
    case .reserved, .ready, .evicting:
      item.tombs = 0
      if entry.hash == hashes[hashes.startIndex + item.index] {
        findings[item.index] = .entry(entry, slot: slot)
        return nil
      }
    }
    item.distance += 1
    if item.distance < min(PoolGeometry.probeWindow, geometry.entriesPerShard) { return item }
    findings[item.index] = .absent(vacant: item.vacant, end: -1, tombs: 0)
    return nil
  }
}
