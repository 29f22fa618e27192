// Seeded mistakes: each must be caught by the checks, or the checks are worth nothing.

/// A mistake that the store's tests can plant into its protocols.
///
/// Production code never sets one. Each is a single decision taken the wrong way at the place where
/// the right one is made; mistakes in the use of memory (a flush or fence left out, posted writes
/// not read back) are planted by a memory that leaves them out instead.
public enum Mutant: String, CaseIterable, Hashable, Sendable {
  // Locks
  /// A grant counts whatever request it answers.
  case acceptsAnySequence
  /// A grant counts whichever manager gave it.
  case acceptsAnyEpoch
  /// A request that has timed out is not withdrawn.
  case forgetsWithdrawal
  /// The doorbell rings before the request is written.
  case ringsBeforeRequest
  /// What members wanted who are stopped for good is read on.
  case hearsTheStopped
  /// A lock set is granted when its first lock is free.
  case grantsPartOfASet
  // Fail-over
  /// The new manager does not wait for acknowledgements.
  case activatesWithoutAcknowledgement
  /// A node in its critical section acknowledges as if it were idle.
  case acknowledgesHeldAsIdle
  /// The acknowledgement is written before what it vouches for.
  case acknowledgesBeforeAdopting
  /// What nodes hold is read one by one as they acknowledge, and one holder a lock remembered.
  case inheritsOneHolder
  /// Two seats can choose one epoch.
  case epochsCollide
  // Membership
  /// A joining node looks for the manager before it is visible itself.
  case joinsUnannounced
  /// A later life takes the number of the one before.
  case reusesIncarnation
  /// A suspect's locks are freed before it is known to have stopped.
  case freesLocksOfSuspects
  // Index
  /// Blocks are read after pinning without looking again.
  case skipsValidation
  /// What is seen on the second look may be an entry of another generation.
  case validatesWithoutGeneration
  /// The second look comes before the pin is published.
  case validatesBeforePinning
  /// Entries are not marked before pins are scanned.
  case evictsUnmarked
  /// Pins are scanned before entries are marked.
  case scansBeforeMarking
  /// An evictor does not look at other nodes' pins.
  case evictsPinned
  /// Entries are reserved without the shard's lock.
  case reservesUnlocked
  /// Only the first shard of a group is locked.
  case locksOneShardOfMany
  /// A deleted entry becomes empty though probes must go on past it.
  case deletesWithoutTomb
  /// All of a run of deleted entries become empty at once, in any order.
  case emptiesRunsAtOnce
  /// READY is written before the payload is settled at the device.
  case publishesUnsettled
  /// Half of the hash is compared.
  case comparesHalfTheHash
  /// A block that is used again keeps its generation.
  case keepsGeneration
  /// Generations begin again after four uses.
  case wrapsGenerations
  /// A line that cannot be read is taken for an empty one.
  case takesUnreadableForEmpty
  /// Torn lines are believed.
  case believesTornLines
  // Chunks and recovery
  /// A chunk is claimed without the chunk table's lock.
  case claimsUnlocked
  /// A dead node's chunk is taken over without looking for blocks in use.
  case adoptsWithoutWalk
  /// A dead node's chunk is taken over without looking for pins. (Was so once.)
  case adoptsPinned
  /// Chunks are taken over from members that are only suspected.
  case adoptsFromTheLiving
  /// Blocks that DMA may still be writing are given out again.
  case skipsQuarantine
  /// Chunks of the dead are given up before the index is scrubbed.
  case orphansBeforeScrubbing
  /// Entries that a dead node was evicting are dropped.
  case dropsEvicting
  /// Reservations of living nodes are scrubbed as well.
  case scrubsTheLiving
  /// Torn lines in the index are left as they are.
  case leavesTornLines
  /// Who dies during a recovery counts as recovered by it. (Was so once.)
  case recordsLateDeaths
  /// A recovery passes over chunks that an earlier one had put into quarantine before it died. (Was
  /// so once.)
  case passesOverQuarantined
}
