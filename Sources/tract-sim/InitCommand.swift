// `tract-sim init`: a workload file to begin with.

import ArgumentParser
import Foundation
import JSONText
import Report

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Write a commented workload file to begin with.",
    discussion: """
      The presets are the catalogue's racks: \(StartingWorkload.presets.joined(separator: ", ")).

      Examples:
        tract-sim init h100-rack
        tract-sim init tract-testbed --output my-rack.json && tract-sim run my-rack.json
      """)

  @Argument(
    help: "Rack of the catalogue.", completion: .list(StartingWorkload.presets))
  var preset: String
  @Option(
    help: "File to write; not if it exists. Its name becomes the workload's.",
    completion: .file(extensions: ["json"]))
  var output = "workload.json"

  func run() throws {
    let name = URL(fileURLWithPath: output).deletingPathExtension().lastPathComponent
    guard let text = StartingWorkload.text(preset: preset, name: name) else {
      throw ValidationError(
        "unknown preset '\(preset)'; there are \(StartingWorkload.presets.joined(separator: ", "))")
    }
    guard name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }), !name.hasPrefix(".")
    else {
      throw ValidationError("'--output \(output)' makes no name for a workload")
    }
    guard !FileManager.default.fileExists(atPath: output) else {
      throw Exit.fail(Exit.cannotWrite, "\(output) exists; give another --output")
    }
    try Exit.writing { try AtomicFile.write(text, to: output) }
    print("\(output): written; now: tract-sim run \(output)")
  }
}
