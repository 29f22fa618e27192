// Making a failing simulation small: fewer faults, fewer parties, fewer steps.

import TractStore

/// A simulation that fails, as small as could be found.
public struct FailingRun: Hashable, Sendable {
  public var seed: UInt64
  public var options: SimulationOptions
  public var violation: String
  public var steps: Int
}

/// Tries to leave out one thing after another as long as any violation remains; nil if the run does
/// not fail in the first place.
///
/// A change of options changes the course of events, so that each trial also looks at a few other
/// seeds: what counts is a small history that fails, not the same one.
public func shrink(
  seed: UInt64, options: SimulationOptions, mistake: Mistake?, seeds: UInt64 = 20
) -> FailingRun? {
  func fails(_ seed: UInt64, _ options: SimulationOptions) -> FailingRun? {
    let result = StoreSimulation(
      seed: seed, options: options, mutant: mistake?.mutant, sabotage: mistake?.sabotage
    ).run()
    guard let violation = result.violations.first else { return nil }
    return FailingRun(seed: seed, options: options, violation: violation, steps: result.steps)
  }
  guard var best = fails(seed, options) else { return nil }
  var hasShrunk = true
  while hasShrunk {
    hasShrunk = false
    for change in SimulationOptions.simplifications {
      var simpler = best.options
      change(&simpler)
      guard simpler != best.options else { continue }
      for other in [best.seed] + Array(1...seeds) {
        guard let failing = fails(other, simpler) else { continue }
        best = failing
        hasShrunk = true
        break
      }
    }
    // Nothing after the failure matters.
    var shorter = best.options
    shorter.steps = min(shorter.steps, best.steps)
    if shorter.steps < best.options.steps, let failing = fails(best.seed, shorter) {
      best = failing
      hasShrunk = true
    }
  }
  return best
}

extension SimulationOptions {
  /// Steps towards a simpler run, the most telling first.
  static var simplifications: [(inout SimulationOptions) -> Void] {
    [
      { $0.crash = nil }, { $0.poison = 0 }, { $0.leaves = 0 }, { $0.managerKills = 0 },
      { $0.managerPauses = 0 }, { $0.hostKills = 0 }, { $0.kills = 0 }, { $0.pauses = 0 },
      { $0.fencingFails = false }, { $0.patience = 0 }, { $0.adversity.evictions = 0 },
      { $0.adversity.prefetches = 0 }, { $0.adversity.earlyWrites = 0 },
      { $0.adversity.preemptions = 0 }, { $0.adversity.isPosted = false },
      { $0.adversity.hasDDIO = false }, { $0.adversity.hasLineStore = true },
      { $0.scheduling = .uniform }, { $0.tasksPerNode = 1 }, { $0.nodes = max(2, $0.nodes - 1) },
      { $0.shardsPerSet = PoolGeometry.lockSetLimit }, { $0.shards = 1 },
      { $0.hashes = max(1, $0.hashes / 2) },
      { $0.blocks = max($0.blocksPerChunk, $0.blocks / 2 / $0.blocksPerChunk * $0.blocksPerChunk) },
      { $0.steps = $0.steps * 3 / 4 },
    ]
  }
}
