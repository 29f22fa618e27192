// Many simulations at once, and what they came to together.

import Dispatch
import PoolBench
import Synchronization
import TractStore

/// Sums over many simulations.
public struct CampaignResult: Sendable {
  public var seeds = 0
  /// Counts of all; violations, digest and crash point are of no one run.
  public var total = SimulationResult()
  /// How often each crash point was reached with each way of dying.
  public var crashes: [CrashPlan: Int] = [:]
  /// Seeds that failed, with the first violation.
  public var failures: [(seed: UInt64, violation: String)] = []

  mutating func add(_ seed: UInt64, _ result: SimulationResult) {
    seeds += 1
    total.steps += result.steps
    total.published += result.published
    total.verified += result.verified
    total.evicted += result.evicted
    total.kills += result.kills
    total.recoveries += result.recoveries
    total.terms += result.terms
    if let crash = result.crashHit { crashes[crash, default: 0] += 1 }
    if let violation = result.violations.first { failures.append((seed, violation)) }
  }
}

/// Runs the simulations of `seeds`; one in twenty is run twice and must come out the same.
///
/// Seeds are independent and sums do not depend on order, so that any number of jobs gives the
/// same result.
public func campaign(
  _ seeds: ClosedRange<UInt64>, jobs: Int = 1, changing options: String = "",
  mistake: Mistake? = nil
) -> CampaignResult {
  let total = Mutex(CampaignResult())
  let chunk: UInt64 = 64
  let chunks = Int((seeds.upperBound - seeds.lowerBound) / chunk + 1)
  let next = Atomic<Int>(0)
  DispatchQueue.concurrentPerform(iterations: max(1, jobs)) { _ in
    while true {
      let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard number < chunks else { return }
      let first = seeds.lowerBound + UInt64(number) * chunk
      var part: [(UInt64, SimulationResult)] = []
      for seed in first...min(first + chunk - 1, seeds.upperBound) {
        var drawn = SimulationOptions(seed: seed)
        _ = drawn.apply(options)
        func run() -> SimulationResult {
          StoreSimulation(
            seed: seed, options: drawn, mutant: mistake?.mutant, sabotage: mistake?.sabotage
          ).run()
        }
        var result = run()
        if seed % 20 == 0, run() != result { result.violations.append("two runs differ") }
        part.append((seed, result))
      }
      total.withLock { total in for (seed, result) in part { total.add(seed, result) } }
    }
  }
  var result = total.withLock { $0 }
  result.failures.sort { $0.seed < $1.seed }
  return result
}
