// One GPU type: its published limits and the fitted efficiencies of the step-time formula.

/// Published limits and fitted efficiencies of a GPU, as `StepTimeModel` uses them.
public struct GPUSpec: Hashable, Sendable {
  public var name: String
  /// Dense bf16 peak, flop/s.
  public var peakFlops: Double
  /// Rate of fp8 matrix products over the bf16 rate; 1 where there are no fp8 tensor cores.
  public var fp8Speedup: Double
  /// HBM (or GDDR) bandwidth, bytes/s.
  public var memoryBandwidth: Double
  /// Device memory, bytes.
  public var memoryBytes: Int
  /// PCIe DMA rate achieved in one direction, bytes/s.
  public var pcieBandwidth: Double
  public var power: GPUPower
  public var fit: StepTimeFit
  public var expertFit: ExpertFit
  public var latentFit: LatentFit
  /// All-reduce latency and algorithmic bandwidth, keyed by tensor-parallel size.
  public var allReduce: [Int: AllReduceCurve]
  /// Bytes/s at which one GPU sends and receives in an all-to-all, its share for itself counted;
  /// nil if there is no figure.
  public var allToAllBandwidth: Double?

  public init(
    name: String, peakFlops: Double, fp8Speedup: Double, memoryBandwidth: Double,
    memoryBytes: Int, pcieBandwidth: Double, power: GPUPower, fit: StepTimeFit,
    expertFit: ExpertFit, latentFit: LatentFit, allReduce: [Int: AllReduceCurve],
    allToAllBandwidth: Double?
  ) {
    self.name = name
    self.peakFlops = peakFlops
    self.fp8Speedup = fp8Speedup
    self.memoryBandwidth = memoryBandwidth
    self.memoryBytes = memoryBytes
    self.pcieBandwidth = pcieBandwidth
    self.power = power
    self.fit = fit
    self.expertFit = expertFit
    self.latentFit = latentFit
    self.allReduce = allReduce
    self.allToAllBandwidth = allToAllBandwidth
  }
}

/// Fitted parameters of the roofline step-time formula.
public struct StepTimeFit: Hashable, Sendable {
  /// Fraction of peak flop/s that large matrix products reach.
  public var linearCompute: Double
  /// Fraction of memory bandwidth that weight-bound matrix products reach.
  public var linearMemory: Double
  /// Exponent of the smooth maximum between the compute and memory bounds.
  public var linearExponent: Double
  /// Fixed time of the linear kernels per layer, seconds.
  public var linearFixedSeconds: Double
  /// Fraction of peak flop/s that prefill attention reaches.
  public var prefillAttention: Double
  /// Fixed time of prefill attention per layer, seconds.
  public var prefillAttentionFixedSeconds: Double
  /// Fraction of memory bandwidth that decode attention reaches.
  public var decodeAttention: Double
  /// Fixed time of decode attention per layer, seconds.
  public var decodeAttentionFixedSeconds: Double

  public init(
    linearCompute: Double, linearMemory: Double, linearExponent: Double,
    linearFixedSeconds: Double, prefillAttention: Double, prefillAttentionFixedSeconds: Double,
    decodeAttention: Double, decodeAttentionFixedSeconds: Double
  ) {
    self.linearCompute = linearCompute
    self.linearMemory = linearMemory
    self.linearExponent = linearExponent
    self.linearFixedSeconds = linearFixedSeconds
    self.prefillAttention = prefillAttention
    self.prefillAttentionFixedSeconds = prefillAttentionFixedSeconds
    self.decodeAttention = decodeAttention
    self.decodeAttentionFixedSeconds = decodeAttentionFixedSeconds
  }
}

/// Fitted parameters of a layer's routed experts: `compute + memory + fixed + traffic`.
public struct ExpertFit: Hashable, Sendable {
  /// Fraction of peak flop/s that grouped matrix products reach, with bf16 and with fp8 weights.
  public var compute, computeFP8: Double
  /// Fraction of memory bandwidth at which touched experts are read, as if routing were uniform;
  /// skewed routing touches fewer, so it may exceed 1.
  public var memory: Double
  /// Fixed time per layer, seconds.
  public var fixedSeconds: Double
  /// Bytes moved per token, active expert and element of the hidden state.
  public var trafficBytes: Double

  public init(
    compute: Double, computeFP8: Double, memory: Double, fixedSeconds: Double,
    trafficBytes: Double
  ) {
    self.compute = compute
    self.computeFP8 = computeFP8
    self.memory = memory
    self.fixedSeconds = fixedSeconds
    self.trafficBytes = trafficBytes
  }
}

/// Fitted parameters of latent attention, beside those of its linear kernels.
public struct LatentFit: Hashable, Sendable {
  /// Fraction of peak flop/s that attention over latents or their expansion reaches.
  public var prefill: Double
  /// Fraction of memory bandwidth at which decode reads latents.
  public var decode: Double
  /// Fixed time per layer on top of other attention's, seconds.
  public var fixedSeconds: Double
  /// Bytes moved per token and element of expanded queries and values.
  public var trafficBytes: Double

  public init(prefill: Double, decode: Double, fixedSeconds: Double, trafficBytes: Double) {
    self.prefill = prefill
    self.decode = decode
    self.fixedSeconds = fixedSeconds
    self.trafficBytes = trafficBytes
  }
}
