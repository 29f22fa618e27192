// How long one engine step takes on a GPU: an analytic roofline fitted to measured kernels.

import Foundation

/// Step time of one model replica, from tokens, cached context and batch.
///
/// Per layer: linear kernels as a smooth maximum of a compute and a memory bound, attention over
/// new and cached tokens (prefill) or over the batch's context (decode), element-wise kernels and,
/// on several GPUs, collectives; then the output head once. `docs/MODELS.md` has the formula, what
/// it assumes and how far it is from measurements. The efficiencies are fits to the measured vLLM
/// kernel tables of aiconfigurator-core 0.12.0 (Apache-2.0). A table of measured steps, if the
/// model has one, goes before the formula. A class as it is large and never changes.
public final class StepTimeModel: Sendable {
  /// Kernels of one layer that share a bound.
  private struct Kernels {
    var secondsPerToken = 0.0
    var memorySeconds = 0.0

    /// Smooth maximum of both bounds.
    @inline(__always) func seconds(_ tokens: Double, _ exponent: Double) -> Double {
      let ratio = tokens * secondsPerToken / memorySeconds
      return memorySeconds * pow(1 + pow(ratio, exponent), 1 / exponent)
    }
  }

  /// Tokens that layers with a sliding window see, for `Batch.init(window:)`.
  public let window: Int
  /// Measured step times that go before the formula.
  let table: StepTimeTable?
  private let isMeasured: Bool

  private let layers: Double
  private let exponent: Double
  /// A layer without experts.
  private let dense: Kernels
  private let denseLayers: Double
  /// What every token goes through in a layer with experts.
  private let common: Kernels
  /// All experts of a layer: work and traffic of the active ones, memory as if all were read.
  private let routed: Kernels
  private let routedFixedSeconds: Double
  /// Logarithm of the chance that one token leaves an expert alone.
  private let logMissed: Double
  private let linearFixedSeconds: Double
  private let prefillAttentionFixedSeconds: Double
  private let prefillAttentionSecondsPerPair: Double
  private let prefillSecondsPerCachedToken: Double
  private let latentSecondsPerToken: Double
  private let decodeAttentionFixedSeconds: Double
  private let decodeAttentionSecondsPerToken: Double
  /// Share of layers that see all tokens, and of those that see a window.
  private let fullShare, windowShare: Double
  private let elementFixedSeconds: Double
  private let elementSecondsPerToken: Double
  /// All-reduces a layer, each of a hidden state a token.
  private let allReduces: Double
  private let allReduce: AllReduceCurve?
  /// Bytes of one token's hidden state.
  private let hiddenBytes: Double
  private let exchangeFixedSeconds: Double
  private let exchangeSecondsPerToken: Double
  private let headSecondsPerSequence: Double
  private let headMemorySeconds: Double
  private let stages: Double
  /// Share of the layers that the largest pipeline stage has.
  private let stageShare: Double
  private let send: AllReduceCurve?
  /// Of a token's hidden state, what each rank sends.
  private let sendBytes: Double

