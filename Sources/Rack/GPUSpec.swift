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
  public var fit: StepTimeFit
  /// All-reduce latency and algorithmic bandwidth, keyed by tensor-parallel size.
  public var allReduce: [Int: AllReduceFit]
  /// Bytes/s at which one GPU sends and receives in an all-to-all, its share for itself counted;
  /// nil if there is no figure.
  public var allToAllBandwidth: Double?

  public init(
    name: String, peakFlops: Double, fp8Speedup: Double, memoryBandwidth: Double,
    memoryBytes: Int, pcieBandwidth: Double, fit: StepTimeFit, allReduce: [Int: AllReduceFit],
    allToAllBandwidth: Double?
  ) {
    self.name = name
    self.peakFlops = peakFlops
    self.fp8Speedup = fp8Speedup
    self.memoryBandwidth = memoryBandwidth
    self.memoryBytes = memoryBytes
    self.pcieBandwidth = pcieBandwidth
    self.fit = fit
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

/// Latency and bandwidth of one all-reduce: `alpha + bytes·2(t−1)/t / beta`.
public struct AllReduceFit: Hashable, Sendable {
  public var alphaSeconds: Double
  public var betaBytesPerSecond: Double

  public init(alphaSeconds: Double, betaBytesPerSecond: Double) {
    self.alphaSeconds = alphaSeconds
    self.betaBytesPerSecond = betaBytesPerSecond
  }
}
