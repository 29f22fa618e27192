// Compiling C with the clang that comes with Swift, and disassembling what it made.

import Foundation

/// The tools found on this machine; tests that need them are skipped where they are missing.
enum Toolchain {
  static let missing: Bool = clang == nil || disassembler == nil

  /// `$CC` if it is a clang, or the clang beside the running `swift`, or the first on the path.
  static let clang: String? = {
    let chosen = ProcessInfo.processInfo.environment["CC"].map { [$0] } ?? []
    return chosen.first { $0.contains("clang") && isProgram($0) } ?? find("clang")
  }()

  /// Both print the same syntax, but for what `Listing` evens out.
  static let disassembler: String? = find("llvm-objdump") ?? find("objdump")

  /// The folders of the program that runs this bundle (`swift test`) and of the search path.
  private static func find(_ name: String) -> String? {
    let runner = URL(fileURLWithPath: "/proc/\(getppid())/exe").resolvingSymlinksInPath()
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let folders =
      [runner.deletingLastPathComponent().path] + path.split(separator: ":").map(String.init)
    return folders.map { "\($0)/\(name)" }.first(where: isProgram)
  }

  private static func isProgram(_ path: String) -> Bool {
    FileManager.default.isExecutableFile(atPath: path)
  }

  /// Where the shim's C files are.
  static let shim: URL = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Sources/CCacheLine").standardizedFileURL

  /// C text compiled for a target without a system: assembly for people, or a disassembly of the
  /// object where `throughObject`, so that bytes are seen as what they are.
  static func assembly(
    of source: String, target: String, optimised: Bool, throughObject: Bool
  ) throws -> String {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tract-shim-\(UInt64.random(in: 0 ... .max))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (input, output) = (
      folder.appendingPathComponent("in.c"), folder.appendingPathComponent("o")
    )
    try Data(source.utf8).write(to: input)
    _ = try run(
      clang,
      [
        "--target=\(target)-linux-gnu", "-ffreestanding", "-Wall", "-Werror",
        optimised ? "-O2" : "-O0", throughObject ? "-c" : "-S",
        "-I\(shim.appendingPathComponent("include").path)", input.path, "-o", output.path,
      ], in: folder)
    guard throughObject else { return try String(contentsOf: output, encoding: .utf8) }
    return try run(disassembler, ["-d", "--no-show-raw-insn", output.path], in: folder)
  }

  /// What a program prints; throws what it complains of.
  private static func run(
    _ program: String?, _ arguments: [String], in folder: URL
  ) throws -> String {
    guard let program else { throw Failure(what: "no such tool") }
    let printed = folder.appendingPathComponent("printed")
    try Data().write(to: printed)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: printed)
    process.standardError = process.standardOutput
    try process.run()
    process.waitUntilExit()
    let text = try String(contentsOf: printed, encoding: .utf8)
    guard process.terminationStatus == 0 else { throw Failure(what: "\(program): \(text)") }
    return text
  }

  struct Failure: Error { var what: String }
}