  /// A replica of `tensorParallel` × `pipelineParallel` GPUs; nil if `obstacle` finds something.
  public init?(
    gpu: GPUSpec, model: ModelSpec, tensorParallel: Int, weights: NumberFormat, kv: NumberFormat,
    pipelineParallel: Int = 1, expertParallel: Bool = false, table: StepTimeTable? = nil
  ) {
    guard
      Self.obstacle(
        gpu: gpu, model: model, tensorParallel: tensorParallel,
        pipelineParallel: pipelineParallel, expertParallel: expertParallel) == nil
    else { return nil }
    let t = Double(tensorParallel)
    let fit = gpu.fit
    let flops = gpu.peakFlops * (weights == .fp8 ? gpu.fp8Speedup : 1)
    let weightBytes = Double(weights.bytes)
    let d = Double(model.hidden)
    let compute = fit.linearCompute * flops
    let memory = fit.linearMemory * gpu.memoryBandwidth
    /// `whole` parameters are on every rank, `shared` ones divided.
    func kernels(shared: Double, whole: Double) -> Kernels {
      Kernels(
        secondsPerToken: (2 * shared / t + 2 * whole) / compute,
        memorySeconds: (shared * weightBytes / t + whole * weightBytes) / memory)
    }
    self.table = table
    isMeasured = table != nil
    window = model.slidingWindow?.tokens ?? .max
    layers = Double(model.layers)
    exponent = fit.linearExponent
    linearFixedSeconds = fit.linearFixedSeconds
    denseLayers = Double(model.denseLayers)
    let replicated = Double(model.replicatedAttentionParameters)
    let attention = Double(model.attentionParameters) - replicated
    dense = kernels(
      shared: attention + Double(3 * model.hidden * model.feedForward), whole: replicated)
    var width = Double(model.feedForward)
    if let experts = model.experts {
      let expert = Double(model.expertParameters)
      common = kernels(
        shared: attention + Double(experts.shared) * expert,
        whole: replicated + d * Double(experts.count))
      let grouped = gpu.expertFit
      let groupedCompute = (weights == .fp8 ? grouped.computeFP8 : grouped.compute) * flops
      let active = Double(experts.active)
      routed = Kernels(
        secondsPerToken: 2 * active * expert / t / groupedCompute
          + active * d * grouped.trafficBytes / gpu.memoryBandwidth,
        memorySeconds: Double(experts.count) * expert * weightBytes / t
          / (grouped.memory * gpu.memoryBandwidth))
      routedFixedSeconds = grouped.fixedSeconds
      logMissed = log1p(-active / Double(experts.count))
      // The routed experts' own element-wise work is in their traffic.
      let sharedWidth = Double(experts.shared * experts.feedForward)
      width = (denseLayers * width + (layers - denseLayers) * sharedWidth) / layers
    } else {
      common = Kernels()
      routed = Kernels()
      routedFixedSeconds = 0
      logMissed = 0
    }

    // Attention. Latents are expanded to keys and values for prefill; decode works on the latents.
    let heads = Double(model.heads) / t
    let attentionFlops = fit.prefillAttention * gpu.peakFlops
    let attentionBytes = fit.decodeAttention * gpu.memoryBandwidth
    var rotated = Double(model.heads + model.kvHeads) * Double(model.headDimension)
    if let latent = model.latentAttention {
      let fitted = gpu.latentFit
      let latentFlops = fitted.prefill * gpu.peakFlops
      let wide = Double(latent.queryDimension + latent.valueDimension)
      prefillAttentionFixedSeconds = fit.prefillAttentionFixedSeconds + fitted.fixedSeconds
      decodeAttentionFixedSeconds = fit.decodeAttentionFixedSeconds + fitted.fixedSeconds
      latentSecondsPerToken = heads * wide * fitted.trafficBytes / gpu.memoryBandwidth
      prefillAttentionSecondsPerPair = 2 * heads * wide / latentFlops
      prefillSecondsPerCachedToken =
        2 * Double(latent.kvRank) * heads * Double(latent.plainDimension + latent.valueDimension)
        / compute
      let cached = Double(latent.cachedDimension)
      decodeAttentionSecondsPerToken = max(
        cached * Double(kv.bytes) / (fitted.decode * gpu.memoryBandwidth),
        2 * heads * (cached + Double(latent.kvRank)) / latentFlops)
      // Rotation and norms of the latents are in their traffic.
      rotated = 0
    } else {
      let headWidth = Double(model.headDimension)
      prefillAttentionFixedSeconds = fit.prefillAttentionFixedSeconds
      decodeAttentionFixedSeconds = fit.decodeAttentionFixedSeconds
      latentSecondsPerToken = 0
      prefillAttentionSecondsPerPair = 4 * heads * headWidth / attentionFlops
      prefillSecondsPerCachedToken = 0
      decodeAttentionSecondsPerToken =
        max(1, Double(model.kvHeads) / t) * 2 * headWidth * Double(kv.bytes) / attentionBytes
    }
    windowShare = Double(model.slidingWindow?.layers ?? 0) / layers
    fullShare = 1 - windowShare
    elementFixedSeconds = Catalogue.builtIn.software("element_fixed")
    elementSecondsPerToken =
      2 * (8 * d + 2 * rotated + 3 * width)
      / (Catalogue.builtIn.software("element_memory") * gpu.memoryBandwidth)

    // Collectives: two all-reduces a layer; with whole experts one of them, dispatch and combine.
    hiddenBytes = 2 * d
    allReduce = gpu.allReduce[tensorParallel]
    if let allReduce, expertParallel, let experts = model.experts, let rate = gpu.allToAllBandwidth
    {
      let expertLayers = (layers - denseLayers) / layers
      // Each token goes once to every rank that holds one of its experts.
      let ranks = t * (1 - pow(1 - 1 / t, Double(experts.active)))
      allReduces = 2 - expertLayers
      exchangeFixedSeconds = 2 * expertLayers * allReduce.latencySeconds
      exchangeSecondsPerToken = expertLayers * (ranks / t * d * (weightBytes + 2)) / rate
    } else {
      allReduces = 2
      exchangeFixedSeconds = 0
      exchangeSecondsPerToken = 0
    }
    let vocabulary = Double(model.vocabulary)
    headSecondsPerSequence = 2 * vocabulary * d / t / compute
    headMemorySeconds = vocabulary * d * weightBytes / t / memory

    // Stages hand a token's hidden state on at the rate of a two-rank all-reduce.
    stages = Double(pipelineParallel)
    stageShare = (layers / stages).rounded(.up) / layers
    send = pipelineParallel > 1 ? gpu.allReduce[2] : nil
    sendBytes = 2 * d / t
  }

