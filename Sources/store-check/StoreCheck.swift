// The command `store-check`: simulations, mutants and exhaustive exploration of the store.

import ArgumentParser
import Foundation
import StoreChecking
import TractStore

@main
struct StoreCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "store-check",
    abstract: "Tries to break the store: on an adversarial device, and exhaustively.",
    subcommands: [SimulateCommand.self, MutantsCommand.self, ExploreCommand.self])
}

struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Runs seeded simulations of the whole store.")

  @Option(help: "First seed.") var seed: UInt64 = 1
  @Option(help: "How many seeds.") var count: UInt64 = 1
  @Option(help: "Options that replace those drawn from the seed, as key=value,…") var options = ""
  @Option(help: "A mistake to plant into the store.") var mutant: String?
  @Option(help: "A mistake in the use of memory.") var sabotage: String?

  func run() throws {
    var total = SimulationResult()
    for seed in seed..<seed + count {
      var options = SimulationOptions(seed: seed)
      if let problem = options.apply(self.options) { throw ValidationError(problem) }
      let simulation = StoreSimulation(
        seed: seed, options: options, mutant: mutant.flatMap { Mutant(rawValue: $0) },
        sabotage: sabotage.flatMap { Sabotage(rawValue: $0) })
      let result = simulation.run()
      total.steps += result.steps
      total.published += result.published
      total.verified += result.verified
      total.evicted += result.evicted
      total.kills += result.kills
      total.recoveries += result.recoveries
      total.terms += result.terms
      if count == 1 || !result.violations.isEmpty {
        print("\(seed)  \(result.violations.first ?? "ok") \(result.steps)")
        if count == 1 { print(options) }
      }
    }
    print(total)
  }
}

struct MutantsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mutants", abstract: "Plants each mistake and counts the seeds until it is caught.")

  @Option(help: "Seeds to try for each mistake.") var budget: UInt64 = 2000
  @Argument(help: "Mistakes; all without.") var names: [String] = []

  func run() throws {
    for mistake in Mistake.all where names.isEmpty || names.contains("\(mistake)") {
      let result = hunt(mistake, budget: budget)
      print("\(mistake)  \(result.caughtBy.map { "seed \($0)" } ?? "NOT CAUGHT")  \(result.violation)")
    }
  }
}

struct ExploreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explore", abstract: "Visits every state of small scenarios.")

  @Option(help: "States after which a scenario is given up.") var limit = 3_000_000
  @Option(help: "A mistake to plant.") var mistake: String?
  @Argument(help: "Scenarios; all without.") var names: [String] = []

  func run() throws {
    let mistake = self.mistake.flatMap { Mistake($0) }
    for scenario in Scenario.all where names.isEmpty || names.contains(scenario.name) {
      let start = ContinuousClock.now
      let result = Explorer(scenario, mutant: mistake?.mutant, sabotage: mistake?.sabotage)
        .run(limit: limit)
      print(
        "\(scenario.name)  \(result.states) states, \(result.transitions) transitions, "
          + (result.isComplete ? "complete" : "not complete") + "  \(ContinuousClock.now - start)")
      if let violation = result.violation {
        print("  \(violation)")
        for line in result.trace { print("    \(line)") }
      }
    }
  }
}
