// Places in the store's protocols where a node's death is interesting.

/// A named place between two accesses that other nodes can tell apart.
///
/// The store calls `reach` there. Real and timed memory ignore it; a test's memory may stop the
/// process, the host, or only pause it, and every place must have been exercised with all three.
public enum CrashPoint: String, CaseIterable, Hashable, Sendable {
  // Locks
  case lockRequested
  case lockGranted
  case lockReleasing
  case lockReleased
  // Membership
  case joinAnnounced
  case joined
  case epochAdopted
  case epochAcknowledged
  case leaving
  // Chunks
  case chunkClaimed
  case orphanClaimed
  case orphanWalked
  // Index
  case blockReserved
  case publishing
  case published
  case revoked
  case pinPublished
  case pinProven
  case unpinned
  case evictionMarked
  case evictionScanned
  case evictionDecided
  case rootWritten
  // The manager
  case campaigning
  case locksInherited
  case granting
  case granted
  case fenceWritten
  // Recovery
  case recoveryBegun
  case chunksQuarantined
  case shardScrubbed
  case chunksOrphaned
  case recoveryRecorded

  /// Whether a lock manager, rather than a node, passes here.
  public var isManagers: Bool {
    switch self {
    case .campaigning, .locksInherited, .granting, .granted, .fenceWritten: true
    default: false
    }
  }
}
