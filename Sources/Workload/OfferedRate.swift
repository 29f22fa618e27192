// The rate at which a workload's requests arrive, and how to set it.

import EventKernel

extension Workload {
  /// Requests a second that arrive on average: as set, or as the trace recorded them and its
  /// speed-up; nil where ends of requests bring others.
  /// - Throws: what is wrong with a trace.
  public func offeredRate() throws(WorkloadError) -> Double? {
    switch traffic.arrivals {
    case .poisson(let rate), .gamma(let rate, _), .deterministic(let rate): return rate
    case .closedLoop, .sessions: return nil
    case .recorded:
      let requests = try RequestStream.generate(for: self).requests
      let times = requests.map(\.arrival)
      guard requests.allSatisfy({ $0.follows == nil }), let first = times.first,
        let last = times.last, last > first
      else { return nil }
      return Double(times.count - 1) / (last - first).seconds
    }
  }

  /// The same workload with its arrivals `factor` times as fast.
  ///
  /// All gaps shrink alike: the same draws, and of a trace the same pattern.
  public func faster(by factor: Double) -> Workload {
    var workload = self
    switch traffic.arrivals {
    case .poisson(let rate): workload.traffic.arrivals = .poisson(ratePerSecond: rate * factor)
    case .gamma(let rate, let burstiness):
      workload.traffic.arrivals = .gamma(ratePerSecond: rate * factor, burstiness: burstiness)
    case .deterministic(let rate):
      workload.traffic.arrivals = .deterministic(ratePerSecond: rate * factor)
    case .closedLoop, .sessions: break
    case .recorded:
      switch traffic.source {
      case .trace(var spec):
        spec.speedup *= factor
        workload.traffic.source = .trace(spec)
      case .sessions(var spec):
        spec.speedup *= factor
        workload.traffic.source = .sessions(spec)
      case .fixed, .synthetic: break
      }
    }
    return workload
  }
}
