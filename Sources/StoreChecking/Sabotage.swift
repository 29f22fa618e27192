// Mistakes outside the store's own code: in how memory is used, and by whoever drives the store.

import TractStore

/// A seeded mistake that a wrapper around memory, or the driver of a simulation, makes.
public enum Sabotage: String, CaseIterable, Hashable, Sendable {
  // Memory
  /// Lines are read as this host has cached them.
  case readsWithoutFlush
  /// Pins of other nodes are read from the cache.
  case scansPinsFromCache
  /// Entries are read from the cache when a pin is validated.
  case readsIndexFromCache
  /// Grants are read from the cache.
  case pollsFromCache
  /// Pins stay in the cache, to be written back some time.
  case leavesPinsInCache
  /// All stores do.
  case storesWithoutFlush
  /// Fences are left out, so that line stores and flushes happen at any later time.
  case omitsFences
  /// A line is written back but may stay in the cache (CLWB for CLFLUSH).
  case keepsFlushedLines
  /// The line after the one that is meant is flushed.
  case flushesTheWrongLine
  /// A posting fabric is taken for one where a fence means arrival.
  case trustsPostedWrites
  /// DDIO is on, and nobody says so.
  case hidesDDIO
  /// Two nodes' heartbeats share a line.
  case sharesALine
  /// A processor looks into the payload.
  case touchesPayload
  // Drivers
  /// READY is published before the DMA has ended.
  case publishesBeforeDMA
  /// A member is declared stopped, and runs on.
  case fencesWithoutStopping
  /// A stopped member's host keeps modified lines.
  case fencesWithoutFlushing
  /// A stopped member is declared silenced while its DMA runs on.
  case silencesRunningDMA
  /// Blocks are read after they were unpinned.
  case readsAfterUnpin

  /// Whether the driver makes it, not the memory.
  var isDrivers: Bool {
    switch self {
    case .publishesBeforeDMA, .fencesWithoutStopping, .fencesWithoutFlushing, .silencesRunningDMA,
      .readsAfterUnpin:
      true
    default: false
    }
  }
}

extension Sabotage {
  /// Whether a flush of a line of `area` that a host has in its cache is left out.
  func leavesOutFlush(of area: PoolGeometry.Area, isModified: Bool) -> Bool {
    switch self {
    case .readsWithoutFlush: !isModified
    case .scansPinsFromCache: !isModified && area == .pins
    case .readsIndexFromCache: !isModified && area == .entries
    case .pollsFromCache: !isModified && area == .grants
    default: isModified && keepsStores(to: area)
    }
  }

  /// Whether stores to lines of `area` stay in the cache.
  func keepsStores(to area: PoolGeometry.Area) -> Bool {
    self == .storesWithoutFlush || self == .leavesPinsInCache && area == .pins
  }
}
