// Damaged and hostile pools are refused or used and repaired, never crash and never reach outside.

import Foundation
import PoolBench
import SharedMemory
import Testing

@testable import TractStore

/// The pool that is being tried, for the handler of a crash.
nonisolated(unsafe) private var seedOnTrial: UInt64 = 0

/// Says which seed it was when the process crashes or a step does not return.
private func nameSeedOnCrash() {
  for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGALRM] {
    signal(number) { number in
      // Nothing but `write` is safe here.
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { text in
        var end = 0
        func put(_ string: StaticString) {
          for index in 0..<string.utf8CodeUnitCount {
            text[end] = string.utf8Start[index]
            end += 1
          }
        }
        put("\nTRACT_HOSTILE_SEED=")
        var place: UInt64 = 1
        while seedOnTrial / place >= 10 { place *= 10 }
        while place > 0 {
          text[end] = UInt8(48 + seedOnTrial / place % 10)
          end += 1
          place /= 10
        }
        put(" has crashed\n")
        _ = write(2, text.baseAddress, end)
      }
      signal(number, SIG_DFL)
      raise(number)
    }
  }
}

@Suite(.serialized) struct HostilePoolTests {
  private struct Counts {
    var pools = 0
    var refused = 0
    var broken = 0
    var abandoned = 0
    var mended = 0
  }

  /// `TRACT_HOSTILE_POOLS` pools from seed `TRACT_HOSTILE_SEED` on.
  @Test func hostilePoolsAreRefusedOrRepaired() throws {
    let environment = ProcessInfo.processInfo.environment
    let count = environment["TRACT_HOSTILE_POOLS"].flatMap { UInt64($0) } ?? 2500
    let first = environment["TRACT_HOSTILE_SEED"].flatMap { UInt64($0) } ?? 1
    nameSeedOnCrash()
    let begin = ContinuousClock.now
    var counts = Counts()
    var failures: [String] = []
    for seed in first..<first + count where failures.count < 10 {
      seedOnTrial = seed
      alarm(120)
      if let failure = try attempt(seed, &counts) {
        failures.append("\(failure); repeat with TRACT_HOSTILE_POOLS=1 TRACT_HOSTILE_SEED=\(seed)")
      }
    }
    alarm(0)
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGALRM] { signal(number, SIG_DFL) }
    for failure in failures { Issue.record("\(failure)") }
    print(
      "hostile pools: seeds \(first)...\(first + count - 1), \(counts.pools) tried, "
        + "\(counts.refused) refused, \(counts.broken) with problems, \(counts.abandoned) "
        + "operations abandoned, \(counts.mended) things mended, \(failures.count) failures, "
        + "\((ContinuousClock.now - begin) / .seconds(1)) s")
    if count > 1000 {
      #expect(counts.refused > 0 && counts.broken > 0 && counts.abandoned > 0)
    }
  }

  /// What went wrong with one pool; nil if nothing did.
  private func attempt(_ seed: UInt64, _ counts: inout Counts) throws -> String? {
    var pool = try HostilePool(seed: seed)
    let region = pool.memory.region
    counts.pools += 1
    let framed = pool.below(8) == 0
    for _ in 0...pool.below(6) { pool.damage() }
    if framed { pool.damageFrame() }
    let geometry: PoolGeometry
    do {
      geometry = try Pool.open(&pool.memory, hashSeed: 1, regionBytes: region.bytes)
    } catch {
      counts.refused += 1
      if !framed { return "a pool with whole superblock was refused: \(error)" }
      return region.outside.isEmpty ? nil : "opening read at \(region.outside)"
    }
    if !Audit(&pool.memory, geometry).problems.isEmpty { counts.broken += 1 }
    var kept: [Int: Line64] = [:]
    if framed || pool.below(4) > 0 {
      pool.use(as: geometry)
    } else {
      kept = pool.untouched()
    }
    counts.abandoned += pool.abandoned
    let repair = Repair(&pool.memory, geometry)
    counts.mended += repair.actions.count
    let audit = Audit(&pool.memory, geometry)
    guard audit.problems.isEmpty, audit.leftovers.isEmpty else {
      return "after repair: \(audit.problems + audit.leftovers)"
    }
    for (slot, line) in kept where pool.memory.readFresh(geometry.entry(slot)) != line {
      return "repair took index line \(slot) away, which no damage concerned: \(repair.actions)"
    }
    let again = Repair(&pool.memory, geometry)
    guard again.actions.isEmpty else { return "a second repair mends: \(again.actions)" }
    guard pool.serves() else { return "the repaired pool does not serve" }
    let finally = Audit(&pool.memory, geometry)
    guard finally.problems.isEmpty else { return "used after repair: \(finally.problems)" }
    return region.outside.isEmpty ? nil : "accesses outside at \(region.outside.prefix(8))"
  }
}
