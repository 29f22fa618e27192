// The step-time formula's test vectors, made with straight lines for all-reduces.

import Rack
import Testing

private func model(_ gpu: String, _ model: String, _ tp: Int) throws -> StepTimeModel {
  let spec = try #require(Catalogue.builtIn.gpu(gpu)).withStraightAllReduces()
  let shape = try #require(Catalogue.builtIn.model(model))
  return try #require(
    StepTimeModel(
      gpu: spec, model: shape, tensorParallel: tp, weights: .bf16, kv: .bf16))
}

@Test(arguments: [
  ("h100-sxm", "llama-3.1-8b", 1, 22.3679, 25.1945, 9.5460),
  ("h200-sxm", "llama-3.1-70b", 4, 71.0572, 74.6230, 14.8322),
  ("a100-80-sxm", "llama-3.1-8b", 1, 63.9483, 75.2755, 17.7735),
]) func vectors(
  gpu: String, name: String, tp: Int, fresh: Double, cached: Double, decode: Double
) throws {
  let steps = try model(gpu, name, tp)
  #expect(abs(steps.prefillSeconds(tokens: 1024, cached: 0) * 1e3 / fresh - 1) < 1e-4)
  #expect(abs(steps.prefillSeconds(tokens: 1024, cached: 3072) * 1e3 / cached - 1) < 1e-4)
  #expect(
    abs(steps.decodeSeconds(sequences: 32, contextTokens: 65_536) * 1e3 / decode - 1) < 1e-4)
}
