// What a stress run has seen.

import JSONText
import TractStore

/// Counts over all lives of all processes, and what is broken.
public struct StressReport: Sendable {
  // Faults
  public internal(set) var kills = 0
  public internal(set) var selfKills = 0
  public internal(set) var longPauses = 0
  public internal(set) var shortPauses = 0
  public internal(set) var fenced = 0
  public internal(set) var starved = 0
  public internal(set) var managerKills = 0
  public internal(set) var managerSelfKills = 0
  public internal(set) var managerPauses = 0
  public internal(set) var managersReplaced = 0
  /// Places in the protocols at which nodes have killed themselves.
  public internal(set) var crashPoints: Set<String> = []
  // Work
  public internal(set) var seconds = 0.0
  public internal(set) var lives = 0
  /// Milliseconds from a death, or the pause that led to it, until the node had joined again.
  public internal(set) var rejoins: [Double] = []
  private var work: [String: Int] = [:]
  // Promises
  public internal(set) var stuckLocks = 0
  public private(set) var leakedBlocks = 0
  public private(set) var doublyOwned = 0
  public private(set) var tornLines = 0
  public private(set) var audited = false
  /// Processes that failed, and what the audit found, in words.
  public internal(set) var failures: [String] = []

  static let counters = [
    "lookups", "verified", "corrupt", "published", "evicted", "recoveries", "reservations_dropped",
    "lines_mended", "leaked",
  ]

  /// Adds what one life told last.
  mutating func add(_ counts: JSONNode) {
    for key in Self.counters { work[key, default: 0] += Int(counts[key]?.value.double ?? 0) }
  }

  public func total(_ key: String) -> Int { work[key] ?? 0 }

  /// Takes over what the audit of the pool found after all have left.
  mutating func take(_ audit: Audit, _ geometry: PoolGeometry) {
    audited = true
    // All have left: a chunk is free or an orphan, whose blocks are published or free.
    let lost = geometry.chunks - audit.freeChunks - audit.orphanedChunks
    leakedBlocks = audit.reserved + audit.evicting + lost * geometry.blocksPerChunk
    doublyOwned = audit.problems.count { $0.hasPrefix("I1") || $0.hasPrefix("I6") }
    tornLines = audit.problems.count { $0.hasPrefix("I2") }
    failures += audit.problems + audit.leftovers
    if !audit.members.isEmpty { failures.append("\(audit.members) have not left") }
  }

  /// Nothing was broken.
  public var isClean: Bool {
    audited && failures.isEmpty && stuckLocks + leakedBlocks + doublyOwned + tornLines == 0
      && total("corrupt") + total("leaked") == 0
  }

  /// Keys and values in the order in which they are printed.
  public var figures: [(key: String, value: JSONValue)] {
    let mean = rejoins.isEmpty ? 0 : rejoins.reduce(0, +) / Double(rejoins.count)
    func rate(_ key: String) -> JSONValue {
      .number((Double(total(key)) / max(seconds, 1e-9)).rounded())
    }
    return [
      ("seconds", .number(seconds)), ("lookups_per_s", rate("lookups")),
      ("blocks_verified_per_s", rate("verified")), ("puts_per_s", rate("published")),
      ("blocks_verified", .integer(total("verified"))), ("evicted", .integer(total("evicted"))),
      ("kills", .integer(kills)), ("kills_inside_operations", .integer(selfKills)),
      ("crash_points_hit", .integer(crashPoints.count)),
      ("pauses_beyond_lease", .integer(longPauses)), ("pauses_within_lease", .integer(shortPauses)),
      ("fenced_while_paused", .integer(fenced)), ("fenced_without_processor", .integer(starved)),
      ("manager_kills", .integer(managerKills)),
      ("manager_kills_inside_operations", .integer(managerSelfKills)),
      ("manager_pauses", .integer(managerPauses)),
      ("managers_replaced", .integer(managersReplaced)),
      ("lives", .integer(lives)), ("recoveries", .integer(total("recoveries"))),
      ("reservations_dropped", .integer(total("reservations_dropped"))),
      ("lines_mended", .integer(total("lines_mended"))), ("rejoins", .integer(rejoins.count)),
      ("rejoin_mean_ms", .number(mean.rounded())),
      ("rejoin_max_ms", .number((rejoins.max() ?? 0).rounded())),
      ("payload_mismatches", .integer(total("corrupt"))),
      ("leaked_blocks", .integer(leakedBlocks + total("leaked"))),
      ("doubly_owned_blocks", .integer(doublyOwned)), ("torn_lines", .integer(tornLines)),
      ("stuck_locks", .integer(stuckLocks)),
    ]
  }
}
