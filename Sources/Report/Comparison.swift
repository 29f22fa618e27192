// Running every system of a workload and checking what must be conserved.

import JSONText
import Serving
import Workload

/// All systems of one workload under the same arrivals.
public struct Comparison {
  public let workload: Workload
  public let runs: [RunResult]
  public let metrics: [Metrics]
  /// Lines of requests that were written while the runs went on.
  let logs: [RequestLog]

  /// Version that reports carry.
  public static let version = "0.1.0"

  /// What becomes of single requests; their figures are in the metrics all the same.
  public struct Keeping: Sendable {
    /// Whether results hold all records: memory for each request.
    public var records = true
    /// The folder for `requests.jsonl`, whose lines are written as requests end; it is made if need
    /// be, and `ReportFiles.write` puts the file into its place. Nil writes none.
    public var log: String?

    public init(records: Bool = true, log: String? = nil) {
      self.records = records
      self.log = log
    }
  }

  /// Runs all systems, `jobs` at a time; the result does not depend on `jobs`, nor on `exactSteps`,
  /// which makes each step of an engine an event of its own.
  ///
  /// With an observer, who is told of everything, they run one after another.
  /// - Parameter progress: told of how many requests more have been handed out, and of how many of all
  ///   systems, a thousand at a time, from any thread.
  /// - Throws: what `check` finds; a `FileError` if the log's folder cannot be made.
  public init(
    _ workload: Workload, jobs: Int, exactSteps: Bool = false,
    observer: (any RunObserver)? = nil, keeping: Keeping = Keeping(),
    progress: (@Sendable (_ more: Int, _ total: Int) -> Void)? = nil
  ) throws {
    let stream = try Self.check(workload)
    self.workload = workload
    let logs = try keeping.log.map { try Self.openLogs(workload, in: $0) } ?? []
    let run = { @Sendable (index: Int, observer: (any RunObserver)?) in
      Run(
        workload.systems[index], workload, stream, exactSteps: exactSteps, observer,
        keepsRecords: keeping.records, log: logs.isEmpty ? nil : logs[index], progress)
    }
    let done =
      if let observer {
        workload.systems.indices.map { run($0, observer) }
      } else {
        Parallel.map(workload.systems.count, width: jobs) { run($0, nil) }
      }
    runs = done.map(\.result)
    metrics = done.map(\.metrics)
    self.logs = logs
  }

  private static func openLogs(
    _ workload: Workload, in folder: String
  ) throws(FileError) -> [RequestLog] {
    try ReportFiles.makeFolder(folder)
    var logs: [RequestLog] = []
    for (place, system) in workload.systems.enumerated() {
      logs.append(
        try RequestLog(
          folder: folder, system: system.name, place: place, hasFaults: !workload.faults.isEmpty))
    }
    return logs
  }

  /// One system's run and what was made of it.
  private struct Run: Sendable {
    let result: RunResult
    let metrics: Metrics

    init(
      _ system: SystemSpec, _ workload: Workload, _ stream: RequestStream, exactSteps: Bool,
      _ observer: (any RunObserver)?, keepsRecords: Bool, log: RequestLog?,
      _ progress: (@Sendable (Int, Int) -> Void)?
    ) {
      var figures = RequestFigures(workload)
      var kept: [RequestRecord] = []
      var result = ServingRun.run(
        system: system, workload: workload, stream: stream, exactSteps: exactSteps,
        observer: observer
      ) { record in
        figures.add(record)
        if let progress, record.id % 1000 == 999 {
          progress(1000, stream.count * workload.systems.count)
        }
        log?.append(record)
        if keepsRecords { kept.append(record) }
      }
      result.requests = kept
      metrics = Metrics(result, figures, workload)
      self.result = result
    }
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

  /// Broken conservation laws of all systems; empty in a correct simulator.
  public var violations: [String] {
    runs.flatMap { run in run.violations.map { "\(run.system.name): \($0)" } }
      + metrics.flatMap { figures in Self.littlesLaw(figures).map { "\(figures.system): \($0)" } }
  }

  /// L = λ·W between the report's own figures, where all requests count in all of them.
  private static func littlesLaw(_ figures: Metrics) -> [String] {
    guard figures["failed"] == 0, let number = figures["mean_concurrent_requests"],
      let rate = figures["request_throughput"], let milliseconds = figures["mean_e2el_ms"],
      rate.isFinite
    else { return [] }
    let product = rate * milliseconds / 1e3
    return abs(number - product) <= 1e-9 * product
      ? [] : ["Little's law: \(number) requests in the system, rate times latency is \(product)"]
  }

  public var baseline: Metrics {
    metrics.first { $0.system == workload.baseline } ?? metrics[0]
  }
}
