// What may be mapped, and how.

import Glibc
import SharedMemory
import Testing

@Suite struct OpeningTests {
  /// A view that cannot write still flushes before it reads, and sees what others write.
  @Test(arguments: ["/tmp/tract-view-", "shm:/tract-view-"])
  func aReadOnlyViewReadsFresh(prefix: String) throws {
    let path = prefix + "\(UInt64.random(in: 0 ... .max))"
    var writer = try MappedMemory(creating: path, bytes: 4096)
    defer { MappedMemory.remove(path) }
    var view = try MappedMemory(opening: path, exclusively: true, writable: false)
    #expect(writer.isWritable && !view.isWritable)
    for number in 1...3 as ClosedRange<UInt64> {
      let line = Line64(number, 2, 3, 4, 5, 6, 7, 0).sealed(sequence: 1)
      writer.writeLine(line, at: Address(64))
      #expect(view.readFresh(Address(64)) == line)
    }
  }

  @Test func linksAreRefusedUnlessAsked() throws {
    let path = "/tmp/tract-link-\(UInt64.random(in: 0 ... .max))"
    _ = try MappedMemory(creating: path, bytes: 4096)
    #expect(symlink(path, path + "-link") == 0)
    defer {
      MappedMemory.remove(path)
      unlink(path + "-link")
    }
    #expect(throws: PoolError.self) { _ = try MappedMemory(opening: path + "-link") }
    let followed = try MappedMemory(
      opening: path + "-link", trust: MappedMemory.Trust(followsLinks: true))
    #expect(followed.byteCount == 4096)
  }
}
