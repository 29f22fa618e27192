// The highest rate that a system sustains: bracketing, then bisection.

import Workload

/// What keeps capacities from being found, in words.
public struct CapacityError: Error, CustomStringConvertible {
  public var description: String

  public init(_ description: String) { self.description = description }
}

/// Searches the highest rate of one system of a workload.
///
/// All rates and systems get the same draws of the same seeds, so that one differs from another by
/// the rate alone. Limits are taken to hold at all rates below one at which they hold.
public struct CapacitySearch: Sendable {
  private let workload: Workload
  private let system: SystemSpec
  private let slo: ServiceLevel
  private let rule: CapacityRule
  /// Rate of the workload as it stands.
  private let ownRate: Double
  private let run: @Sendable (Workload) throws -> Metrics
  /// Seeds that run at the same time.
  private let jobs: Int

  /// Rates are searched within this factor of the workload's own.
  public static let reach = 1024.0

  /// - Parameter run: simulates a workload of one system.
  /// - Throws: `CapacityError`, `WorkloadError`.
  public init(
    _ workload: Workload, system: SystemSpec, rule: CapacityRule, jobs: Int,
    run: @escaping @Sendable (Workload) throws -> Metrics
  ) throws {
    guard let slo = workload.slo, !slo.isEmpty else {
      throw CapacityError(
        "\(workload.file): slo names no limit; add one or give --slo ttft_ms=4000")
    }
    guard let rate = try workload.offeredRate() else {
      throw CapacityError(
        "\(workload.file): its traffic has no rate to vary; give it poisson arrivals")
    }
    self.workload = workload
    self.system = system
    self.slo = slo
    self.rule = rule
    ownRate = rate
    self.run = run
    self.jobs = jobs
  }

  /// What was found.
  public struct Finding: Sendable {
    /// At the highest rate within the limits; nil if there is none within reach.
    public var best: CapacityRule.Trial?
    /// At the lowest rate beyond; nil if there is none within reach.
    public var beyond: CapacityRule.Trial?
  }

  /// Figures at one rate, requests a second.
  public func trial(at rate: Double) throws -> CapacityRule.Trial {
    var scaled = workload.faster(by: rate / ownRate)
    scaled.systems = [system]
    scaled.baseline = system.name
    let prepared = scaled
    let metrics = try Parallel.map(rule.seeds.count, width: jobs) { index in
      var seeded = prepared
      seeded.seed = rule.seeds[index]
      return try run(seeded)
    }
    return rule.trial(metrics, rate: rate, slo)
  }

  public func search() throws -> Finding {
    var finding = Finding()
    func probe(_ rate: Double) throws -> Bool {
      let trial = try trial(at: rate)
      if trial.excess == nil { finding.best = trial } else { finding.beyond = trial }
      return trial.excess == nil
    }
    var rate = Self.rounded(ownRate)
    let grows = try probe(rate)
    while finding.best == nil || finding.beyond == nil {
      rate = Self.rounded(grows ? rate * 2 : rate / 2)
      guard (ownRate / Self.reach...ownRate * Self.reach).contains(rate) else { return finding }
      _ = try probe(rate)
    }
    while let low = finding.best?.rate, let high = finding.beyond?.rate,
      high - low > rule.tolerance * high
    {
      let middle = Self.rounded((low * high).squareRoot())
      guard low < middle, middle < high else { break }
      _ = try probe(middle)
    }
    return finding
  }

  /// Four digits, so that a rate that is printed is the one that ran.
  private static func rounded(_ rate: Double) -> Double {
    var scale = 1.0
    while rate * scale < 1000 { scale *= 10 }
    while rate * scale >= 10_000 { scale /= 10 }
    return (rate * scale).rounded() / scale
  }
}
