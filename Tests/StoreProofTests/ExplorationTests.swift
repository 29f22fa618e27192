// Every state of the small protocols, and the mistakes that only this finds.

import StoreChecking
import Testing

@Suite struct ExplorationTests {
  @Test(arguments: Scenario.all.map(\.name)) func noCourseOfEventsBreaksIt(name: String) throws {
    let scenario = try #require(Scenario.named(name))
    let result = Explorer(scenario).run(limit: 3_000_000)
    print("\(name): \(result.states) states, \(result.transitions) transitions")
    #expect(result.violation == nil, "\(result.trace.joined(separator: "\n"))")
    #expect(result.isComplete)
    #expect(result.states > 500, "too small a world to mean something")
  }

  /// The trace is a shortest one, and tells who did what.
  @Test func aViolationComesWithItsTrace() throws {
    let scenario = try #require(Scenario.named("pins"))
    let result = Explorer(scenario, mutant: .skipsValidation).run(limit: 1_000_000)
    #expect(result.violation?.contains("foreign bytes") == true)
    #expect(result.trace.contains { $0.hasPrefix("the owner steps") })
    #expect(result.trace.last?.hasPrefix("the reader steps") == true)
  }
}

/// Each planted mistake must be caught, or the checks are worth nothing.
@Suite struct MistakeTests {
  /// Seeds within which a simulation must fail; the slowest needs some hundred.
  private static let budget: UInt64 = 5000

  @Test(arguments: Mistake.all) func everyMistakeIsCaught(_ mistake: Mistake) {
    if let scenario = mistake.scenario {
      let result = Explorer(scenario, mutant: mistake.mutant, sabotage: mistake.sabotage)
        .run(limit: 2_000_000)
      #expect(result.violation != nil, "explored \(scenario.name), \(result.states) states")
    } else {
      let result = hunt(mistake, budget: Self.budget)
      #expect(result.caughtBy != nil, "not within \(Self.budget) seeds")
    }
  }
}
