// Several nodes put, look up, read, evict and remove at once; payload is watched from outside.

import PoolBench
import SharedMemory
import Testing

@testable import TractStore

/// What lies in each block, as DMA would have left it; the store never sees this.
private struct Payload {
  var contents: [BlockHash?]

  init(blocks: Int) { contents = Array(repeating: nil, count: blocks) }
}

/// One client's life: it puts a prefix, or looks one up and reads it, over and over.
private struct Life {
  enum Task {
    case reserve(PutStart)
    case publish(PutEnd, [Reservation])
    case revoke(PutRevoke)
    case pin(PinBlocks)
    case reading([PinnedBlock], stepsLeft: Int)
    case unpin(Unpin)
    case remove(Remove)
  }

  var node: Int
  var task: Task?
  var rounds: Int

  /// A run of a few hashes, from a small set so that lives meet.
  private static func hashes(_ random: inout SplitMix64) -> [BlockHash] {
    let start = Int.random(in: 0..<6, using: &random) * 8
    return BlockHash.numbers(start..<start + Int.random(in: 1...8, using: &random))
  }

  /// One step; records a reader that finds foreign bytes.
  mutating func step(
    _ cluster: inout Cluster, _ payload: inout Payload, _ random: inout SplitMix64,
    _ problems: inout [String]
  ) {
    guard let task else {
      guard rounds > 0 else { return }
      rounds -= 1
      let hashes = Self.hashes(&random)
      switch Int.random(in: 0..<8, using: &random) {
      case 0..<3: self.task = .reserve(PutStart(hashes))
      case 3: self.task = .remove(Remove(hashes))
      default: self.task = .pin(PinBlocks(hashes, stopsAtMiss: Bool.random(using: &random)))
      }
      return
    }
    switch task {
    case .reserve(let operation):
      self.task = advance(operation, &cluster, Task.reserve) { outcomes in
        let reservations = outcomes.reservations
        if Int.random(in: 0..<8, using: &random) == 0 { return .revoke(PutRevoke(reservations)) }
        // DMA writes the payload before the first step of publishing.
        for block in reservations { payload.contents[block.block] = block.hash }
        return .publish(PutEnd(reservations, pinning: true), reservations)
      }
    case .publish(let operation, let reservations):
      self.task = advance(operation, &cluster, { .publish($0, reservations) }) { pinned in
        .reading(pinned, stepsLeft: Int.random(in: 0..<40, using: &random))
      }
    case .revoke(let operation):
      self.task = advance(operation, &cluster, Task.revoke) { _ in nil }
    case .pin(let operation):
      self.task = advance(operation, &cluster, Task.pin) { outcomes in
        .reading(outcomes.pinned, stepsLeft: Int.random(in: 0..<40, using: &random))
      }
    case .reading(let blocks, let stepsLeft):
      // I4 and I5: from the pin to the unpin the block holds the KV of its hash.
      for block in blocks where payload.contents[block.block] != block.hash {
        problems.append("block \(block.block) holds foreign bytes under a pin")
      }
      self.task =
        stepsLeft > 0 ? .reading(blocks, stepsLeft: stepsLeft - 1) : .unpin(Unpin(blocks))
    case .unpin(let operation):
      self.task = advance(operation, &cluster, Task.unpin) { _ in nil }
    case .remove(let operation):
      self.task = advance(operation, &cluster, Task.remove) { _ in nil }
    }
  }

  private func advance<O: Operation>(
    _ operation: O, _ cluster: inout Cluster, _ rewrap: (O) -> Task, _ next: (O.Output) -> Task?
  ) -> Task? {
    var operation = operation
    if case .done(let output) = operation.step(&cluster.memories[node], &cluster.clients[node]) {
      return next(output)
    }
    return rewrap(operation)
  }
}

