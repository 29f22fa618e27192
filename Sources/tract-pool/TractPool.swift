// The command `tract-pool`: the store on real shared memory, from several processes.

import ArgumentParser
import Foundation

@main
struct TractPool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tract-pool",
    abstract: "Makes, inspects and exercises pools of KV blocks in shared memory.",
    discussion: """
      A pool lies in a file, in POSIX shared memory (shm:/name) or on a DAX device (/dev/dax…).
      Exit codes: 0 done, 64 usage, 65 no such or no fitting pool, 69 a process failed, timed \
      out or is in the way, 70 the pool broke a promise, 73 the pool cannot be created.
      """,
    subcommands: [
      CreateCommand.self, InfoCommand.self, CheckCommand.self, BenchCommand.self,
      StressCommand.self, ManagerCommand.self, WorkerCommand.self, ContenderCommand.self,
    ])
}

/// Exit codes after sysexits.h.
enum Exit {
  static let badInput = ExitCode(65)
  /// A process failed or is in the way, or the time allowed was over.
  static let unavailable = ExitCode(69)
  /// Data came back wrong, or an invariant is broken.
  static let broken = ExitCode(70)
  static let cannotCreate = ExitCode(73)

  /// Says what is wrong on standard error and ends with `code`.
  static func fail(_ code: ExitCode, _ message: some CustomStringConvertible) -> ExitCode {
    FileHandle.standardError.write(Data("error: \(message)\n".utf8))
    return code
  }
}

enum OutputFormat: String, CaseIterable, ExpressibleByArgument { case table, json }

/// A size such as `4096`, `64KiB`, `2MiB` or `1GiB`.
struct ByteCount: ExpressibleByArgument, CustomStringConvertible {
  let bytes: UInt64

  init(_ bytes: UInt64) { self.bytes = bytes }

  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && $0.isNumber }
    let shifts = ["": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40]
    guard let number = UInt64(digits), let shift = shifts[String(argument.dropFirst(digits.count))],
      number <= UInt64.max >> shift
    else { return nil }
    bytes = number << shift
  }

  var defaultValueDescription: String { description }

  var description: String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")]
    where bytes > 0 && bytes.trailingZeroBitCount >= shift {
      return "\(bytes >> shift)\(unit)"
    }
    return "\(bytes)"
  }
}
