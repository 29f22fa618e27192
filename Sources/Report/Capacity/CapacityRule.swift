// When a system meets its service levels at a rate.

import EventKernel
import Workload

/// What must hold at a rate, and how closely the highest such rate is wanted.
public struct CapacityRule: Sendable {
  public enum Measure: Hashable, Sendable {
    /// This percentile (90, 95 or 99) of every limited latency is within its limit, and nothing
    /// fails.
    case percentile(Int)
    /// At least this share of the requests meets all limits, 0…1.
    case goodputShare(Double)
  }

  public var measure: Measure
  public var seeds: [UInt64]
  /// The highest rate found is at most this share below one at which the limits do not hold.
  public var tolerance: Double

  public init(measure: Measure, seeds: [UInt64], tolerance: Double) {
    self.measure = measure
    self.seeds = seeds
    self.tolerance = tolerance
  }

  /// A system's figures at one rate, means over the seeds.
  public struct Trial: Sendable {
    /// Requests a second offered.
    public let rate: Double
    public let figures: [(key: String, value: Double)]
    /// What is beyond its limit, in words; nil if all is within.
    public let excess: String?

    public subscript(key: String) -> Double? { figures.first { $0.key == key }?.value }
  }

  /// Judges the figures of all seeds.
  func trial(_ metrics: [Metrics], rate: Double, _ slo: ServiceLevel) -> Trial {
    func mean(_ key: String) -> Double {
      Statistics.mean(metrics.map { $0[key] ?? .nan })
    }
    let limits = [
      ("ttft", slo.ttftSeconds), ("tpot", slo.tpotSeconds), ("e2el", slo.e2eSeconds),
    ].compactMap { name, limit in limit.map { (name, $0 * 1e3) } }
    let percent = if case .percentile(let percent) = measure { percent } else { 99 }
    var figures = limits.map { name, _ in
      (key: "p\(percent)_\(name)_ms", value: mean("p\(percent)_\(name)_ms"))
    }
    let shares = metrics.map { figures in
      (figures["request_goodput"] ?? 0) * (figures["duration"] ?? 0)
        / max(1, (figures["completed"] ?? 0) + (figures["failed"] ?? 0))
    }
    let share = Statistics.mean(shares)
    figures += [
      ("goodput_share", share), ("request_throughput", mean("request_throughput")),
      ("failed", mean("failed")),
    ]
    var excess: String?
    switch measure {
    case .goodputShare(let least):
      if !(share >= least) { excess = "goodput share \(Decimals.text(share, 3))" }
    case .percentile:
      if mean("failed") > 0 { excess = "\(Decimals.text(mean("failed"), 1)) requests fail" }
      for (name, limit) in limits {
        let value = mean("p\(percent)_\(name)_ms")
        // No request of two tokens has no TPOT, and no limit to it.
        if value.isNaN, name == "tpot" { continue }
        if !(value <= limit) {
          excess = excess ?? "P\(percent) \(name.uppercased()) \(Decimals.text(value, 1)) ms"
        }
      }
    }
    return Trial(rate: rate, figures: figures, excess: excess)
  }

  /// In words, for the head of a report.
  public func text(_ slo: ServiceLevel) -> String {
    let limits = [
      ("TTFT", slo.ttftSeconds), ("TPOT", slo.tpotSeconds), ("E2EL", slo.e2eSeconds),
    ].compactMap { name, limit in limit.map { "\(name) at most \(Decimals.text($0 * 1e3, 1)) ms" } }
      .joined(separator: ", ")
    let seeds =
      "seed" + (seeds.count > 1 ? "s " : " ") + seeds.map(String.init).joined(separator: ", ")
    switch measure {
    case .percentile(let percent): return "P\(percent) \(limits), nothing fails (\(seeds))"
    case .goodputShare(let share):
      return "\(Decimals.text(share * 100, 1)) % of requests with \(limits) (\(seeds))"
    }
  }
}