@Suite struct InterleavingTests {
  /// The later seeds once failed: an evictor took another node's entry for its own when hash, line
  /// and generation were the same.
  @Test(arguments: Array(1...100) + [131, 286, 591, 606, 885, 925] as [UInt64])
  func pinnedPayloadNeverChanges(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let posted = seed % 4 == 0
    var cluster = try Cluster(
      nodes: 3, blocks: 24, shards: [1, 2, 7].randomElement(using: &random)!,
      capabilities: DeviceCapabilities(
        fabric: posted ? .posted : .strong, ddio: false, lineStore: seed % 3 != 0, payload: .dmaOnly
      ))
    for node in 0..<3 { cluster.clients[node].shardsPerSet = 3 }
    var payload = Payload(blocks: cluster.geometry.blocks)
    // Two lives a node: operations of one client interleave between steps.
    var lives = (0..<6).map { Life(node: $0 / 2, rounds: 25) }
    // Priorities that change now and then find what fair scheduling does not (PCT: Burckhardt,
    // Kothari, Musuvathi, Nagarakatti, ASPLOS 2010).
    var favourite = 0
    var problems: [String] = []
    var steps = 0
    while lives.contains(where: { $0.rounds > 0 || $0.task != nil }), steps < 2_000_000 {
      steps += 1
      if Int.random(in: 0..<50, using: &random) == 0 {
        favourite = Int.random(in: 0...lives.count, using: &random)
      }
      let fair = Int.random(in: 0..<3, using: &random) > 0
      let index = fair ? Int.random(in: 0...lives.count, using: &random) : favourite
      if index == lives.count {
        _ = cluster.manager.step(&cluster.managerMemory)
      } else {
        lives[index].step(&cluster, &payload, &random, &problems)
      }
      if problems.count > 3 { break }
    }
    #expect(problems.isEmpty, "seed \(seed)")
    #expect(lives.allSatisfy { $0.rounds == 0 && $0.task == nil }, "seed \(seed): stuck")
    let audit = cluster.audit()
    #expect(audit.problems.isEmpty, "seed \(seed)")
    #expect((audit.reserved, audit.evicting, audit.pins) == (0, 0, 0), "seed \(seed)")
    #expect(cluster.clients.reduce(0) { $0 + $1.residentBlocks } == audit.ready, "seed \(seed)")
    let evicted = cluster.clients.reduce(0) { $0 + $1.counters.evicted }
    #expect(evicted > 0, "seed \(seed): the pool was too large for the test to mean something")
  }

  /// The same operations leave the same protocol lines, whatever the memory is.
  @Test func realAndSimulatedMemoryEndAlike() throws {
    var cluster = try Cluster(nodes: 2, blocks: 24)
    let path = "shm:/tract-store-test-\(UInt64.random(in: 0 ... .max))"
    defer { MappedMemory.remove(path) }
    var mapped = try MappedMemory(creating: path, bytes: cluster.geometry.totalBytes)
    Pool.format(&mapped, cluster.geometry, hashSeed: 1)
    // As the cluster began, on the other memory.
    let geometry = cluster.geometry
    var clients = (0..<2).map { StoreClient(geometry, node: $0, pollNanoseconds: 100) }
    var manager = LockManager(geometry, pollNanoseconds: 100)
    while !manager.isRuling { _ = manager.step(&mapped) }
    for node in 0..<2 { _ = Join().run(on: &mapped, &clients[node]) { _ in } }

    func both<O: Operation>(_ operation: O, node: Int) -> O.Output where O.Output: Equatable {
      let simulated = cluster.run(operation, node: node)
      var copy = operation
      while true {
        if case .done(let real) = copy.step(&mapped, &clients[node]) {
          #expect(real == simulated)
          return real
        }
        _ = manager.step(&mapped)
      }
    }

    for round in 0..<12 {
      let node = round % 2
      let hashes = BlockHash.numbers(round * 5..<round * 5 + 9)
      let reservations = both(PutStart(hashes), node: node).reservations
      let pinned = both(PutEnd(reservations, pinning: round % 3 == 0), node: node)
      let read = both(PinBlocks(hashes, stopsAtMiss: false), node: 1 - node).pinned
      _ = both(Remove(hashes), node: node)
      let unpins = [(pinned, node), (read, 1 - node)]
      for (blocks, node) in unpins {
        cluster.run(Unpin(blocks), node: node)
        var unpin = Unpin(blocks)
        _ = unpin.step(&mapped, &clients[node])
      }
    }
    for line in 0..<cluster.geometry.metadataBytes / 64 {
      let real = mapped.readFresh(Address(line * 64))
      let simulated = cluster.memories[0].readFresh(Address(line * 64))
      #expect(real == simulated, "line \(line)")
    }
  }

  // MARK: The tests bite

  /// Without invalidation a node goes on believing what it once read.
  @Test func withoutInvalidationABlockIsNeverSeen() throws {
    var cluster = try Cluster()
    var forgetful = NeverInvalidating(cluster.memories[1])
    let look = PinBlocks([BlockHash(1)], stopsAtMiss: false)
    func lookUp() -> [PinOutcome] {
      var look = look
      while true {
        if case .done(let outcomes) = look.step(&forgetful, &cluster.clients[1]) { return outcomes }
      }
    }
    let before = lookUp()
    #expect(before == [.absent])
    cluster.put([BlockHash(1)], node: 0)
    let after = lookUp()
    #expect(after == [.absent], "stale: the copy from before is still in the cache")
    let found = cluster.run(look, node: 0)
    #expect(found.pinned.count == 1)
  }
}

/// A host whose flushes do nothing: each mistake of leaving one out, in one.
private struct NeverInvalidating: SharedMemory {
  var memory: TimedMemory

  init(_ memory: TimedMemory) { self.memory = memory }

  var capabilities: DeviceCapabilities { memory.capabilities }
  mutating func load(_ address: Address) -> UInt64 { memory.load(address) }
  mutating func store(_ value: UInt64, to address: Address) { memory.store(value, to: address) }
  mutating func flush(_ line: Address) {}
  mutating func fence() { memory.fence() }
  mutating func storeLine(_ line: Line64, at address: Address) {
    memory.storeLine(line, at: address)
  }
}
