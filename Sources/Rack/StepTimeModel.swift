// How long one engine step takes on a GPU: an analytic roofline fitted to measured kernels.

import Foundation

/// Step time of one model replica, from tokens, cached context and batch.
///
/// Per layer: linear kernels as a smooth maximum of a compute and a memory bound, attention over
/// new and cached tokens (prefill) or over the batch's context (decode), element-wise kernels and,
/// with tensor parallelism, two all-reduces; then the output head once. The efficiencies are fits
/// to the measured vLLM kernel tables of aiconfigurator-core 0.12.0 (Apache-2.0); the formula's
/// error against compositions of those kernels is 2–8 % for prefill and 2–6 % for decode.
public struct StepTimeModel: Sendable {
  /// The work of one step.
  public struct Batch: Hashable, Sendable {
    /// Sequences that compute one token over an existing context.
    public var decodeSequences = 0
    /// Sum of their context lengths, tokens.
    public var decodeContextTokens = 0
    /// Prompt tokens computed in this step.
    public var prefillTokens = 0
    /// Sum over prompts of n·c + n²/2 for n new and c earlier tokens.
    public var prefillAttentionPairs = 0.0
    /// Sequences that sample a token at the end of the step.
    public var sampledSequences = 0

    public init() {}

    /// Adds `tokens` new tokens of a prompt of which `cached` tokens have KV already.
    public mutating func addPrefill(tokens: Int, cached: Int) {
      prefillTokens += tokens
      let n = Double(tokens)
      prefillAttentionPairs += n * Double(cached) + n * n / 2
    }
  }

  private let layers: Double
  private let exponent: Double
  private let linearSecondsPerToken: Double
  private let linearMemorySeconds: Double
  private let linearFixedSeconds: Double
  private let prefillAttentionFixedSeconds: Double
  private let prefillAttentionSecondsPerPair: Double
  private let decodeAttentionFixedSeconds: Double
  private let decodeAttentionSecondsPerToken: Double
  private let elementFixedSeconds: Double
  private let elementSecondsPerToken: Double
  private let allReduceFixedSeconds: Double
  private let allReduceSecondsPerToken: Double
  private let headSecondsPerSequence: Double
  private let headMemorySeconds: Double

  /// A model on `tensorParallel` GPUs; nil if that many have no all-reduce measurement.
  public init?(
    gpu: GPUSpec, model: ModelSpec, tensorParallel: Int, weights: NumberFormat, kv: NumberFormat
  ) {
    let t = Double(tensorParallel)
    let fit = gpu.fit
    // fp8 matrix products run at twice the bf16 rate.
    let flops = gpu.peakFlops * (weights == .fp8 ? 2 : 1)
    let weightBytes = Double(weights.bytes)
    let d = Double(model.hidden)
    let headWidth = Double(model.headDimension)
    let parameters = Double(model.parametersPerLayer)
    layers = Double(model.layers)
    exponent = fit.linearExponent
    linearSecondsPerToken = 2 * parameters / t / (fit.linearCompute * flops)
    linearMemorySeconds = parameters * weightBytes / t / (fit.linearMemory * gpu.memoryBandwidth)
    linearFixedSeconds = fit.linearFixedSeconds
    prefillAttentionFixedSeconds = fit.prefillAttentionFixedSeconds
    prefillAttentionSecondsPerPair =
      4 * Double(model.heads) / t * headWidth / (fit.prefillAttention * gpu.peakFlops)
    decodeAttentionFixedSeconds = fit.decodeAttentionFixedSeconds
    decodeAttentionSecondsPerToken =
      max(1, Double(model.kvHeads) / t) * 2 * headWidth * Double(kv.bytes)
      / (fit.decodeAttention * gpu.memoryBandwidth)
    elementFixedSeconds = 5 * 2.5e-6
    elementSecondsPerToken =
      2
      * (8 * d + 2 * Double(model.heads + model.kvHeads) * headWidth
        + 3 * Double(model.feedForward)) / (0.8 * gpu.memoryBandwidth)
    if tensorParallel == 1 {
      allReduceFixedSeconds = 0
      allReduceSecondsPerToken = 0
    } else {
      guard let reduce = gpu.allReduce[tensorParallel] else { return nil }
      allReduceFixedSeconds = 2 * reduce.alphaSeconds
      allReduceSecondsPerToken = 2 * 2 * d * 2 * (t - 1) / t / reduce.betaBytesPerSecond
    }
    let vocabulary = Double(model.vocabulary)
    headSecondsPerSequence = 2 * vocabulary * d / t / (fit.linearCompute * flops)
    headMemorySeconds =
      vocabulary * d * weightBytes / t / (fit.linearMemory * gpu.memoryBandwidth)
  }

  /// Time to compute `tokens` of one prompt after `cached` earlier ones, seconds.
  public func prefillSeconds(tokens: Int, cached: Int) -> Double {
    var batch = Batch()
    batch.addPrefill(tokens: tokens, cached: cached)
    batch.sampledSequences = 1
    return stepSeconds(batch)
  }

  /// Time of a decode step of `sequences` with `contextTokens` in all, seconds.
  public func decodeSeconds(sequences: Int, contextTokens: Int) -> Double {
    var batch = Batch()
    batch.decodeSequences = sequences
    batch.decodeContextTokens = contextTokens
    batch.sampledSequences = sequences
    return stepSeconds(batch)
  }

  /// Time of a step of mixed work, seconds; chunked prefill shares the linear kernels with decode.
  public func stepSeconds(_ batch: Batch) -> Double {
    let tokens = Double(batch.prefillTokens + batch.decodeSequences)
    let ratio = tokens * linearSecondsPerToken / linearMemorySeconds
    let linear =
      linearMemorySeconds * pow(1 + pow(ratio, exponent), 1 / exponent) + linearFixedSeconds
    var attention = 0.0
    if batch.prefillTokens > 0 {
      attention +=
        prefillAttentionFixedSeconds
        + batch.prefillAttentionPairs * prefillAttentionSecondsPerPair
    }
    if batch.decodeSequences > 0 {
      attention +=
        decodeAttentionFixedSeconds
        + Double(batch.decodeContextTokens) * decodeAttentionSecondsPerToken
    }
    let elements = elementFixedSeconds + tokens * elementSecondsPerToken
    let reduce = allReduceFixedSeconds + tokens * allReduceSecondsPerToken
    let head =
      batch.sampledSequences == 0
      ? 0 : max(Double(batch.sampledSequences) * headSecondsPerSequence, headMemorySeconds)
    return layers * (linear + attention + elements + reduce) + head
  }
}
