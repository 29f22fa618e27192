// `tract-sim sweep`: order, resuming, shards, and what it refuses.

import Foundation
import Testing

@Suite struct SweepTests {
  private let scratch: Scratch
  private let file: String

  init() throws {
    scratch = try Scratch()
    file = try scratch.writeSmallWorkload()
  }

  private func sweep(
    _ output: String, _ more: String..., seeds: String = "1..3"
  ) throws -> CommandResult {
    try Command.run(
      "tract-sim",
      [
        "sweep", file, "--vary", "traffic.arrivals.rate_rps=0.5:1:0.5", "--seeds", seeds,
        "--output", scratch.file(output),
      ] + more)
  }

  private func text(_ output: String, _ name: String = "sweep.jsonl") throws -> String {
    try String(contentsOfFile: scratch.file("\(output)/\(name)"), encoding: .utf8)
  }

  private func files(_ output: String) throws -> [String] {
    try ["sweep.jsonl", "sweep.csv", "summary.csv"].map { try text(output, $0) }
  }

  @Test func rowsAreInOrderWhateverTheJobs() throws {
    #expect(try sweep("one", "--jobs", "1").status == 0)
    #expect(try sweep("three", "--jobs", "3").status == 0)
    #expect(try files("one") == files("three"))
    let rows = try text("one", "sweep.csv").split(separator: "\n")
    #expect(rows[0].hasPrefix("point,traffic.arrivals.rate_rps,seed,system,completed,"))
    #expect(rows.count == 13)
    #expect(rows[1].hasPrefix("0,0.5,1,nixl,20,") && rows[2].hasPrefix("0,0.5,1,tract,20,"))
    #expect(rows[12].hasPrefix("5,1,3,tract,20,"))
    let summary = try text("one", "summary.csv").split(separator: "\n")
    #expect(summary.count == 5)
    #expect(summary[1].hasPrefix("0.5,nixl,3,"))
    // The baseline's ratio to itself is 1, without spread.
    #expect(summary[1].hasSuffix(",1,0,1,0,1,0"))
  }

  /// A row is the same as that of `run`.
  @Test func aPointIsARun() throws {
    #expect(try sweep("all").status == 0)
    let run = try Command.sim(
      "run", file, "--set", "traffic.arrivals.rate_rps=0.5", "--seed", "2", "--format", "csv")
    let row = try text("all", "sweep.csv").split(separator: "\n")[3].split(separator: ",")
    let cells = run.output.split(separator: "\n")[1].split(separator: ",")
    #expect(row[3] == "nixl")
    #expect(Array(row[4..<24]) == Array(cells[1..<21]))
  }

  @Test func resumingEndsAsIfUninterrupted() throws {
    #expect(try sweep("whole").status == 0)
    let lines = try text("whole").split(separator: "\n", omittingEmptySubsequences: false)
    try FileManager.default.createDirectory(
      atPath: scratch.file("cut"), withIntermediateDirectories: true)
    // Out of order, half a point, and a torn last line.
    let rest = [lines[7], lines[0], lines[1], lines[4]].joined(separator: "\n")
    _ = try scratch.write("cut/sweep.jsonl", rest + "\n" + lines[9].prefix(100))
    #expect(try sweep("cut").status == 65)
    let resumed = try sweep("cut", "--resume")
    #expect(resumed.status == 0 && resumed.output.contains("5 points run"))
    #expect(try files("whole") == files("cut"))
    #expect(try sweep("cut", "--resume").output.contains("0 points run"))
    #expect(try files("whole") == files("cut"))
  }

  /// Killed at random twenty times, a sweep leaves files that the next run goes on with, and ends as
  /// if nothing had happened.
  @Test func killedSweepsGoOn() throws {
    let arguments = [
      "sweep", file, "--vary", "traffic.arrivals.rate_rps=0.1:2:0.1", "--vary",
      "stop.requests=200,300", "--seeds", "1..5", "--jobs", "2", "--output",
    ]
    #expect(try Command.run("tract-sim", arguments + [scratch.file("whole")]).status == 0)
    let total = try text("whole").split(separator: "\n").count
    var kills = 0
    var seed = UInt64.random(in: 0 ... .max)
    var last = 0
    while kills < 20 {
      let process = Process()
      process.executableURL = Command.program("tract-sim")
      process.arguments = arguments + [scratch.file("cut"), "--resume"]
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      // From the program's first instants to well into its rows.
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      usleep(UInt32(seed >> 33) % 120_000)
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      guard process.terminationReason == .uncaughtSignal else {
        // It was done before; begin anew.
        #expect(try files("whole") == files("cut"))
        try FileManager.default.removeItem(atPath: scratch.file("cut"))
        last = 0
        continue
      }
      kills += 1
      guard FileManager.default.fileExists(atPath: scratch.file("cut/sweep.jsonl")) else {
        continue
      }
      // Nothing that was finished is lost; a last line may be torn.
      let rows = try text("cut").split(separator: "\n", omittingEmptySubsequences: false).count - 1
      #expect(rows >= last - 2 && rows <= total)
      last = rows
    }
    let resumed = try Command.run("tract-sim", arguments + [scratch.file("cut"), "--resume"])
    #expect(resumed.status == 0, "\(resumed.error)")
    #expect(try files("whole") == files("cut"))
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.file("cut"))
    #expect(Set(names) == ["sweep.jsonl", "sweep.csv", "summary.csv"])
  }

  @Test func shardsMergeByResuming() throws {
    #expect(try sweep("whole").status == 0)
    var lines = ""
    for shard in 1...4 {
      #expect(try sweep("s\(shard)", "--shard", "\(shard)/4").status == 0)
      lines += try text("s\(shard)")
    }
    try FileManager.default.createDirectory(
      atPath: scratch.file("merged"), withIntermediateDirectories: true)
    _ = try scratch.write("merged/sweep.jsonl", lines)
    let merged = try sweep("merged", "--resume")
    #expect(merged.output.contains("0 points run"))
    #expect(try files("whole") == files("merged"))
  }

  @Test func anotherSweepsRowsAreRefused() throws {
    #expect(try sweep("out").status == 0)
    let before = try files("out")
    let other = try sweep("out", "--resume", "--set", "stop.requests=30")
    #expect(other.status == 65 && other.error.contains("another sweep"))
    #expect(try files("out") == before)
    _ = try scratch.write("out/sweep.jsonl", "{\"point\": 1}\n")
    let damaged = try sweep("out", "--resume")
    #expect(damaged.status == 65 && damaged.error.contains("line 1"))
  }

  /// What is wrong with any point shows before the first runs.
  @Test(arguments: [
    (["--vary", "traffic.input_tokens=100,-1"], Int32(65), "input_tokens"),
    (["--vary", "nothing=1"], 65, "nothing"),
    (["--vary", "traffic.input_tokens=1:2"], 65, "input_tokens"),
    (["--vary", "traffic.input_tokens=2:1:1"], 64, "from is at most to"),
    (["--shard", "0/4"], 64, "--array=1-N"),
  ]) func badArguments(arguments: [String], status: Int32, message: String) throws {
    let output = scratch.file("bad")
    let result = try Command.run("tract-sim", ["sweep", file, "--output", output] + arguments)
    #expect(result.status == status)
    #expect(result.error.contains(message))
    #expect(!FileManager.default.fileExists(atPath: output))
  }
}
