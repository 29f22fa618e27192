// `tract-pool`: the store on a file and on POSIX shared memory, from four processes at once.

import Foundation
import JSONText
import Testing

@Suite struct PoolCommandTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func create(_ path: String) throws {
    let result = try Command.pool(
      "create", path, "--size", "2MiB", "--block-bytes", "4KiB", "--nodes", "4")
    #expect(result.status == 0, "\(result.error)")
  }

  private func bench(_ path: String, _ more: String...) throws -> CommandResult {
    try Command.run(
      "tract-pool",
      ["bench", path, "--processes", "4"]
        + (more.contains("--seconds") ? [] : ["--seconds", "0.3", "--timeout", "60"])
        + ["--format", "json"] + more)
  }

  /// Four processes find each other's blocks, evict their own, and corrupt nothing; and again on
  /// the pool as they left it.
  @Test(arguments: ["file", "shm"]) func fourProcesses(_ kind: String) throws {
    let path = kind == "file" ? scratch.file("pool") : "shm:/tract-\(UInt64.random(in: 0 ... .max))"
    try create(path)
    defer { if kind == "shm" { _ = unlink("/dev/shm" + path.dropFirst(4)) } }
    for seed in ["1", "2"] {
      let result = try bench(path, "--seed", seed)
      #expect(result.status == 0, "\(result.error)")
      let report = try JSONParser.parse(Array(result.output.utf8))
      guard case .array(let workers)? = report["processes"]?.value else {
        Issue.record("no processes in \(result.output)")
        return
      }
      #expect(workers.count == 4)
      func total(_ key: String) -> Double {
        workers.reduce(0) { $0 + ($1[key]?.value.double ?? 0) }
      }
      // Low bounds: the machine may be busy.
      #expect(total("blocks_published") > 500)
      #expect(total("evicted") > 0, "the pool is smaller than the prompts")
      #expect(total("hit_percent") > 0)
      for worker in workers {
        #expect(worker["blocks_verified"]?.value.double ?? 0 > 0)
        #expect(worker["corrupt_blocks"]?.value.double == 0)
      }
      #expect(report["audit"]?["pins"]?.value.double == 0)
    }
    let info = try Command.pool("info", path, "--audit", "--format", "json")
    #expect(info.status == 0)
    let figures = try JSONParser.parse(Array(info.output.utf8))
    #expect(figures["blocks"]?.value.double == 512)
    #expect(figures["ready"]?.value.double ?? 0 > 0)
  }

  /// A process that dies, perhaps with locks and pins held, ends the bench; the next one's
  /// processes take its place over.
  @Test func aKilledProcessIsNamedAndReplaced() throws {
    let path = scratch.file("pool")
    try create(path)
    let killer = Thread {
      for _ in 0..<200 {
        usleep(20_000)
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
          let line = (try? String(contentsOfFile: "/proc/\(entry)/cmdline", encoding: .utf8)) ?? ""
          let words = line.split(separator: "\0").map(String.init)
          guard words.contains("worker"), words.contains(path), words.contains("2"),
            let pid = pid_t(entry)
          else { continue }
          // Long enough to be in the middle of things.
          usleep(200_000)
          kill(pid, SIGKILL)
          return
        }
      }
    }
    killer.start()
    let result = try bench(path, "--seconds", "20", "--timeout", "30")
    #expect(result.status == 69, "\(result.output)")
    #expect(result.error.contains("worker 2 was killed by signal 9"), "\(result.error)")
    let again = try bench(path)
    #expect(again.status == 0, "\(again.error)")
  }

  /// The check of payloads can fail.
  @Test func foreignBytesAreFound() throws {
    let path = scratch.file("pool")
    try create(path)
    #expect(try bench(path).status == 0)
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    let end = try file.seekToEnd()
    // All of the payload: whatever is cached is wrong now.
    try file.seek(toOffset: end - 2 << 20)
    try file.write(contentsOf: Data(repeating: 0xA5, count: 2 << 20))
    try file.close()
    let result = try bench(path)
    #expect(result.status == 70, "\(result.output)")
    #expect(result.error.contains("corrupt blocks"))
  }

  /// The audit can fail.
  @Test func aBrokenIndexIsFound() throws {
    let path = scratch.file("pool")
    try create(path)
    #expect(try bench(path).status == 0)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let info = try JSONParser.parse(
      Array(try Command.pool("info", path, "--format", "json").output.utf8))
    let metadata = Int(try #require(info["metadata_bytes"]?.value.double))
    // Turn one bit of a hash in a line that says READY, state 2; the index begins before line 256.
    var line = 64 * 256
    while line < metadata, !(bytes[line] & 0xF == 2 && bytes[line + 56] != 0) { line += 64 }
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    try file.seek(toOffset: UInt64(line + 16))
    try file.write(contentsOf: Data([bytes[line + 16] ^ 1]))
    try file.close()
    let audit = try Command.pool("info", path, "--audit")
    #expect(audit.status == 70, "\(audit.output)")
    #expect(audit.output.contains("torn"))
  }

  @Test func badInput() throws {
    let file = try scratch.write("text", String(repeating: "not a pool ", count: 1000))
    for command in ["info", "bench"] {
      let text = try Command.pool(command, file)
      #expect(text.status == 65)
      #expect(text.error.contains("not a pool"))
      let absent = try Command.pool(command, scratch.file("absent"))
      #expect(absent.status == 65)
      #expect(absent.error.contains("create it first"))
    }
    #expect(try Command.pool("info", try scratch.write("short", "x")).status == 65)
    // Cut behind its superblock.
    try create(scratch.file("cut"))
    let handle = try #require(FileHandle(forUpdatingAtPath: scratch.file("cut")))
    try handle.truncate(atOffset: 1 << 20)
    try handle.close()
    let cut = try Command.pool("info", scratch.file("cut"))
    #expect(cut.status == 65)
    #expect(cut.error.contains("cut"))
  }

  @Test func createIsAllOrNothing() throws {
    let path = scratch.file("pool")
    let small = try Command.pool("create", path, "--size", "1KiB")
    #expect(small.status == 73)
    #expect(!FileManager.default.fileExists(atPath: path))
    try create(path)
    let twice = try Command.pool("create", path, "--size", "2MiB")
    #expect(twice.status == 73)
    #expect(twice.error.contains("exists"))
    for bad in ["-1", "0", "9000000000"] {
      #expect(try Command.pool("create", path, "--force", "--blocks-per-chunk=\(bad)").status == 73)
    }
    #expect(try Command.pool("create", path, "--force", "--nodes", "8").status == 0)
    #expect(try Command.pool("info", path).output.contains("nodes             8"))
    #expect(try Command.pool("create", scratch.file("no/where"), "--size", "1MiB").status == 73)
    #expect(try Command.pool("create", scratch.file("x")).status == 64)
    #expect(try Command.pool("bench", path, "--processes", "9").status == 64)
  }
}
