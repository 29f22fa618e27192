// The seal tells a torn line; the derived accesses publish and read at the device.

import SharedMemory
import Testing

@Suite struct LineTests {
  private let line = Line64(1, 2, 3, 4, 5, 6, 7, 0).sealed(sequence: 9)

  @Test func sealsHold() {
    #expect(line.isSealed)
    #expect(line.sequence == 9)
    #expect(Line64().isSealed, "fresh memory reads as lines never written")
    for word in 0..<8 {
      for bit in [0, 31, 63] {
        var torn = line
        torn[word] ^= 1 << UInt64(bit)
        #expect(!torn.isSealed, "word \(word), bit \(bit)")
      }
    }
  }

  /// Every mixture of two versions of a line by words is seen to be torn.
  @Test func mixturesOfVersionsAreTorn() {
    let other = Line64(11, 12, 13, 14, 15, 16, 17, 0).sealed(sequence: 10)
    for mask in 1..<255 {
      var mixture = line
      for word in 0..<8 where mask & 1 << word != 0 { mixture[word] = other[word] }
      #expect(!mixture.isSealed, "mask \(mask)")
    }
  }
}

@Suite struct TimedMemoryTests {
  private let pool = TimedPool(metadataBytes: 64 * 64)
  private let address = Address(128)
  private let line = Line64(1, 0, 0, 0, 0, 0, 0, 0).sealed(sequence: 1)

  private func host(_ number: Int) -> TimedMemory {
    TimedMemory(
      pool: pool, host: number, cacheLines: 16,
      timing: LineTiming(latency: 100, pipelinedRead: 10, pipelinedWrite: 5, cacheHit: 1))
  }

  @Test func aCopyStaysOldUntilItIsDropped() {
    var (reader, writer) = (host(0), host(1))
    #expect(reader.load(address) == 0)
    writer.writeLine(line, at: address)
    #expect(reader.load(address) == 0, "its own copy")
    #expect(reader.readFresh(address) == line)
  }

  @Test func aStoreStaysAtHomeUntilItIsFlushed() {
    var (writer, reader) = (host(0), host(1))
    writer.store(7, to: address)
    #expect(writer.load(address) == 7)
    #expect(reader.readFresh(address)[0] == 0)
    writer.flush(address)
    #expect(reader.readFresh(address)[0] == 7)
  }

  /// Two hosts store into different words of one line: whole lines are written back, so one is lost.
  @Test func falseSharingLosesAStore() {
    var (a, b) = (host(0), host(1))
    a.store(1, to: address)
    b.store(2, to: address + 8)
    a.flush(address)
    b.flush(address)
    var fresh = host(2)
    #expect(fresh.load(address) == 0, "overwritten by the copy of b")
    #expect(fresh.load(address + 8) == 2)
  }

  @Test func conflictsWriteBack() {
    var (writer, reader) = (host(0), host(1))
    writer.store(7, to: address)
    // The line 16 lines on has the same place in a cache of 16.
    _ = writer.load(address + 16 * 64)
    #expect(reader.readFresh(address)[0] == 7)
  }

  /// The first access after a fence pays the latency, the others are pipelined.
  @Test func whatAccessesCost() {
    var memory = host(0)
    _ = memory.load(Address(0))
    #expect(memory.elapsed == 100)
    _ = memory.load(Address(64))
    _ = memory.load(Address(128))
    #expect(memory.elapsed == 120)
    _ = memory.load(Address(128))
    #expect(memory.elapsed == 121)
    memory.elapsed = 0
    memory.writeLines((0..<4).map { LineWrite(line, at: Address(UInt64($0) * 64)) })
    #expect(memory.elapsed == 100 + 3 * 5)
    memory.fence()
    #expect(memory.elapsed == 115, "nothing to wait for")
  }

  @Test func watchedStoresAreCounted() {
    pool.watch(Address(128)..<Address(192))
    var memory = host(0)
    memory.writeLine(line, at: Address(64))
    memory.writeLine(line, at: Address(192))
    #expect(pool.watchedStores == 0)
    memory.writeLine(line, at: Address(128))
    memory.store(3, to: Address(136))
    memory.flush(Address(128))
    #expect(pool.watchedStores == 2)
  }

