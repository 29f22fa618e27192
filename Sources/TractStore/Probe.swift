// Finding hashes in the index: batches of linear probes.

import SharedMemory

/// Probes the index for many hashes at once: one round reads one line for each open hash.
struct Probe {
  /// What the index holds for a hash.
  enum Finding: Hashable {
    /// The entry and its line.
    case entry(IndexEntry, slot: Int)
    /// No entry; the line where one may be put, −1 if the window is full.
    case absent(vacant: Int)
  }

  private var open: [(index: Int, distance: Int, vacant: Int)]
  private let hashes: ArraySlice<BlockHash>
  private(set) var findings: [Finding]

  init(_ hashes: ArraySlice<BlockHash>) {
    self.hashes = hashes
    findings = Array(repeating: .absent(vacant: -1), count: hashes.count)
    open = hashes.indices.map { ($0 - hashes.startIndex, 0, -1) }
  }

  /// One round; `.done` when every hash has its finding.
  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) -> Step<Void> {
    func slot(_ item: (index: Int, distance: Int, vacant: Int)) -> Int {
      geometry.slot(of: hashes[hashes.startIndex + item.index], distance: item.distance)
    }
    memory.invalidate(open.map { geometry.entry(slot($0)) })
    var still: [(index: Int, distance: Int, vacant: Int)] = []
    for var item in open {
      let place = slot(item)
      // A torn line is being written: a miss to a reader, no vacancy to a writer.
      if let entry = IndexEntry(memory.loadLine(geometry.entry(place))) {
        if entry.state == .empty {
          findings[item.index] = .absent(vacant: item.vacant >= 0 ? item.vacant : place)
          continue
        }
        if entry.state == .tomb {
          if item.vacant < 0 { item.vacant = place }
        } else if entry.hash == hashes[hashes.startIndex + item.index] {
          findings[item.index] = .entry(entry, slot: place)
          continue
        }
      }
      item.distance += 1
      if item.distance == min(PoolGeometry.probeWindow, geometry.entriesPerShard) {
        findings[item.index] = .absent(vacant: item.vacant)
      } else {
        still.append(item)
      }
    }
    open = still
    return open.isEmpty ? .done(()) : .sync
  }
}
