// The command `store-check`: simulations, mutants and exhaustive exploration of the store.

import ArgumentParser
import StoreChecking

@main
struct StoreCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "store-check",
    abstract: "Tries to break the store: on an adversarial device, and exhaustively.",
    discussion: """
      For those who work on the store. Exit codes: 0 nothing broke (or every mistake was caught), \
      1 something did, 64 usage.
      """,
    subcommands: [
      SimulateCommand.self, ShrinkCommand.self, ExploreCommand.self, MutantsCommand.self,
    ])
}

/// A planted mistake, as the commands take it.
struct MistakeOption: ParsableArguments {
  @Option(help: "A mistake to plant; see 'mutants'.") var mistake: String?

  func validate() throws {
    if let mistake, Mistake(mistake) == nil {
      throw ValidationError(
        "'--mistake \(mistake)': there is none; 'store-check mutants' lists them")
    }
  }

  var planted: Mistake? { mistake.flatMap { Mistake($0) } }
  var arguments: String { mistake.map { " --mistake \($0)" } ?? "" }
}
