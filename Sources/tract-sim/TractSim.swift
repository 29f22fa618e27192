// The command `tract-sim`: its subcommands, exit codes and how it says what is wrong.

import ArgumentParser
import Foundation
import JSONText
import Report
import Serving
import Workload

@main
struct TractSim: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tract-sim",
    abstract: "Simulates disaggregated LLM serving on a rack and compares ways to move its KV.",
    discussion: """
      Begin with:
        tract-sim run
        tract-sim init h100-rack && tract-sim run workload.json
      """,
    version: Comparison.version,
    subcommands: [
      InitCommand.self, RunCommand.self, SweepCommand.self, CapacityCommand.self,
      ValidateCommand.self,
      CatalogCommand.self,
      ProbeCommand.self, TraceCommand.self, CalibrateCommand.self, PlotCommand.self,
      CheckCommand.self,
    ])
}

/// Exit codes after sysexits.h.
enum Exit {
  /// A checked figure has moved.
  static let moved = ExitCode(1)
  /// No choice meets what was asked.
  static let unmet = ExitCode(1)
  static let badInput = ExitCode(65)
  static let internalError = ExitCode(70)
  static let cannotWrite = ExitCode(73)

  /// Says what is wrong on standard error and ends with `code`.
  static func fail(_ code: ExitCode, _ message: String) -> ExitCode {
    FileHandle.standardError.write(Data("error: \(message)\n".utf8))
    return code
  }

  /// What `body` gives; a file that it cannot write ends the command.
  static func writing<T>(_ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch let error as FileError {
      throw fail(cannotWrite, error.description)
    }
  }
}

/// Options shared by the commands that load workload files.
struct WorkloadOptions: ParsableArguments {
  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Replace a value of the file.", valueName: "path=value"))
  var overrides: [String] = []

  @Option(help: "Replace the file's seed.")
  var seed: Int?

  @Option(help: "Run only these systems, separated by commas.")
  var systems: String?

  @Option(help: "Systems, or points of a sweep, to run at the same time.")
  var jobs = ProcessInfo.processInfo.activeProcessorCount

  /// Loads one file, or the embedded quickstart without a path.
  ///
  /// - Parameter more: replacements that come after those of the command line.
  func load(_ path: String?, overriding more: [WorkloadFile.Override] = []) throws -> Workload {
    var parsed: [WorkloadFile.Override] = []
    for text in overrides {
      guard let override = WorkloadFile.Override(text) else {
        throw ValidationError("'--set \(text)' has no '='; write --set path=value")
      }
      parsed.append(override)
    }
    if let seed, let override = WorkloadFile.Override("seed=\(seed)") { parsed.append(override) }
    parsed += more
    if jobs < 1 { throw ValidationError("'--jobs \(jobs)' is out of range; use 1 or more") }
    do {
      var workload =
        if let path {
          try WorkloadFile.load(path: path, overrides: parsed)
        } else {
          try WorkloadFile.decode(
            Quickstart.bytes, name: "(embedded quickstart)", folder: "", overrides: parsed)
        }
      try select(&workload)
      return workload
    } catch let error as WorkloadError {
      throw Exit.fail(Exit.badInput, error.description)
    }
  }

  /// Keeps the systems that `--systems` names; one that the file lacks runs with its defaults.
  private func select(_ workload: inout Workload) throws {
    guard let systems else { return }
    let names = systems.split(separator: ",").map(String.init)
    workload.systems = try names.map { name in
      if let system = workload.systems.first(where: { $0.name == name }) { return system }
      if let system = WorkloadFile.system(named: name) { return system }
      let known = workload.systems.map(\.name) + SystemKind.allCases.map(\.rawValue)
      throw ValidationError(
        "'--systems' names '\(name)'; there are \(Set(known).sorted().joined(separator: ", "))")
    }
    guard let first = workload.systems.first else {
      throw ValidationError("'--systems' names no system")
    }
    if !names.contains(workload.baseline) { workload.baseline = first.name }
  }

  /// Runs all systems; a broken conservation law ends the command.
  /// - Parameter isLong: whether a line tells how far the run is.
  func compare(
    _ workload: Workload, jobs: Int? = nil, exactSteps: Bool = false,
    observer: (any RunObserver)? = nil,
    keeping: Comparison.Keeping = Comparison.Keeping(records: false), isLong: Bool = false
  ) throws -> Comparison {
    do {
      let line = isLong ? ProgressLine.onTerminal("requests") : nil
      defer { line?.end() }
      var progress: (@Sendable (Int, Int) -> Void)?
      if let line { progress = { line.add($0, of: $1) } }
      let comparison = try Exit.writing {
        try Comparison(
          workload, jobs: jobs ?? self.jobs, exactSteps: exactSteps, observer: observer,
          keeping: keeping, progress: progress)
      }
      let violations = comparison.violations
      guard violations.isEmpty else {
        throw Exit.fail(
          Exit.internalError,
          "the simulator broke its own laws, please report this:\n"
            + violations.joined(separator: "\n"))
      }
      return comparison
    } catch let error as WorkloadError {
      throw Exit.fail(Exit.badInput, error.description)
    }
  }
}
