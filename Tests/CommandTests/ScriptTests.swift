// Sweeps from the shell: what the scripts put together is what one machine writes.

import Foundation
import Testing

@Suite struct ScriptTests {
  private let scratch: Scratch
  private let file: String
  private static let grid = ["--vary", "traffic.arrivals.rate_rps=0.5:1:0.5", "--seeds", "1..3"]

  init() throws {
    scratch = try Scratch()
    file = try scratch.writeSmallWorkload()
    let whole = try Command.run(
      "tract-sim", ["sweep", file, "--output", scratch.file("whole")] + Self.grid)
    #expect(whole.status == 0)
  }

  /// Runs a script of the project's, and returns its exit code and what it printed.
  private func script(_ name: String, _ arguments: [String]) throws -> (status: Int32, text: String)
  {
    let process = Process()
    process.executableURL = Command.package.appendingPathComponent("Scripts/\(name).sh")
    process.arguments = arguments
    process.currentDirectoryURL = scratch.folder
    process.environment = ProcessInfo.processInfo.environment.merging([
      "TRACT_SIM": Command.program("tract-sim").path
    ]) { $1 }
    let printed = scratch.file("printed-\(UInt32.random(in: 0 ... .max))")
    try Data().write(to: URL(fileURLWithPath: printed))
    process.standardOutput = FileHandle(forWritingAtPath: printed)
    process.standardError = process.standardOutput
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, try String(contentsOfFile: printed, encoding: .utf8))
  }

  private func files(_ folder: String) throws -> [String] {
    try ["sweep.jsonl", "sweep.csv", "summary.csv"].map {
      try String(contentsOfFile: scratch.file("\(folder)/\($0)"), encoding: .utf8)
    }
  }

  private static func has(_ programs: [String]) -> Bool {
    programs.allSatisfy { program in
      ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin", "/sbin"].contains {
        FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
      }
    }
  }

  /// The rows of the loop are those of the sweep, but for columns that only the sweep has.
  @Test func loop() throws {
    let (status, text) = try script("sweep-loop", [file, "0.5 1", "1 2 3"])
    #expect(status == 0, "\(text)")
    let rows = text.split(separator: "\n").map { $0.split(separator: ",") }
    let sweep = try files("whole")[1].split(separator: "\n").map { $0.split(separator: ",") }
    #expect(rows.count == 13 && rows[0].prefix(3) == ["rate_rps", "seed", "system"])
    for (row, swept) in zip(rows, sweep).dropFirst() {
      #expect(row[0..<3] == swept[1..<4])
      #expect(row[3..<20] == swept[4..<21])
    }
  }

  @Test(.enabled(if: has(["parallel"]), "GNU parallel is not installed"))
  func parallel() throws {
    let (status, text) = try script(
      "sweep-parallel", ["4", ":", scratch.file("several"), file] + Self.grid)
    #expect(status == 0, "\(text)")
    #expect(text.contains("0 points run"))
    #expect(try files("several") == files("whole"))
  }

  /// A job array on a Slurm of one node, and its shards merged.
  @Test(
    .enabled(
      if: has(["munged", "slurmctld", "slurmd", "sbatch"]), "slurm-wlm and munge are not installed")
  )
  func slurm() throws {
    let job = Command.package.appendingPathComponent("Scripts/sweep-slurm.sh").path
    let (status, text) = try script(
      "slurm-one-node",
      [
        "sbatch", "--wait", "--quiet", "--array=1-4", "--chdir=\(scratch.folder.path)", job,
        scratch.file("array"), file,
      ] + Self.grid)
    if status == 69 {
      try Test.cancel("this machine runs no Slurm: \(text)")
    }
    #expect(status == 0, "\(text)")
    let merged = try script("sweep-merge", [scratch.file("array"), file] + Self.grid)
    #expect(merged.status == 0 && merged.text.contains("0 points run"), "\(merged.text)")
    #expect(try files("array") == files("whole"))
  }
}
