// Running the built commands, as a shell would.

import Foundation
import Testing

/// What a command left behind.
struct CommandResult {
  var status: Int32
  var output: String
  var error: String
}

enum Command {
  /// Runs `program`, which stands beside the test bundle, to its end.
  static func run(
    _ program: String, _ arguments: [String], environment: [String: String] = [:]
  ) throws -> CommandResult {
    let process = Process()
    process.executableURL = Command.program(program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    // Files, not pipes: a pipe that nobody drains stops its writer.
    let scratch = try Scratch()
    let (output, error) = (scratch.file("out"), scratch.file("err"))
    for file in [output, error] { try Data().write(to: URL(fileURLWithPath: file)) }
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: error)
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return CommandResult(
      status: process.terminationStatus,
      output: try String(contentsOfFile: output, encoding: .utf8),
      error: try String(contentsOfFile: error, encoding: .utf8))
  }

  /// `tract-sim` with these arguments.
  static func sim(
    _ arguments: String..., environment: [String: String] = [:]
  ) throws -> CommandResult {
    try run("tract-sim", arguments, environment: environment)
  }

  /// `tract-pool` with these arguments.
  static func pool(_ arguments: String...) throws -> CommandResult {
    try run("tract-pool", arguments)
  }

  static func program(_ name: String) -> URL { products.appendingPathComponent(name) }

  /// The folder of the built commands.
  static let products: URL = {
    // The test bundle, or the program that has loaded it, lies beside the commands.
    let candidates =
      CommandLine.arguments.map { URL(fileURLWithPath: $0) } + [Bundle.main.bundleURL]
    for candidate in candidates {
      var folder = candidate
      for _ in 0..<3 {
        folder.deleteLastPathComponent()
        if FileManager.default.isExecutableFile(
          atPath: folder.appendingPathComponent("tract-sim").path)
        {
          return folder
        }
      }
    }
    return URL(fileURLWithPath: ".build/debug")
  }()

  /// The package's folder.
  static let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
}

/// A folder that goes away with its last user.
final class Scratch {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tract-test-\(UInt64.random(in: 0 ... .max))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func file(_ name: String) -> String { folder.appendingPathComponent(name).path }

  /// Writes a file and returns its path.
  func write(_ name: String, _ text: String) throws -> String {
    try text.write(toFile: file(name), atomically: false, encoding: .utf8)
    return file(name)
  }

  /// A workload of two systems that runs in a blink; returns its path.
  func writeSmallWorkload() throws -> String {
    try write(
      "w.json",
      """
      {"name": "w", "model": "llama-3.1-8b", "rack": {"preset": "tract-testbed"},
       "systems": ["nixl", "tract"],
       "traffic": {"kind": "static", "input_tokens": 1500, "output_tokens": 3,
                   "arrivals": {"process": "poisson", "rate_rps": 1}},
       "stop": {"requests": 20}}
      """)
  }

  var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
  }
}

/// Text that was looked at once and is kept in `Goldens/`.
///
/// `TRACT_ACCEPT_GOLDENS=1` writes what the commands print now; review the difference.
func expectGolden(_ text: String, _ name: String) throws {
  let file = Command.package.appendingPathComponent("Tests/CommandTests/Goldens/\(name)")
  if ProcessInfo.processInfo.environment["TRACT_ACCEPT_GOLDENS"] == "1" {
    try text.write(to: file, atomically: true, encoding: .utf8)
  }
  let golden = try String(contentsOf: file, encoding: .utf8)
  #expect(text == golden, "\(name): if this is meant, accept it with TRACT_ACCEPT_GOLDENS=1")
}
