// Faults: what goes wrong in a run, and when.

/// One planned fault.
public struct Fault: Hashable, Sendable {
  /// A link that can fail; both directions at once.
  public enum Link: String, CaseIterable, Sendable {
    /// The CXL devices behind their switch: nobody reaches the pool.
    case cxl
    /// One worker's CXL adapter.
    case cxlAdapter = "cxl_adapter"
    /// One worker's network interface.
    case nic
    /// The PCIe links of one worker's GPUs.
    case pcie
  }

  public enum Kind: Hashable, Sendable {
    /// A worker's host stops: GPU memory, DRAM and processes are lost. It may return, empty.
    case nodeCrash(worker: Int, returnAfterSeconds: Double?)
    /// The store's ruling lock manager does nothing.
    case managerPause(forSeconds: Double)
    /// CXL line accesses take `latencyFactor` times as long; devices and adapters pass
    /// `bandwidthFactor` of their bandwidth.
    case cxlDegradation(forSeconds: Double, latencyFactor: Double, bandwidthFactor: Double)
    /// A link passes nothing; transfers stall and go on afterwards. `worker` is nil for `cxl`.
    case linkDown(Link, worker: Int?, forSeconds: Double)
  }

  /// When it begins, seconds.
  public var atSeconds: Double
  public var kind: Kind

  public init(atSeconds: Double, kind: Kind) {
    self.atSeconds = atSeconds
    self.kind = kind
  }

  /// How long it lasts, seconds; nil for ever.
  public var forSeconds: Double? {
    switch kind {
    case .nodeCrash(_, let seconds): seconds
    case .managerPause(let seconds): seconds
    case .cxlDegradation(let seconds, _, _): seconds
    case .linkDown(_, _, let seconds): seconds
    }
  }
}
