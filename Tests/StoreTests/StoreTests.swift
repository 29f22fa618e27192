// The store on the simulated and on the mapped device: the same code, the same bytes.

import SharedMemory
import Testing
import TractStore

/// Steps a client's operation and the lock manager in turn until the operation is done.
private func run<M: SharedMemory & ~Copyable, O: Operation>(
  _ operation: O, _ memory: inout M, _ client: inout StoreClient, _ manager: inout LockManager
) -> O.Output? {
  var operation = operation
  for _ in 0..<100_000 {
    if case .done(let output) = operation.step(&memory, &client) { return output }
    _ = manager.step(&memory)
  }
  return nil
}

/// A lock manager that rules.
private func found<M: SharedMemory & ~Copyable>(
  _ memory: inout M, _ geometry: PoolGeometry
) -> LockManager {
  var manager = LockManager(geometry, pollNanoseconds: 1000)
  while !manager.isRuling { _ = manager.step(&memory) }
  return manager
}

private func hash(_ number: Int) -> BlockHash {
  BlockHash(
    hi: UInt64(number) &* 0x9E37_79B9_7F4A_7C15, lo: UInt64(number) &* 0xD6E8_FEB8_6659_FD93)
}

/// Puts, pins, overfills so that the store evicts, and removes; returns what it saw.
private func exercise<M: SharedMemory & ~Copyable>(
  _ memory: inout M, _ geometry: PoolGeometry
) -> [Int] {
  Pool.format(&memory, geometry, hashSeed: 1)
  var client = StoreClient(geometry, node: 0, pollNanoseconds: 1000)
  var manager = found(&memory, geometry)
  _ = Join().run(on: &memory, &client) { _ in }
  var seen: [Int] = []
  for round in 0..<6 {
    let hashes = (0..<16).map { hash(round * 16 + $0 + 1) }
    let outcomes = run(PutStart(hashes), &memory, &client, &manager) ?? []
    let reserved = outcomes.compactMap { outcome in
      if case .reserved(let block) = outcome { block } else { nil }
    }
    seen.append(reserved.count)
    _ = run(PutEnd(reserved, pinning: false), &memory, &client, &manager)
    let pinned = (run(PinBlocks(hashes, stopsAtMiss: true), &memory, &client, &manager) ?? [])
      .compactMap { outcome in if case .pinned(let block) = outcome { block } else { nil } }
    seen.append(pinned.count)
    _ = run(Unpin(pinned), &memory, &client, &manager)
  }
  let audit = Audit(&memory, geometry)
  seen += [audit.ready, audit.reserved, audit.evicting, audit.pins, audit.problems.count]
  _ = run(Remove((1...96).map { hash($0) }), &memory, &client, &manager)
  seen.append(Audit(&memory, geometry).ready)
  return seen
}

@Test func bothDevicesHoldTheSameBytes() throws {
  let geometry = try PoolGeometry(
    nodes: 2, payloadBytes: 64 * 4096, blockBytes: 4096, blocksPerChunk: 8, shards: 8)
  let pool = TimedPool(metadataBytes: Int(geometry.metadataBytes))
  var timed = TimedMemory(pool: pool, host: 0)
  let simulated = exercise(&timed, geometry)

  let name = "shm:/tract-store-test-\(UInt64.random(in: 0..<1 << 40))"
  var mapped = try MappedMemory(creating: name, bytes: geometry.totalBytes)
  defer { MappedMemory.remove(name) }
  #expect(exercise(&mapped, geometry) == simulated)
  for (index, line) in pool.contents.enumerated() {
    #expect(mapped.readFresh(Address(UInt64(index) * 64)) == line)
  }
  // 64 blocks hold four rounds of 16; later rounds evict. Everything published can be pinned.
  #expect(simulated.prefix(12).allSatisfy { $0 == 16 })
  #expect(Array(simulated.suffix(6)) == [simulated[12], 0, 0, 0, 0, 0])
}

@Test func aMissingFlushReadsOldBytes() {
  let pool = TimedPool(metadataBytes: 4096)
  var a = TimedMemory(pool: pool, host: 0)
  var b = TimedMemory(pool: pool, host: 1)
  #expect(b.load(Address(0)) == 0)
  a.writeLine(Line64(7, 0, 0, 0, 0, 0, 0, 0), at: Address(0))
  #expect(b.load(Address(0)) == 0, "the stale copy stays")
  #expect(b.readFresh(Address(0))[0] == 7)
}

@Test func evictionSparesPinnedBlocks() throws {
  let geometry = try PoolGeometry(
    nodes: 2, payloadBytes: 16 * 4096, blockBytes: 4096, blocksPerChunk: 8, shards: 4)
  let pool = TimedPool(metadataBytes: Int(geometry.metadataBytes))
  var memory = TimedMemory(pool: pool, host: 0)
  var other = TimedMemory(pool: pool, host: 1)
  Pool.format(&memory, geometry, hashSeed: 1)
  var owner = StoreClient(geometry, node: 0, pollNanoseconds: 1000)
  var reader = StoreClient(geometry, node: 1, pollNanoseconds: 1000)
  var manager = found(&memory, geometry)
  _ = Join().run(on: &memory, &owner) { _ in }
  _ = Join().run(on: &other, &reader) { _ in }
  let hashes = (1...16).map { hash($0) }
  let reserved = (run(PutStart(hashes), &memory, &owner, &manager) ?? []).compactMap { outcome in
    if case .reserved(let block) = outcome { block } else { nil }
  }
  _ = run(PutEnd(reserved, pinning: false), &memory, &owner, &manager)
  _ = run(PinBlocks(Array(hashes[..<4]), stopsAtMiss: true), &other, &reader, &manager)
  #expect(run(Remove(hashes), &memory, &owner, &manager) == 12)
  #expect(Audit(&memory, geometry).ready == 4)
}

@Test func refusesAnotherHashSeed() throws {
  let geometry = try PoolGeometry(nodes: 1, payloadBytes: 64 * 4096, blockBytes: 4096)
  let pool = TimedPool(metadataBytes: Int(geometry.metadataBytes))
  var memory = TimedMemory(pool: pool, host: 0)
  #expect(throws: PoolFormatError.self) { try Pool.open(&memory, hashSeed: 1) }
  Pool.format(&memory, geometry, hashSeed: 1)
  #expect(try Pool.open(&memory, hashSeed: 1) == geometry)
  #expect(throws: PoolFormatError.self) { try Pool.open(&memory, hashSeed: 2) }
}
