// `store-check explore` and `mutants`: every state of small worlds, and whether mistakes are caught.

import ArgumentParser
import StoreChecking

struct ExploreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explore", abstract: "Visit every state of small scenarios.")

  @Option(help: "States after which a scenario is given up.") var limit = 3_000_000
  @OptionGroup var mistake: MistakeOption
  @Argument(help: "Scenarios; all without.") var names: [String] = []

  func validate() throws {
    for name in names where Scenario.named(name) == nil {
      throw ValidationError(
        "'\(name)' is no scenario; there are " + Scenario.all.map(\.name).joined(separator: ", "))
    }
  }

  func run() throws {
    var isClean = true
    for scenario in Scenario.all where names.isEmpty || names.contains(scenario.name) {
      let planted = mistake.planted
      let result = Explorer(scenario, mutant: planted?.mutant, sabotage: planted?.sabotage)
        .run(limit: limit)
      let end = result.isComplete ? "complete" : "not complete"
      print("\(scenario.name): \(result.states) states, \(result.transitions) transitions, \(end)")
      if let violation = result.violation {
        print("  \(violation)")
        for line in result.trace { print("    \(line)") }
      }
      isClean = isClean && result.isComplete && result.violation == nil
    }
    if !isClean { throw ExitCode.failure }
  }
}

struct MutantsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mutants", abstract: "Plant each mistake and see it caught.",
    discussion: """
      Simulations run from seed 1 on until one fails; mistakes that need a rare course of events \
      are caught by exploring a scenario.
      """)

  @Option(help: "Seeds to try for each mistake.") var budget: UInt64 = 5000
  @Flag(help: "Explore only, or simulate only what no exploration catches.") var quick = false
  @Argument(help: "Mistakes; all without.") var names: [String] = []

  func run() throws {
    var missed = 0
    for mistake in Mistake.all where names.isEmpty || names.contains("\(mistake)") {
      var found: [String] = []
      if let scenario = mistake.scenario {
        let result = Explorer(scenario, mutant: mistake.mutant, sabotage: mistake.sabotage)
          .run(limit: 2_000_000)
        if let violation = result.violation {
          found.append(
            "explored \(scenario.name) (\(result.states) states, \(result.trace.count) moves): "
              + violation)
        }
      }
      if !quick || found.isEmpty {
        let result = hunt(mistake, budget: budget)
        if let seed = result.caughtBy { found.append("seed \(seed): \(result.violation)") }
      }
      if found.isEmpty { missed += 1 }
      print("\(mistake): " + (found.isEmpty ? "NOT CAUGHT" : found.joined(separator: "; ")))
    }
    if missed > 0 { throw ExitCode.failure }
  }
}
