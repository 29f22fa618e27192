// One node of `tract-pool bench`: it caches prompts in a pool and checks every byte it reads.

import Foundation
import JSONText
import SharedMemory
import TractStore

/// What the nodes of a bench do.
public struct BenchLoad: Hashable, Sendable {
  public var seconds: Double
  /// Seconds after which a node that is not done gives up.
  public var timeout: Double
  /// Prompts that are asked for; groups of eight share their first half.
  public var prompts: Int
  public var promptBlocks: Int
  public var seed: UInt64

  public init(seconds: Double, timeout: Double, prompts: Int, promptBlocks: Int, seed: UInt64) {
    self.seconds = seconds
    self.timeout = timeout
    self.prompts = prompts
    self.promptBlocks = promptBlocks
    self.seed = seed
  }
}

/// The time allowed is over: a lock was not granted, or the machine is far too slow.
public struct DeadlinePassed: Error {}

/// A node at work on real memory.
public struct Worker: ~Copyable {
  private var memory: MappedMemory
  private var client: StoreClient
  private let load: BenchLoad
  private var random: SplitMix64
  private let deadline: ContinuousClock.Instant
  private var payload: [UInt64]
  private var lookups: [Double] = []
  private var puts: [Double] = []
  private var asked = 0
  private var verified = 0
  private var corrupt = 0

  /// Becomes `node` of the pool in `memory`, which may have been used before.
  /// - Throws: `DeadlinePassed`.
  public init(
    _ memory: consuming MappedMemory, _ geometry: PoolGeometry, node: Int, load: BenchLoad
  ) throws {
    client = StoreClient(
      geometry, node: node, pollNanoseconds: 1000,
      chunkQuota: max(1, geometry.chunks / geometry.nodes))
    self.memory = memory
    self.load = load
    random = SplitMix64(seed: load.seed &+ UInt64(node) &* 0x9E37_79B9_7F4A_7C15)
    deadline = .now + .seconds(load.timeout)
    payload = Array(repeating: 0, count: Int(geometry.blockBytes / 8))
    // The pool may have been used before, by a process that was this node.
    _ = try run(Join())
  }

  /// Works for the load's time and tells what happened.
  /// - Throws: `DeadlinePassed` if a lock is not granted in time.
  public mutating func work() throws -> JSONValue {
    let begin = ContinuousClock.now
    var rounds = 0
    while ContinuousClock.now - begin < .seconds(load.seconds) {
      try serve(prompt: Int(random.next() % UInt64(load.prompts)))
      rounds += 1
    }
    let seconds = (ContinuousClock.now - begin) / .seconds(1)
    let hits = client.counters.blocksHit
    return .object([
      "node": .integer(client.node), "lookups_per_s": .number(Double(rounds) / seconds),
      "lookup_p50_us": .number(Self.quantile(lookups, 0.5)),
      "lookup_p99_us": .number(Self.quantile(lookups, 0.99)),
      "put_p50_us": .number(Self.quantile(puts, 0.5)),
      "put_p99_us": .number(Self.quantile(puts, 0.99)),
      "hit_percent": .number(100 * Double(hits) / Double(max(1, asked))),
      "blocks_verified": .integer(verified),
      "blocks_published": .integer(client.counters.published),
      "evicted": .integer(client.counters.evicted), "corrupt_blocks": .integer(corrupt),
    ])
  }

  /// One request's way: look up, read what is there, write and publish what is not.
  private mutating func serve(prompt: Int) throws {
    let hashes = (0..<load.promptBlocks).map { hash(prompt: prompt, block: $0) }
    asked += hashes.count
    let lookupBegin = ContinuousClock.now
    let outcomes = try run(PinBlocks(hashes, stopsAtMiss: true))
    lookups.append((.now - lookupBegin) / .microseconds(1))
    let found = outcomes.compactMap { outcome in
      if case .pinned(let block) = outcome { block } else { nil }
    }
    for block in found { verify(block) }

    let missing = Array(hashes[found.count...])
    if !missing.isEmpty {
      let putBegin = ContinuousClock.now
      let reservations = try run(PutStart(missing)).compactMap { outcome in
        if case .reserved(let reservation) = outcome { reservation } else { nil }
      }
      // Now and then a request is cancelled half-way.
      let kept = random.next() % 16 == 0 ? reservations.count / 2 : reservations.count
      for reservation in reservations[..<kept] { write(reservation) }
      let published = try run(PutEnd(Array(reservations[..<kept]), pinning: true))
      puts.append((.now - putBegin) / .microseconds(1))
      try run(PutRevoke(Array(reservations[kept...])))
      for block in published { verify(block) }
      try run(Unpin(published))
    }
    try run(Unpin(found))
    if random.next() % 64 == 0 { _ = try run(Remove(hashes)) }
  }

  /// Prompts of a group of eight share their first half.
  private func hash(prompt: Int, block: Int) -> BlockHash {
    let shared = 2 * block < load.promptBlocks
    let name = shared ? UInt64(prompt / 8) << 32 : UInt64(prompt) << 32 | 1 << 63
    var mixer = SplitMix64(seed: name | UInt64(block))
    return BlockHash(hi: mixer.next(), lo: mixer.next())
  }

  /// The payload of a block follows from its hash, so that any other block's is seen to be wrong.
  private mutating func write(_ reservation: Reservation) {
    var words = SplitMix64(seed: reservation.hash.hi ^ reservation.hash.lo)
    for index in payload.indices { payload[index] = words.next() }
    payload.withUnsafeBytes {
      memory.writePayload($0, at: client.geometry.payload(block: reservation.block))
    }
  }

  private mutating func verify(_ block: PinnedBlock) {
    payload.withUnsafeMutableBytes {
      memory.readPayload(at: client.geometry.payload(block: block.block), into: $0)
    }
    var words = SplitMix64(seed: block.hash.hi ^ block.hash.lo)
    verified += 1
    if !payload.allSatisfy({ $0 == words.next() }) { corrupt += 1 }
  }

  /// Runs an operation to its end, giving the processor away while it waits.
  @discardableResult
  private mutating func run<O: TractStore.Operation>(_ operation: O) throws -> O.Output {
    var operation = operation
    while true {
      switch operation.step(&memory, &client) {
      case .done(let output): return output
      case .sync: continue
      case .wait:
        guard ContinuousClock.now < deadline else { throw DeadlinePassed() }
        sched_yield()
      }
    }
  }

  private static func quantile(_ samples: [Double], _ p: Double) -> Double {
    guard !samples.isEmpty else { return .nan }
    return samples.sorted()[Int(p * Double(samples.count - 1))]
  }
}
