// `tract-sim check`: has a figure moved from its committed baseline?

import ArgumentParser
import JSONText
import Report

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Compare workloads' figures with committed baselines; exit 1 if one moved.")

  @Argument(help: "Workload files.") var files: [String]
  @OptionGroup var options: WorkloadOptions
  @Option(help: "Folder of the baselines.") var baseline: String
  @Option(help: ArgumentHelp("How far a metric may move.", valueName: "metric=1%"))
  var tolerance: [String] = []
  @Flag(help: "Write the figures as the new baselines.") var accept = false

  func run() throws {
    var tolerances: [String: Tolerance] = [:]
    for text in tolerance {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, BaselineCheck.metrics.contains(parts[0]),
        let tolerance = Tolerance(parts[1])
      else {
        throw ValidationError(
          "'--tolerance \(text)' is not metric=1% or metric=0.5; metrics are "
            + BaselineCheck.metrics.joined(separator: ", "))
      }
      tolerances[parts[0]] = tolerance
    }
    var moved = false
    for file in files {
      let comparison = try options.compare(try options.load(file))
      let path = "\(baseline)/\(comparison.workload.name).json"
      do {
        if accept {
          try AtomicFile.write(
            BaselineCheck.file(comparison).text(indented: true) + "\n", to: path)
          print("\(file): accepted as \(path)")
          continue
        }
        let node = try JSONParser.parse(try AtomicFile.read(path))
        let check = BaselineCheck(comparison, baseline: node, tolerances: tolerances)
        if check.moves.isEmpty {
          print("\(file): \(check.compared) figures within tolerance")
        } else {
          moved = true
          print("\(file): \(check.moves.count) of \(check.compared) figures moved\n\(check.table)")
        }
      } catch let error as FileError {
        throw Exit.fail(accept ? Exit.cannotWrite : Exit.badInput, "\(error); use --accept first")
      } catch let error as JSONSyntaxError {
        throw Exit.fail(Exit.badInput, "\(path): \(error)")
      }
    }
    if moved { throw Exit.moved }
  }
}
