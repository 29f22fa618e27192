// `tract-pool manager` and `stress`: processes that die, are stopped, and follow each other.

import Foundation
import JSONText
import Testing

@Suite struct PoolLifeTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func create(nodes: Int = 4) throws -> String {
    let path = scratch.file("pool")
    let result = try Command.pool(
      "create", path, "--size", "2MiB", "--block-bytes", "4KiB", "--nodes", "\(nodes)")
    #expect(result.status == 0, "\(result.error)")
    return path
  }

  /// Starts a command that goes on until its standard input ends or it is stopped.
  private func start(_ arguments: String...) throws -> Process {
    let process = Process()
    process.executableURL = Command.program("tract-pool")
    process.arguments = arguments
    let input = Pipe()
    // Another process that held it open would keep this one from its end.
    _ = fcntl(input.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
    process.standardInput = input
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
  }

  private func info(_ path: String) throws -> JSONNode {
    let result = try Command.pool("info", path, "--watch-ms", "100", "--format", "json")
    #expect(result.status == 0, "\(result.error)")
    return try JSONParser.parse(Array(result.output.utf8))
  }

  private func states(_ path: String, _ key: String) throws -> [String] {
    guard case .array(let rows)? = try info(path)[key]?.value else { return [] }
    return rows.compactMap { row in
      if case .string(let state)? = row["state"]?.value { state } else { nil }
    }
  }

  /// Looks until it is so; the machine may be busy.
  private func eventually(_ isSo: () throws -> Bool) throws -> Bool {
    for _ in 0..<100 {
      if try isSo() { return true }
      usleep(20_000)
    }
    return false
  }

  /// Kills and pauses in every form, and nothing breaks.
  @Test func stress() throws {
    let result = try Command.pool(
      "stress", "--nodes", "3", "--seconds", "3", "--seed", "11", "--lease-ms", "150", "--format",
      "json")
    #expect(result.status == 0, "\(result.output) \(result.error)")
    #expect(result.error.hasPrefix("seed 11\n"))
    let report = try JSONParser.parse(Array(result.output.utf8))
    func figure(_ key: String) -> Double { report[key]?.value.double ?? -1 }
    for key in [
      "payload_mismatches", "leaked_blocks", "doubly_owned_blocks", "torn_lines", "stuck_locks",
    ] { #expect(figure(key) == 0, "\(key)") }
    // Low bounds: the machine may be busy.
    for key in [
      "kills", "manager_kills", "managers_replaced", "rejoins", "recoveries", "lookups_per_s",
      "blocks_verified",
    ] { #expect(figure(key) > 0, "\(key)") }
    #expect(figure("lives") > 3)
  }

  /// The check of payloads can fail, in a pool that is wrong from the beginning.
  @Test func stressFindsForeignBytes() throws {
    let path = try create()
    #expect(
      try Command.pool("bench", path, "--processes", "2", "--seconds", "0.3").status == 0)
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    try file.seek(toOffset: try file.seekToEnd() - 2 << 20)
    try file.write(contentsOf: Data(repeating: 0xA5, count: 2 << 20))
    try file.close()
    let result = try Command.pool("stress", path, "--nodes", "2", "--seconds", "0.5")
    #expect(result.status == 70, "\(result.output)")
    #expect(!result.output.contains("payload_mismatches                0\n"))
  }

  /// The ruling manager is killed and another seat rules; a seat has one process on a host.
  @Test func aStandbyTakesOver() throws {
    let path = try create()
    let first = try start("manager", path, "--lease-ms", "100")
    defer { first.terminate() }
    #expect(try eventually { try states(path, "managers")[0] == "ruling" })
    let second = try start("manager", path, "--seat", "1", "--lease-ms", "100")
    defer { second.terminate() }
    let same = try Command.pool("manager", path)
    #expect(same.status == 69)
    #expect(same.error.contains("seat 0 has a manager on this host"))
    let bench = try Command.pool("bench", path)
    #expect(bench.status == 65)
    #expect(bench.error.contains("another process uses it"))
    kill(first.processIdentifier, SIGKILL)
    #expect(try eventually { try states(path, "managers")[1] == "ruling" })
    #expect(try states(path, "managers")[0] == "standby")
    second.terminate()
    second.waitUntilExit()
    #expect(second.terminationStatus == 0)
    #expect(try states(path, "managers")[1] == "vacant", "it has resigned")
    #expect(try Command.pool("manager", path, "--seat", "9").status == 64)
    #expect(try Command.pool("manager", path, "--lease-ms", "1").status == 64)
  }

  /// A paused node is seen to be silent, then dead; another one clears its traces away.
  @Test func aDeadNodeShows() throws {
    let path = try create()
    let first = try start("worker", path, "--node", "2", "--lease-ms", "100")
    #expect(try eventually { try states(path, "members")[2] == "active" })
    kill(first.processIdentifier, SIGSTOP)
    #expect(try eventually { try states(path, "members")[2] == "silent" })
    let manager = try start("manager", path, "--lease-ms", "100")
    defer { manager.terminate() }
    #expect(try eventually { try states(path, "members")[2] == "dead" })
    first.waitUntilExit()
    #expect(first.terminationReason == .uncaughtSignal, "killed, though it was paused")
    let other = try start("worker", path, "--node", "0", "--lease-ms", "100")
    #expect(try eventually { try states(path, "members")[2] == "recovered" })
    let again = try start("worker", path, "--node", "2", "--lease-ms", "100")
    #expect(try eventually { try states(path, "members")[2] == "active" })
    for worker in [other, again] {
      try (worker.standardInput as? Pipe)?.fileHandleForWriting.close()
      worker.waitUntilExit()
      #expect(worker.terminationStatus == 0)
    }
    #expect(try states(path, "members") == Array(repeating: "vacant", count: 4))
  }

  @Test func microBenchmarks() throws {
    let path = try create()
    let result = try Command.pool(
      "bench", path, "--micro", "--processes", "2", "--format", "json")
    #expect(result.status == 0, "\(result.error)")
    let report = try JSONParser.parse(Array(result.output.utf8))
    guard case .array(let rows)? = report["measurements"]?.value else {
      Issue.record("no measurements in \(result.output)")
      return
    }
    #expect(rows.count >= 10)
    for row in rows {
      #expect(row["min_ns"]?.value.double ?? 0 > 0)
      #expect(row["median_ns"]?.value.double ?? 0 >= row["min_ns"]?.value.double ?? 1)
    }
    let audit = try Command.pool("info", path, "--audit")
    #expect(audit.status == 0, "\(audit.output)")
  }
}
