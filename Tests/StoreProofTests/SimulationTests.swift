// The whole store on the adversarial device: fixed seeds, fresh seeds, crash points, old failures.

import Foundation
import StoreChecking
import Testing
import TractStore

@Suite struct SimulationTests {
  private static func expectClean(_ result: CampaignResult) {
    for (seed, violation) in result.failures {
      Issue.record(
        "seed \(seed): \(violation); repeat with 'store-check simulate --seed \(seed)'")
    }
    // Or the simulations would show nothing.
    let total = result.total
    #expect(total.published > result.seeds && total.verified > total.published)
    #expect(total.evicted > result.seeds && total.kills > result.seeds)
  }

  @Test func fixedSeeds() { Self.expectClean(campaign(1...1000, jobs: 2)) }

  /// Other seeds every time; `TRACT_SEED` repeats a run.
  @Test func freshSeeds() {
    let given = ProcessInfo.processInfo.environment["TRACT_SEED"].flatMap { UInt64($0) }
    let first = given ?? UInt64.random(in: 1...1 << 40)
    print("fresh seeds from \(first): TRACT_SEED=\(first) repeats them")
    Self.expectClean(campaign(first...first + 2499, jobs: 2))
  }

  /// Every named place where a node may stop, with each way of stopping there.
  @Test(arguments: CrashPlan.all) func everyCrashPointIsExercised(_ plan: CrashPlan) {
    let crash = "crash=\(plan.point.rawValue):\(plan.kind.rawValue)"
    // Places on the way of those who leave or put roots need somebody who does.
    let options = "\(crash),leaves=40,kills=60,steps=3000"
    var hits = 0
    var seed: UInt64 = 1
    while hits < 3, seed < 200 {
      let result = campaign(seed...seed, changing: options)
      hits += result.crashes[plan] ?? 0
      for (seed, violation) in result.failures {
        Issue.record("--seed \(seed) --options \(options): \(violation)")
      }
      seed += 1
    }
    #expect(hits >= 3, "\(crash) was reached \(hits) times in \(seed - 1) seeds")
  }

  @Test func aRunCanBeRepeated() {
    let options = SimulationOptions(seed: 7)
    let first = StoreSimulation(seed: 7, options: options).run()
    #expect(StoreSimulation(seed: 7, options: options).run() == first)
    #expect(StoreSimulation(seed: 8, options: options).run().digest != first.digest)
  }

  @Test func optionsReadBack() {
    for seed in UInt64(1)...50 {
      let drawn = SimulationOptions(seed: seed)
      var read = SimulationOptions()
      #expect(read.apply(drawn.description) == nil)
      #expect(read == drawn)
    }
    var options = SimulationOptions()
    for bad in ["x=1", "nodes", "nodes=-1", "posted=maybe", "crash=nowhere:pause"] {
      #expect(options.apply(bad)?.contains("'\(bad)'") == true)
    }
  }

  /// Worlds that failed once, made small: they fail with their mistake and pass without.
  @Test(arguments: Regression.all) func oldFailures(_ regression: Regression) throws {
    let mistake = try #require(Mistake(regression.mistake))
    var options = SimulationOptions()
    #expect(options.apply(regression.options) == nil)
    let failing = (regression.seed..<regression.seed + Regression.seeds).first { seed in
      let wrong = StoreSimulation(
        seed: seed, options: options, mutant: mistake.mutant, sabotage: mistake.sabotage
      ).run()
      return !wrong.violations.isEmpty
    }
    let seed = try #require(failing, "does not show any more")
    let right = StoreSimulation(seed: seed, options: options).run()
    #expect(right.violations.isEmpty)
  }

  @Test func shrinkingKeepsTheFailure() throws {
    let mistake = Mistake.mutant(.keepsGeneration)
    let options = SimulationOptions(seed: 1)
    let small = try #require(shrink(seed: 1, options: options, mistake: mistake, seeds: 4))
    #expect(small.options.steps < options.steps)
    #expect(small.options.adversity.evictions == 0 && small.options.kills == 0)
    let again = StoreSimulation(
      seed: small.seed, options: small.options, mutant: .keepsGeneration
    ).run()
    #expect(again.violations.first == small.violation)
  }
}