  // MARK: Steps

  /// Time to compute `tokens` of one prompt after `cached` earlier ones, seconds.
  public func prefillSeconds(tokens: Int, cached: Int) -> Double {
    stepSeconds(prefill(tokens: tokens, cached: Double(cached)))
  }

  /// Time of a decode step of `sequences` with `contextTokens` in all, seconds.
  public func decodeSeconds(sequences: Int, contextTokens: Int) -> Double {
    stepSeconds(decode(sequences: sequences, context: Double(contextTokens) / Double(sequences)))
  }

  /// By how many seconds a decode step takes longer for each token of context, in layers that see all
  /// tokens and in those that see a window; nil unless the formula alone gives it, and is a line.
  var decodeGrowth: (perToken: Double, perWindowToken: Double)? {
    guard !isMeasured, stages == 1 else { return nil }
    let seconds = layers * decodeAttentionSecondsPerToken
    return (seconds * fullShare, seconds * windowShare)
  }

  func prefill(tokens: Int, cached: Double) -> Batch {
    var batch = Batch(window: window)
    batch.addPrefill(tokens: tokens, cached: cached)
    batch.sampledSequences = 1
    return batch
  }

  func decode(sequences: Int, context: Double) -> Batch {
    var batch = Batch(window: window)
    batch.addDecode(sequences: sequences, context: context)
    batch.sampledSequences = sequences
    return batch
  }

  /// Time of a step of mixed work, seconds; chunked prefill shares the linear kernels with decode.
  public func stepSeconds(_ batch: Batch) -> Double {
    guard isMeasured, let table else { return formulaSeconds(batch) }
    return table.seconds(batch, self)
  }

  /// Time of the step's matrix, attention and collective kernels alone, seconds: what compositions
  /// of measured kernels hold. Element-wise kernels are left out.
  package func kernelSeconds(_ batch: Batch) -> Double {
    formulaSeconds(batch, elementWise: false)
  }

  /// Time of a step by the formula alone, seconds.
  func formulaSeconds(_ batch: Batch, elementWise: Bool = true) -> Double {
    guard stages > 1 else {
      return layers * layerSeconds(batch, 1, elementWise) + headSeconds(batch, 1)
    }
    let tokens = Double(batch.prefillTokens + batch.decodeSequences)
    let whole =
      layers * layerSeconds(batch, 1, elementWise) + headSeconds(batch, 1)
      + (stages - 1) * sendSeconds(tokens)
    // Or as many micro-batches as stages: the first fills the pipeline, the others follow.
    let share = 1 / stages
    let stage =
      stageShare * layers * layerSeconds(batch, share, elementWise) + sendSeconds(tokens * share)
    return min(whole, (2 * stages - 1) * stage + stages * headSeconds(batch, share))
  }

