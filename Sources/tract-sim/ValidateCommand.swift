// `tract-sim validate`: is a workload file right?

import ArgumentParser
import JSONText
import Report
import Workload

struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate", abstract: "Check workload files and the traces they name.")

  @Argument(help: "Workload files.") var files: [String]
  @OptionGroup var options: WorkloadOptions

  func run() throws {
    var isBad = false
    for file in files {
      do {
        let workload = try options.load(file)
        do {
          let stream = try Comparison.check(workload)
          print("\(file): ok, \(stream.count) requests, \(workload.systems.count) systems")
        } catch {
          throw Exit.fail(Exit.badInput, error.description)
        }
      } catch let code as ExitCode {
        guard code == Exit.badInput else { throw code }
        isBad = true
      }
    }
    if isBad { throw Exit.badInput }
  }
}
