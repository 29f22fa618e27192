// Models' shapes give the parameter counts that their authors publish.

import Rack
import Testing

private func shape(_ name: String) throws -> ModelSpec {
  try #require(Catalogue.builtIn.model(name))
}

/// Billions of parameters as published, and about half a unit of the last digit printed; norms and
/// biases, which the shapes leave out, are below 0.1 %.
@Test(arguments: [
  ("llama-3.1-8b", 8.03, 0.005), ("llama-3.1-70b", 70.6, 0.05), ("llama-3.1-405b", 405.9, 0.1),
  ("qwen3-4b", 4.0, 0.05), ("qwen3-8b", 8.2, 0.05), ("qwen3-32b", 32.8, 0.05),
  ("qwen3-235b-a22b", 235, 0.5), ("gpt-oss-120b", 116.83, 0.1), ("deepseek-v3", 671, 0.5),
]) func totalParameters(name: String, billions: Double, tolerance: Double) throws {
  #expect(abs(Double(try shape(name).parameters) / 1e9 - billions) <= tolerance)
}

@Test(arguments: [
  ("qwen3-235b-a22b", 22, 0.5), ("gpt-oss-120b", 5.13, 0.005), ("deepseek-v3", 37, 0.5),
]) func activeParameters(name: String, billions: Double, tolerance: Double) throws {
  #expect(abs(Double(try shape(name).activeParameters) / 1e9 - billions) <= tolerance)
}

@Test(arguments: [
  ("llama-3.1-8b", 131_072), ("llama-3.1-70b", 327_680),
  // 61 layers of 512 + 64 elements, whatever the number of heads.
  ("deepseek-v3", 70_272),
  // Heads are 64 wide though 64 of them do not make up 2880.
  ("gpt-oss-120b", 73_728),
]) func kvOfOneToken(name: String, bytes: Int) throws {
  #expect(try shape(name).kvBytesPerToken(elementBytes: 2) == bytes)
}

/// A latent stands on every rank; key-value heads only once ranks outnumber them.
@Test(arguments: [
  ("deepseek-v3", 8, 8), ("qwen3-235b-a22b", 8, 2), ("qwen3-235b-a22b", 4, 1),
  ("llama-3.1-70b", 8, 1),
]) func copiesOfKV(name: String, ranks: Int, copies: Int) throws {
  let model = try shape(name)
  #expect(model.kvCopies(tensorParallel: ranks) == copies)
  let pool = WorkerPool(
    count: 1, gpu: try #require(Catalogue.builtIn.gpu("h200-sxm")), tensorParallel: ranks)
  func bytes(_ reserve: Int) -> Int {
    MemoryFit.kvBytes(
      pool: pool, model: model, weights: .fp8, utilization: 0.9, reserveBytes: reserve)
  }
  // A gigabyte on every GPU is a gigabyte for each distinct part of the KV.
  #expect(abs(bytes(0) - bytes(1_000_000_000) - 1_000_000_000 * ranks / copies) <= 1)
}
