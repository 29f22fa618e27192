// Step times of latents, experts, windows, stages and number formats.

import Rack
import Testing

private func steps(
  _ gpu: String, _ model: String, _ tp: Int, pp: Int = 1, ep: Bool = false,
  weights: NumberFormat = .bf16, kv: NumberFormat = .bf16
) throws -> StepTimeModel {
  let spec = try #require(Catalogue.builtIn.gpu(gpu)).withStraightAllReduces()
  let shape = try #require(Catalogue.builtIn.model(model))
  return try #require(
    StepTimeModel(
      gpu: spec, model: shape, tensorParallel: tp, weights: weights, kv: kv,
      pipelineParallel: pp, expertParallel: ep))
}

/// A replica, and its step times as another program computes them from docs/MODELS.md with
/// straight lines for all-reduces.
private struct Vector: Sendable, CustomTestStringConvertible {
  var gpu, model: String
  var tp = 1
  var pp = 1
  var ep = false
  var weights = NumberFormat.bf16
  var kv = NumberFormat.bf16
  /// 1024 tokens, the same after 3072, decode of 1 and of 64 sequences of 2048; ms.
  var fresh, cached, one, many: Double
  var testDescription: String { "\(model) on \(gpu), tp \(tp) pp \(pp) ep \(ep)" }

  static let all = [
    Vector(
      gpu: "h200-sxm", model: "deepseek-v3", tp: 8, weights: .fp8, kv: .fp8, fresh: 61.63671,
      cached: 64.46798, one: 10.43042, many: 28.05334),
    Vector(
      gpu: "h200-sxm", model: "deepseek-v3", tp: 8, ep: true, weights: .fp8, kv: .fp8,
      fresh: 59.52176, cached: 62.35302, one: 10.75110, many: 28.22402),
    Vector(
      gpu: "h100-sxm", model: "gpt-oss-120b", tp: 4, fresh: 27.78488, cached: 28.18339,
      one: 3.68594, many: 18.87851),
    Vector(
      gpu: "b200-sxm", model: "qwen3-235b-a22b", tp: 8, weights: .fp8, fresh: 26.91170,
      cached: 28.20063, one: 7.64728, many: 12.81423),
    Vector(
      gpu: "h100-sxm", model: "qwen3-32b", pp: 4, fresh: 56.75273, cached: 61.69916,
      one: 24.92544, many: 37.24356),
    Vector(
      gpu: "h100-sxm", model: "llama-3.1-405b", tp: 8, pp: 2, fresh: 171.35129,
      cached: 175.52484, one: 41.54578, many: 49.38854),
  ]
}

@Test(arguments: Vector.all) private func matchesTheFormulaElsewhere(_ vector: Vector) throws {
  let model = try steps(
    vector.gpu, vector.model, vector.tp, pp: vector.pp, ep: vector.ep, weights: vector.weights,
    kv: vector.kv)
  func close(_ seconds: Double, _ milliseconds: Double) {
    #expect(abs(seconds * 1e3 / milliseconds - 1) < 1e-5)
  }
  close(model.prefillSeconds(tokens: 1024, cached: 0), vector.fresh)
  close(model.prefillSeconds(tokens: 1024, cached: 3072), vector.cached)
  close(model.decodeSeconds(sequences: 1, contextTokens: 2048), vector.one)
  close(model.decodeSeconds(sequences: 64, contextTokens: 64 * 2048), vector.many)
}

/// In half of gpt-oss's layers context beyond 128 tokens costs nothing, in the others it does.
@Test func windowsEndContext() throws {
  let windowed = try #require(Catalogue.builtIn.model("gpt-oss-120b"))
  var full = windowed
  full.slidingWindow = nil
  let gpu = try #require(Catalogue.builtIn.gpu("h100-sxm"))
  func decode(_ model: ModelSpec, _ context: Int) throws -> Double {
    let steps = try #require(
      StepTimeModel(gpu: gpu, model: model, tensorParallel: 4, weights: .bf16, kv: .bf16))
    return steps.decodeSeconds(sequences: 8, contextTokens: 8 * context)
  }
  #expect(try decode(windowed, 100) == decode(full, 100))
  let (slope, fullSlope) = (
    try decode(windowed, 8192) - decode(windowed, 4096),
    try decode(full, 8192) - decode(full, 4096)
  )
  #expect(abs(slope / fullSlope - 0.5) < 1e-9)
}