  /// Mean time of one layer for a `share` of the batch, seconds.
  private func layerSeconds(_ batch: Batch, _ share: Double, _ elementWise: Bool) -> Double {
    let tokens = Double(batch.prefillTokens + batch.decodeSequences) * share
    var linear = denseLayers > 0 ? dense.seconds(tokens, exponent) : 0
    if denseLayers < layers {
      // Of the experts' weights those are read that at least one token goes to.
      let touched = -expm1(tokens * logMissed)
      let expert =
        common.seconds(tokens, exponent) + tokens * routed.secondsPerToken
        + touched * routed.memorySeconds + routedFixedSeconds
      linear = (denseLayers * linear + (layers - denseLayers) * expert) / layers
    }
    linear += linearFixedSeconds
    var attention = tokens * latentSecondsPerToken
    if batch.prefillTokens > 0 {
      let pairs =
        fullShare * batch.prefillAttentionPairs + windowShare * batch.prefillWindowPairs
      attention +=
        prefillAttentionFixedSeconds
        + (pairs * prefillAttentionSecondsPerPair
          + batch.prefillCachedTokens * prefillSecondsPerCachedToken) * share
    }
    if batch.decodeSequences > 0 {
      let context = fullShare * batch.decodeContextTokens + windowShare * batch.decodeWindowTokens
      attention +=
        decodeAttentionFixedSeconds + context * share * decodeAttentionSecondsPerToken
    }
    let elements = elementWise ? elementFixedSeconds + tokens * elementSecondsPerToken : 0
    return linear + attention + elements + collectiveSeconds(tokens)
  }

  private func collectiveSeconds(_ tokens: Double) -> Double {
    guard let allReduce else { return 0 }
    return allReduces * allReduce.seconds(bytes: tokens * hiddenBytes) + exchangeFixedSeconds
      + tokens * exchangeSecondsPerToken
  }

  /// A stage hands the hidden states of `tokens` on, as fast as two ranks reduce.
  private func sendSeconds(_ tokens: Double) -> Double {
    send?.seconds(bytes: tokens * sendBytes) ?? 0
  }

  // MARK: Work

  /// What a step that takes `seconds` keeps busy; the formula's, scaled to the time where a table
  /// goes before it.
  public func work(_ batch: Batch, seconds: Double) -> StepWork {
    let tokens = Double(batch.prefillTokens + batch.decodeSequences)
    let routedLayers = layers - denseLayers
    let sampled = Double(batch.sampledSequences)
    let touched = routedLayers > 0 ? -expm1(tokens * logMissed) : 0
    let pairs = fullShare * batch.prefillAttentionPairs + windowShare * batch.prefillWindowPairs
    let context = fullShare * batch.decodeContextTokens + windowShare * batch.decodeWindowTokens
    let compute =
      tokens
      * (denseLayers * dense.secondsPerToken
        + routedLayers * (common.secondsPerToken + routed.secondsPerToken))
      + layers
      * (pairs * prefillAttentionSecondsPerPair
        + batch.prefillCachedTokens * prefillSecondsPerCachedToken)
      + sampled * headSecondsPerSequence
    let memory =
      denseLayers * dense.memorySeconds
      + routedLayers * (common.memorySeconds + touched * routed.memorySeconds)
      + layers
      * (tokens * (elementSecondsPerToken + latentSecondsPerToken)
        + context * decodeAttentionSecondsPerToken)
      + (sampled > 0 ? headMemorySeconds : 0)
    let scale = !isMeasured ? 1 : seconds / formulaSeconds(batch)
    return StepWork(computeSeconds: compute * scale, memorySeconds: memory * scale)
  }

  private func headSeconds(_ batch: Batch, _ share: Double) -> Double {
    batch.sampledSequences == 0
      ? 0
      : max(Double(batch.sampledSequences) * share * headSecondsPerSequence, headMemorySeconds)
  }
}