  /// A posted fabric needs a read back, and a processor without line stores a flush: same contents.
  @Test(arguments: [(DeviceCapabilities.Fabric.strong, true), (.strong, false), (.posted, true)])
  func everyWayOfPublishingArrives(_ fabric: DeviceCapabilities.Fabric, lineStore: Bool) {
    var (writer, reader) = (host(0), host(1))
    writer.capabilities = DeviceCapabilities(
      fabric: fabric, ddio: false, lineStore: lineStore, payload: .dmaOnly)
    writer.writeLine(line, at: address)
    writer.writeLines([LineWrite(line, at: address + 64), LineWrite(line, at: address + 128)])
    #expect(reader.readFresh(address) == line)
    #expect(reader.readFresh(address + 64) == line)
    #expect(reader.readFresh(address + 128) == line)
  }
}

@Suite struct MappedMemoryTests {
  /// Parts exclude each other by number, not the data, and end with their mapping.
  @Test func aPartIsPlayedOnce() throws {
    let path = "shm:/tract-parts-\(UInt64.random(in: 0 ... .max))"
    defer { MappedMemory.remove(path) }
    let one = try MappedMemory(creating: path, bytes: 4096)
    var seen: [Bool] = []
    do {
      let two = try MappedMemory(opening: path)
      seen += [two.takePart(3), one.takePart(3), one.takePart(4)]
      #expect(seen == [true, false, true])
      seen = [one.isPartTaken(3), two.isPartTaken(5)]
      #expect(seen == [true, false])
      two.leavePart(3)
      seen = [one.isPartTaken(3), two.takePart(3)]
      #expect(seen == [false, true])
    }
    seen = [one.takePart(3)]
    #expect(seen == [true])
  }

  @Test func sharedUseBarsExclusiveUse() throws {
    let path = "shm:/tract-share-\(UInt64.random(in: 0 ... .max))"
    defer { MappedMemory.remove(path) }
    let one = try MappedMemory(creating: path, bytes: 4096)
    let two = try MappedMemory(opening: path)
    let isShared = one.share() && two.share()
    #expect(isShared)
    #expect(throws: PoolError.self) { _ = try MappedMemory(opening: path, exclusively: true) }
  }

  private func path(_ kind: String) -> String {
    let name = "tract-mapped-\(UInt64.random(in: 0 ... .max))"
    return kind == "shm" ? "shm:/\(name)" : "/tmp/\(name)"
  }

  @Test(arguments: ["file", "shm"]) func twoMappingsShare(_ kind: String) throws {
    let path = path(kind)
    defer { MappedMemory.remove(path) }
    var one = try MappedMemory(creating: path, bytes: 8192)
    var two = try MappedMemory(opening: path)
    #expect(two.byteCount == 8192)
    let line = Line64(1, 2, 3, 4, 5, 6, 7, 0).sealed(sequence: 1)
    one.writeLine(line, at: Address(64))
    #expect(two.readFresh(Address(64)) == line)
    two.store(42, to: Address(4096))
    #expect(one.load(Address(4096)) == 42)
    let payload = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    payload.withUnsafeBytes { one.writePayload($0, at: Address(5000)) }
    var copy = [UInt8](repeating: 0, count: 1000)
    copy.withUnsafeMutableBytes { two.readPayload(at: Address(5000), into: $0) }
    #expect(copy == payload)
  }

  @Test func errorsSayWhatToDo() throws {
    func message(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return "no error"
    }
    let path = path("file")
    defer { MappedMemory.remove(path) }
    #expect(message { _ = try MappedMemory(opening: path) }.contains("create it first"))
    _ = try MappedMemory(creating: path, bytes: 4096)
    #expect(message { _ = try MappedMemory(creating: path, bytes: 4096) }.contains("remove it"))
    #expect(message { _ = try MappedMemory(opening: "shm:name") }.contains("shm:/name"))
    #expect(message { _ = try MappedMemory(opening: "/dev/null") }.contains("DAX device"))
    let huge = self.path("shm")
    #expect(message { _ = try MappedMemory(creating: huge, bytes: 1 << 60) }.contains("smaller"))
    #expect(
      message { _ = try MappedMemory(opening: huge) }.contains("create it"), "nothing is left")
  }

  @Test func oneHolderAtATime() throws {
    let path = path("shm")
    defer { MappedMemory.remove(path) }
    _ = try MappedMemory(creating: path, bytes: 4096)
    do {
      let holder = try MappedMemory(opening: path, exclusively: true)
      #expect(throws: PoolError.self) { _ = try MappedMemory(opening: path, exclusively: true) }
      _ = try MappedMemory(opening: path)
      #expect(holder.byteCount == 4096)
    }
    _ = try MappedMemory(opening: path, exclusively: true)
  }
}
