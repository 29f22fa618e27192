// What GPUs, hosts and transfers draw: figures, and the energy that a step takes.

/// Power of one GPU, watts.
public struct GPUPower: Hashable, Sendable {
  /// While it holds a model and computes nothing, its clocks up.
  public var idle: Double
  /// While arithmetic keeps it busy, as prefill does.
  public var compute: Double
  /// While its memory keeps it busy, as decode does.
  public var memory: Double
  /// The most it may draw.
  public var limit: Double

  public init(idle: Double, compute: Double, memory: Double, limit: Double) {
    self.idle = idle
    self.compute = compute
    self.memory = memory
    self.limit = limit
  }

  /// Energy above idle of a step on a replica's GPUs, femtojoules, if nothing limits their power.
  ///
  /// Arithmetic and memory traffic take their energy whether or not they overlap, so that the mean
  /// over the step may be more than either alone; `limitAboveIdle` holds all the same. This is the
  /// energy form of the roofline (Choi et al., IPDPS 2013).
  /// - Parameter sharers: GPUs that share each layer.
  public func workFemtojoules(_ work: StepWork, sharers: Int) -> Int128 {
    let joules =
      (compute - idle) * work.computeSeconds + (memory - idle) * work.memorySeconds
    return Int128((Double(sharers) * joules * 1e15).rounded())
  }

  /// The most that a replica's GPUs draw above idle: milliwatts, which are femtojoules a picosecond.
  /// - Parameter gpus: of the whole replica.
  public func limitAboveIdle(gpus: Int) -> Int128 {
    Int128((Double(gpus) * (limit - idle) * 1e3).rounded())
  }
}

/// How long a step would keep arithmetic and memory busy at the rates they reach, each alone, seconds
/// on each of the GPUs that share a layer.
public struct StepWork: Hashable, Sendable {
  public var computeSeconds: Double
  public var memorySeconds: Double

  public init(computeSeconds: Double, memorySeconds: Double) {
    self.computeSeconds = computeSeconds
    self.memorySeconds = memorySeconds
  }
}

/// One host without its GPUs and NIC.
public struct HostSpec: Hashable, Sendable {
  /// The catalogue entry it came from.
  public var name: String
  /// Watts while its worker computes nothing, and while it does.
  public var idleWatts: Double
  public var activeWatts: Double
  /// Of each byte over a GPU's PCIe link.
  public var pcieJoulesPerByte: Double

  public init(name: String, idleWatts: Double, activeWatts: Double, pcieJoulesPerByte: Double) {
    self.name = name
    self.idleWatts = idleWatts
    self.activeWatts = activeWatts
    self.pcieJoulesPerByte = pcieJoulesPerByte
  }
}
