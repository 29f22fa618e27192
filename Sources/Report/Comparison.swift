// Running every system of a workload and checking what must be conserved.

import EventKernel
import Serving
import Workload

/// All systems of one workload under the same arrivals.
public struct Comparison {
  public let workload: Workload
  public let runs: [RunResult]
  public let metrics: [Metrics]

  /// Version that reports carry.
  public static let version = "0.1.0"

  /// Runs all systems, `jobs` at a time; the result does not depend on `jobs`, nor on `exactSteps`,
  /// which makes each step of an engine an event of its own.
  /// - Throws: what `check` finds.
  public init(
    _ workload: Workload, jobs: Int, exactSteps: Bool = false
  ) throws(WorkloadError) {
    let stream = try Self.check(workload)
    self.workload = workload
    runs = Self.run(workload, stream, jobs: jobs, exactSteps: exactSteps)
    metrics = runs.map { Metrics($0, workload) }
  }

  /// Runs all systems one after another and tells `observer` of each.
  /// - Throws: what `check` finds.
  public init(_ workload: Workload, observer: any RunObserver) throws(WorkloadError) {
    let stream = try Self.check(workload)
    self.workload = workload
    runs = workload.systems.map {
      ServingRun.run(system: $0, workload: workload, stream: stream, observer: observer)
    }
    metrics = runs.map { Metrics($0, workload) }
  }

  /// The requests that a workload offers, if all of its systems can run at all.
  /// - Throws: what is wrong with the traffic's trace, or keeps a system from running.
  public static func check(_ workload: Workload) throws(WorkloadError) -> RequestStream {
    let obstacles = obstacles(workload)
    guard obstacles.isEmpty else { throw WorkloadError(obstacles) }
    return try RequestStream.generate(for: workload)
  }

  /// What keeps systems of a workload from running, whatever its traffic.
  public static func obstacles(_ workload: Workload) -> [Problem] {
    workload.systems.compactMap { ServingRun.obstacle($0, workload) }
      .map { Problem(file: workload.file, line: 0, path: "$.systems", message: $0) }
  }

  private static func run(
    _ workload: Workload, _ stream: RequestStream, jobs: Int, exactSteps: Bool
  ) -> [RunResult] {
    let run = { @Sendable index in
      ServingRun.run(
        system: workload.systems[index], workload: workload, stream: stream,
        exactSteps: exactSteps)
    }
    return Parallel.map(workload.systems.count, width: jobs, run)
  }

  /// Broken conservation laws of all systems; empty in a correct simulator.
  public var violations: [String] {
    runs.flatMap { run in
      (run.violations + littlesLaw(run)).map { "\(run.system.name): \($0)" }
    } + metrics.flatMap { figures in Self.littlesLaw(figures).map { "\(figures.system): \($0)" } }
  }

  /// The same between the report's own figures, where all requests count in all of them.
  private static func littlesLaw(_ figures: Metrics) -> [String] {
    guard figures["failed"] == 0, let number = figures["mean_concurrent_requests"],
      let rate = figures["request_throughput"], let milliseconds = figures["mean_e2el_ms"],
      rate.isFinite
    else { return [] }
    let product = rate * milliseconds / 1e3
    return abs(number - product) <= 1e-9 * product
      ? [] : ["Little's law: \(number) requests in the system, rate times latency is \(product)"]
  }

  /// L = λ·W, to the picosecond and over all requests: the area under the number in the system
  /// equals the sum of times in it.
  private func littlesLaw(_ run: RunResult) -> [String] {
    let residence = run.requests.reduce(Int128(0)) { sum, record in
      sum + Int128(record.finished.map { ($0 - record.arrival).picoseconds } ?? 0)
    }
    var area: Int128 = 0
    Concurrency.forEachInterval(of: run.requests) { present, span in
      area += Int128(present) * Int128(span.picoseconds)
    }
    return area == residence
      ? [] : ["Little's law: \(area) ps in the system, requests count \(residence) ps"]
  }

  public var baseline: Metrics {
    metrics.first { $0.system == workload.baseline } ?? metrics[0]
  }
}