/// A prompt computed in chunks adds up to the attention of the whole, window or not.
@Test(arguments: [128, Int.max]) func chunksAddUp(_ window: Int) {
  var whole = StepTimeModel.Batch(window: window)
  whole.addPrefill(tokens: 1000, cached: 0)
  var chunks = StepTimeModel.Batch(window: window)
  for (tokens, cached) in [(100, 0), (300, 100), (600, 400)] {
    chunks.addPrefill(tokens: tokens, cached: cached)
  }
  #expect(chunks.prefillAttentionPairs == whole.prefillAttentionPairs)
  #expect(chunks.prefillWindowPairs == whole.prefillWindowPairs)
  #expect(whole.prefillWindowPairs == (window == 128 ? 128 * 64 + 872 * 128 : 0))
}

/// The second token of a batch brings nearly as many new experts as the first, the hundredth few.
@Test func laterTokensTouchFewerNewExperts() throws {
  let model = try steps("h200-sxm", "deepseek-v3", 8, weights: .fp8)
  func added(_ sequences: Int) -> Double {
    model.decodeSeconds(sequences: sequences, contextTokens: sequences)
      - model.decodeSeconds(sequences: sequences - 1, contextTokens: sequences - 1)
  }
  #expect(added(100) > 0)
  // Of 256 experts with 8 active: (1 - 8/256)^98 is 0.045, plus what each token computes.
  #expect(added(2) > 5 * added(100))
}

@Test func numberFormatsCountApart() throws {
  func decode(_ gpu: String, _ weights: NumberFormat, _ kv: NumberFormat) throws -> Double {
    try steps(gpu, "llama-3.1-8b", 1, weights: weights, kv: kv)
      .decodeSeconds(sequences: 16, contextTokens: 16 * 8192)
  }
  func prefill(_ gpu: String, _ weights: NumberFormat) throws -> Double {
    try steps(gpu, "llama-3.1-8b", 1, weights: weights).prefillSeconds(tokens: 4096, cached: 0)
  }
  let plain = try decode("h100-sxm", .bf16, .bf16)
  #expect(try decode("h100-sxm", .fp8, .bf16) < plain)
  #expect(try decode("h100-sxm", .bf16, .fp8) < plain)
  // Ampere saves the bytes but not the products.
  #expect(try decode("a100-80-sxm", .fp8, .bf16) < decode("a100-80-sxm", .bf16, .bf16))
  #expect(try prefill("a100-80-sxm", .fp8) > 0.95 * prefill("a100-80-sxm", .bf16))
  #expect(try prefill("h100-sxm", .fp8) < 0.65 * prefill("h100-sxm", .bf16))
}

@Test(arguments: [
  ("h100-sxm", "llama-3.1-8b", 3, 1, false, "allowed are 1, 2, 4, 8"),
  ("h100-sxm", "llama-3.1-8b", 1, 33, false, "allowed are 1 to 32"),
  ("rtx-a6000", "llama-3.1-8b", 1, 2, false, "no figure for what pipeline stages send"),
  ("h100-sxm", "llama-3.1-8b", 2, 1, true, "has no experts"),
  ("h100-sxm", "gpt-oss-120b", 1, 1, true, "cannot be dealt to 1 ranks"),
  ("a100-80-sxm", "gpt-oss-120b", 4, 1, true, "no all-to-all figure"),
]) func saysWhyNot(
  gpu: String, model: String, tp: Int, pp: Int, ep: Bool, fragment: String
) throws {
  let (gpu, model) = (
    try #require(Catalogue.builtIn.gpu(gpu)), try #require(Catalogue.builtIn.model(model))
  )
  let obstacle = StepTimeModel.obstacle(
    gpu: gpu, model: model, tensorParallel: tp, pipelineParallel: pp, expertParallel: ep)
  #expect(obstacle?.contains(fragment) == true, "\(obstacle ?? "nothing")")
  #expect(
    StepTimeModel(
      gpu: gpu, model: model, tensorParallel: tp, weights: .bf16, kv: .bf16,
      pipelineParallel: pp, expertParallel: ep) == nil)
}
