// `tract-sim check`: has a figure moved from its committed baseline?

import ArgumentParser
import Foundation
import JSONText
import Report
import Workload

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Compare workloads' figures with committed baselines; exit 1 if one moved.",
    discussion: """
      A figure is worse, improved, missing or the same within its tolerance: --tolerance, else what \
      the baseline's "tolerances" say, else \(BaselineCheck.defaultTolerance.text). The table shows \
      what moved and which parts of the breakdown moved with it. Where GITHUB_ACTIONS is true, the \
      findings are printed as annotations too.

      Examples:
        tract-sim check Workloads/ci/*.json --baseline Results/ci
        tract-sim check w.json --baseline base --tolerance p99_ttft_ms=2% --junit check.xml
        tract-sim check w.json --baseline base --tolerance failed=3 --accept

      docs/ci.md shows how to use it in a CI.
      """)

  enum Failure: String, CaseIterable, ExpressibleByArgument { case moved, worse }

  @Argument(help: "Workload files.") var files: [String]
  @OptionGroup var options: WorkloadOptions
  @Option(help: "Folder of the baselines.") var baseline: String
  @Option(
    help: ArgumentHelp(
      "How far a metric may move; may be repeated.", valueName: "metric=1%|metric=0.5"))
  var tolerance: [String] = []
  @Option(help: "What fails the check: moved (improvements too) or worse.") var failOn =
    Failure.moved
  @Option(help: ArgumentHelp("Write the findings as JUnit XML.", valueName: "file"))
  var junit: String?
  @Flag(help: "Write the figures, and given tolerances, as the new baselines.") var accept = false

  private var improvedToo: Bool { failOn == .moved }

  func validate() throws {
    if accept, junit != nil { throw ValidationError("'--accept' compares nothing for '--junit'") }
  }

  func run() throws {
    let tolerances = try tolerances()
    let workloads = try files.map { (file: $0, workload: try options.load($0)) }
    try requireDistinctNames(workloads)
    if accept {
      for (file, workload) in workloads { try accept(file, workload, tolerances) }
      return
    }
    let baselines = try workloads.map { _, workload in
      guard let baseline = try read(workload.name) else {
        throw Exit.fail(
          Exit.badInput, "\(path(workload.name)) does not exist; use --accept first")
      }
      return baseline
    }
    let checks = try zip(workloads, baselines).map { given, baseline in
      CheckedFile(
        file: given.file, workload: given.workload.name,
        check: BaselineCheck(
          try options.compare(given.workload), baseline, tolerances: tolerances))
    }
    for file in checks {
      print("\(file.file): \(file.check.summary)\n\(file.check.table)", terminator: "")
    }
    if ProcessInfo.processInfo.environment["GITHUB_ACTIONS"] == "true" {
      print(CheckFiles.annotations(checks, improvedToo: improvedToo), terminator: "")
    }
    if let junit {
      try Exit.writing {
        try AtomicFile.write(CheckFiles.junit(checks, improvedToo: improvedToo), to: junit)
      }
    }
    if checks.contains(where: { $0.check.fails(improvedToo: improvedToo) }) { throw Exit.moved }
  }

  private func tolerances() throws -> [String: Tolerance] {
    var tolerances: [String: Tolerance] = [:]
    let metrics = CheckedFigures.metrics + CheckedFigures.parts
    for text in tolerance {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, metrics.contains(parts[0]), let tolerance = Tolerance(parts[1]) else {
        throw ValidationError(
          "'--tolerance \(text)' is not metric=1% or metric=0.5; metrics are "
            + metrics.joined(separator: ", "))
      }
      tolerances[parts[0]] = tolerance
    }
    return tolerances
  }

  private func path(_ name: String) -> String { "\(baseline)/\(name).json" }

  /// The baseline of a workload; nil if there is none.
  private func read(_ name: String) throws -> Baseline? {
    guard FileManager.default.fileExists(atPath: path(name)) else { return nil }
    do {
      return try Baseline(try AtomicFile.read(path(name)))
    } catch let error as FileError {
      throw Exit.fail(Exit.badInput, error.description)
    } catch {
      throw Exit.fail(Exit.badInput, "\(path(name)): \(error)")
    }
  }

  private func accept(
    _ file: String, _ workload: Workload, _ tolerances: [String: Tolerance]
  ) throws {
    let name = workload.name
    let kept = try read(name)?.tolerances ?? [:]
    let new = Baseline(
      try options.compare(workload), tolerances: kept.merging(tolerances) { $1 })
    do {
      try FileManager.default.createDirectory(
        atPath: baseline, withIntermediateDirectories: true)
      try AtomicFile.write(new.text, to: path(name))
    } catch {
      throw Exit.fail(Exit.cannotWrite, "cannot write \(path(name)): \(error)")
    }
    print("\(file): accepted as \(path(name))")
  }

  /// Two workloads of one name would share a baseline.
  private func requireDistinctNames(_ workloads: [(file: String, workload: Workload)]) throws {
    var owners: [String: String] = [:]
    for (file, workload) in workloads {
      let name = workload.name
      if let owner = owners.updateValue(file, forKey: name) {
        throw Exit.fail(
          Exit.badInput, "\(owner) and \(file) are both named \"\(name)\", as their baseline is")
      }
    }
  }
}
