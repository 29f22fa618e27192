// `tract-pool check`, and what all commands on pools refuse to open.

import Foundation
import JSONText
import SharedMemory
import Testing
import TractStore

@Suite struct PoolCheckTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func create(_ more: String...) throws -> String {
    let path = scratch.file("pool")
    let result = try Command.run(
      "tract-pool",
      ["create", path, "--size", "1MiB", "--block-bytes", "4KiB", "--nodes", "2"] + more)
    #expect(result.status == 0, "\(result.error)")
    return path
  }

  private static let hashes = (1...4).map {
    BlockHash(hi: $0 &* 0x9E37_79B9_7F4A_7C15, lo: $0 &* 0xD6E8_FEB8_6659_FD93)
  }

  /// Publishes four blocks, and ends without leaving.
  private func fill(_ path: String) throws {
    var memory = try MappedMemory(opening: path)
    let geometry = try Pool.open(&memory, hashSeed: nil, regionBytes: memory.byteCount)
    var client = StoreClient(geometry, node: 0, pollNanoseconds: 1)
    var manager = LockManager(geometry, pollNanoseconds: 1)
    func run<O: TractStore.Operation>(_ operation: O) -> O.Output {
      var operation = operation
      while true {
        if case .done(let output) = operation.step(&memory, &client) { return output }
        _ = manager.step(&memory, elapsed: 1)
      }
    }
    _ = run(Join())
    let reserved = run(PutStart(Self.hashes)).compactMap { outcome in
      if case .reserved(let block) = outcome { block } else { nil }
    }
    #expect(run(PutEnd(reserved, pinning: false)).isEmpty && reserved.count == 4)
  }

  /// Changes the first line that `matches`.
  private func change(
    _ path: String, where matches: (Line64) -> Bool, _ body: (inout Line64) -> Void
  ) throws {
    var memory = try MappedMemory(opening: path)
    let line = try #require(
      (0..<memory.byteCount / 64).first { matches(memory.readFresh(Address($0 * 64))) })
    var words = memory.readFresh(Address(line * 64))
    body(&words)
    memory.writeLine(words, at: Address(line * 64))
  }

  private func isEntry(_ line: Line64) -> Bool { line[1] == Self.hashes[0].hi }

  @Test func checkReadsAndRepairMends() throws {
    let path = try create()
    try fill(path)
    let sound = try Command.pool("check", path)
    #expect(sound.status == 0, "\(sound.output)\(sound.error)")
    #expect(sound.output.hasSuffix("sound\n"))
    try change(path, where: isEntry) { $0[4] ^= 1 }
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let broken = try Command.pool("check", path)
    #expect(broken.status == 70)
    #expect(broken.output.contains("torn"))
    #expect(broken.output.contains("--repair"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
    let repair = try Command.pool("check", path, "--repair")
    #expect(repair.status == 0, "\(repair.output)\(repair.error)")
    #expect(repair.output.contains("mended: index line"))
    #expect(repair.output.contains("node 0 (incarnation 1) had not left"))
    #expect(repair.output.contains("sound now"))
    let again = try Command.pool("check", path, "--repair", "--format", "json")
    #expect(again.status == 0)
    let report = try JSONParser.parse(Array(again.output.utf8))
    #expect(report["contents"]?["ready"]?.value.double == 3)
    guard case .array(let actions)? = report["actions"]?.value else {
      Issue.record("no actions in \(again.output)")
      return
    }
    #expect(actions.isEmpty)
  }

  /// Blocks of whoever is alive must not be taken away.
  @Test func aPoolInUseIsNotRepaired() throws {
    let path = try create()
    try fill(path)
    let isDone = Flag()
    let beating = Thread {
      guard var memory = try? MappedMemory(opening: path),
        let geometry = try? Pool.open(&memory, hashSeed: nil, regionBytes: memory.byteCount)
      else { return }
      var client = StoreClient(geometry, node: 1, pollNanoseconds: 1)
      _ = Join().run(on: &memory, &client) { _ in }
      while !isDone.isSet {
        _ = Tick().run(on: &memory, &client) { _ in }
        usleep(20_000)
      }
    }
    beating.start()
    // Until the other node is there.
    usleep(200_000)
    let result = try Command.pool("check", path, "--repair")
    isDone.set()
    #expect(result.status == 69, "\(result.output)")
    #expect(result.error.contains("in use by node 1"))
  }

  private final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false
    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
  }

  @Test func whatIsNoPoolIsRefused() throws {
    for arguments in [["check"], ["check", "--repair"]] {
      let path = try create()
      defer { unlink(path) }
      func refusal(_ path: String) throws -> String {
        let result = try Command.run("tract-pool", arguments + [path])
        #expect(result.status == 65, "\(result.output)")
        #expect(result.output.isEmpty)
        return result.error
      }
      #expect(try refusal(scratch.file("absent")).contains("create it first"))
      #expect(try refusal(scratch.write("text", "no pool")).contains("too few"))
      // Another version's layout; then a superblock that nobody sealed.
      try change(path, where: { _ in true }) { $0 = with($0) { $0[3] ^= 1 } }
      #expect(try refusal(path).contains("another layout"))
      try change(path, where: { _ in true }) { $0[3] ^= 1 }
      #expect(try refusal(path).contains("not a pool"))
    }
  }

  private func with(_ line: Line64, _ body: (inout Line64) -> Void) -> Line64 {
    var line = line
    body(&line)
    return line.sealed(sequence: 1)
  }

  @Test func aCutPoolIsRefused() throws {
    let path = try create()
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    try handle.truncate(atOffset: 8192)
    try handle.close()
    for arguments in [["check"], ["check", "--repair"], ["info"], ["info", "--audit"], ["bench"]] {
      let result = try Command.run("tract-pool", arguments + [path])
      #expect(result.status == 65)
      #expect(result.error.contains("it has been cut"), "\(result.error)")
    }
  }

  @Test func anotherHashSeedIsRefused() throws {
    let path = try create("--hash-seed", "7")
    #expect(try Command.pool("check", path, "--hash-seed", "7").status == 0)
    let other = try Command.pool("check", path, "--hash-seed", "8")
    #expect(other.status == 65)
    #expect(other.error.contains("another seed"))
  }

  @Test func linksAreFollowedOnlyWhenAsked() throws {
    let path = try create()
    let link = scratch.file("link")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
    for arguments in [["check"], ["info"], ["bench"], ["create", "--force"]] {
      let refused = try Command.run("tract-pool", arguments + [link])
      #expect(refused.status == (arguments[0] == "create" ? 73 : 65))
      #expect(refused.error.contains("--follow-links"), "\(refused.error)")
    }
    for arguments in [["check"], ["info"], ["create", "--force"]] {
      let followed = try Command.run("tract-pool", arguments + [link, "--follow-links"])
      #expect(followed.status == 0, "\(followed.error)")
    }
    // A new pool does not go where a link points to.
    unlink(path)
    #expect(try Command.pool("create", link, "--size", "1MiB", "--follow-links").status == 73)
  }

  @Test(.enabled(if: geteuid() == 0, "only root can give files away"))
  func foreignOwnersAreRefusedUnlessAsked() throws {
    let path = try create()
    #expect(chown(path, 1, 1) == 0)
    for arguments in [["check"], ["info"], ["bench"], ["create", "--force"]] {
      let refused = try Command.run("tract-pool", arguments + [path])
      #expect(refused.status == (arguments[0] == "create" ? 73 : 65))
      #expect(refused.error.contains("belongs to user 1"), "\(refused.error)")
    }
    #expect(try Command.pool("check", path, "--any-owner").status == 0)
  }

  /// Whatever the umask is.
  @Test(arguments: ["0", "0777"]) func poolsAreTheirOwners(umask: String) throws {
    let name = "tract-\(UInt64.random(in: 0 ... .max))"
    defer { unlink("/dev/shm/\(name)") }
    for (path, file) in [
      (scratch.file("own"), scratch.file("own")), ("shm:/\(name)", "/dev/shm/\(name)"),
    ] {
      let shell = Process()
      shell.executableURL = URL(fileURLWithPath: "/bin/sh")
      let program = Command.products.appendingPathComponent("tract-pool").path
      shell.arguments = [
        "-c", "umask \(umask); exec \"$0\" create \"$1\" --size 1MiB >&2", program, path,
      ]
      try shell.run()
      shell.waitUntilExit()
      #expect(shell.terminationStatus == 0)
      let attributes = try FileManager.default.attributesOfItem(atPath: file)
      #expect(attributes[.posixPermissions] as? Int == 0o600)
    }
  }

  @Test func whatIsNoMemoryIsRefused() throws {
    let fifo = scratch.file("fifo")
    #expect(mkfifo(fifo, 0o600) == 0)
    for path in [fifo, scratch.folder.path, "/dev/null", "/dev/zero"] {
      for arguments in [["check"], ["check", "--repair"], ["info"], ["create", "--force"]] {
        let result = try Command.run("tract-pool", arguments + [path])
        #expect(result.status == (arguments[0] == "create" ? 73 : 65))
        #expect(result.error.contains("give a DAX device"), "\(result.error)")
      }
    }
  }
}
