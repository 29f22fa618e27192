// The command `model-check`: every model beside its reference.

import ArgumentParser
import Foundation
import JSONText
import ModelChecking

@main
struct ModelCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model-check",
    abstract: "Compares every model with measurements and independent tools.",
    discussion: """
      Prints one line for each validation. Exit codes: 0 all limits are kept, 1 one is missed, \
      64 usage.
      """)

  @Option(help: "Folder for a file with all rows of each validation.") var output: String?
  @Argument(help: "Validations, or what their names begin with; all without.")
  var names: [String] = []

  func validate() throws {
    for name in names where Validation.named(name).isEmpty {
      throw ValidationError(
        "'\(name)' is no validation; there are "
          + Validation.all.map(\.name).joined(separator: ", "))
    }
  }

  func run() throws {
    let chosen = names.isEmpty ? Validation.all : names.flatMap(Validation.named)
    for validation in chosen {
      print(validation.summary)
      if let output {
        try FileManager.default.createDirectory(
          atPath: output, withIntermediateDirectories: true)
        try AtomicFile.write(validation.text, to: "\(output)/\(validation.name).txt")
      }
    }
    if !chosen.allSatisfy(\.holds) { throw ExitCode.failure }
  }
}
