// Our scheduler forms vLLM's batches.

import ModelChecking
import Testing

@Test(arguments: EngineScenario.all.map(\.name)) func batchesAreThoseOfVLLM(_ name: String) throws {
  let scenario = try #require(EngineScenario.all.first { $0.name == name })
  #expect(scenario.actual == scenario.expected, "\(scenario.rule)")
}
