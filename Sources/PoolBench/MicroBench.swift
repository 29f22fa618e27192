// What single operations cost on real memory, beside a coherent mutex and bare line operations.

import Glibc
import JSONText
import SharedMemory
import TractStore

/// Nanoseconds of one operation, over several rounds.
public struct Timing: Sendable {
  public var name: String
  public var median: Double
  public var least: Double

  init(_ name: String, _ samples: [Double]) {
    let sorted = samples.sorted()
    self.name = name
    median = sorted[sorted.count / 2]
    least = sorted[0]
  }

  public var json: JSONValue {
    .object([
      "operation": .string(name), "median_ns": .number(median), "min_ns": .number(least),
      "per_s": .number(1e9 / median),
    ])
  }
}

/// Measurements of one node's operations. The lock manager runs in another process.
public struct MicroBench: ~Copyable {
  private var node: PoolNode
  private let geometry: PoolGeometry
  public private(set) var measurements: [Timing] = []
  /// What the pool is too small for.
  public private(set) var skipped: [String] = []
  private var names = SplitMix64(seed: 0x6D69_6372_6F)

  /// The lease of the manager.
  public static var leaseMilliseconds: Int { 1000 }
  static var lease: UInt64 { UInt64(leaseMilliseconds) * 1_000_000 }
  private static var rounds: Int { 25 }
  private static var prefix: Int { 128 }

  public init(
    _ memory: consuming MappedMemory, _ geometry: PoolGeometry, process: ProcessIdentity,
    patience: Double
  ) throws(NodeFailure) {
    self.geometry = geometry
    node = try PoolNode(
      FaultyMemory(memory), geometry, node: 0, leaseNanoseconds: Self.lease, patience: patience,
      process: process)
  }

  /// Measures and leaves. `echo` starts a process that answers as the manager would, with lines in
  /// the given place; the manager is paused meanwhile, as both are on one processor and this
  /// process on another.
  public mutating func run(manager: Child, echo: (Address) throws -> Child) throws {
    pin(toProcessor: 0)
    try node.run(LockPassage(0))
    try time("lock passage, uncontended, manager in another process", 200) { node in
      try node.run(LockPassage(0))
    }
    if case .reserved(let scratch)? = try node.run(PutStart([hash()])).first {
      try measureLines(geometry.payload(block: scratch.block), manager, echo)
      try measurePayload(scratch)
      try node.run(PutRevoke([scratch]))
    }
    try measureHeap()
    try measurePrefix()
    try measurePuts(1, rounds: 200)
    try measurePuts(Self.prefix, rounds: Self.rounds)
    try node.leave()
  }

  // MARK: Lines

  /// - Parameter place: payload of a block that nobody else uses.
  private mutating func measureLines(
    _ place: Address, _ manager: Child, _ echo: (Address) throws -> Child
  ) throws {
    manager.send(signal: SIGSTOP)
    defer { manager.send(signal: SIGCONT) }
    try time("write a line and publish it", 1000) { node in
      node.memory.writeLine(Line64(1, 2, 3, 4, 5, 6, 7, 8), at: place)
    }
    try time("read a line from the device", 1000) { node in _ = node.memory.readFresh(place) }
    let lines = Echo(place, geometry)
    guard lines.bytes <= geometry.blockBytes else {
      skipped.append("line operations of a lock passage: they need blocks of \(lines.bytes) B")
      return
    }
    lines.clear(&node.memory)
    let child = try echo(place)
    defer { child.stop() }
    var sequence: UInt64 = 0
    // The first answer says that the other process is there.
    try lines.pass(&node.memory, &sequence)
    try time("  line operations of such a passage alone, between two processes", 200) { node in
      try lines.pass(&node.memory, &sequence)
    }
  }

  private mutating func measurePayload(_ scratch: Reservation) throws {
    let place = geometry.payload(block: scratch.block)
    var payload = [UInt64](repeating: 7, count: Int(geometry.blockBytes / 8))
    try time("write the payload of a block (\(geometry.blockBytes) B)", 20) { node in
      payload.withUnsafeBytes { node.memory.writePayload($0, at: place) }
    }
    try time("read the payload of a block", 20) { node in
      payload.withUnsafeMutableBytes { node.memory.readPayload(at: place, into: $0) }
    }
  }

  // MARK: Blocks

  private mutating func measureHeap() throws {
    let times = 10_000
    var hasBlock = true
    try time("allocate a block from the node's heap and free it", 1, per: times) { node in
      if !node.client.cycleBlocks(times) { hasBlock = false }
    }
    if !hasBlock {
      measurements.removeLast()
      skipped.append("allocation: no block is free")
    }
  }

  private mutating func measurePrefix() throws {
    let hashes = (0..<Self.prefix).map { _ in hash() }
    guard try put(hashes) else {
      skipped.append("prefixes and puts of \(Self.prefix) blocks: the pool's share is too small")
      return
    }
    try time("look up a prefix of \(Self.prefix) READY blocks", 20) { node in
      try node.run(LookUp(hashes))
    }
    try time("pin a prefix of \(Self.prefix) blocks and unpin it", 20) { node in
      let outcomes = try node.run(PinBlocks(hashes, stopsAtMiss: true))
      try node.run(
        Unpin(outcomes.compactMap { if case .pinned(let block) = $0 { block } else { nil } }))
    }
    try node.run(Remove(hashes))
  }

  /// Without payload, which is measured by itself.
  private mutating func measurePuts(_ count: Int, rounds: Int) throws {
    var samples: [Double] = []
    for _ in 0..<rounds {
      let hashes = (0..<count).map { _ in hash() }
      try node.attend()
      let begin = monotonicNanoseconds()
      let isComplete = try put(hashes)
      samples.append(Double(monotonicNanoseconds() - begin))
      try node.run(Remove(hashes))
      guard isComplete else { return }
    }
    measurements.append(
      Timing("put \(count) block\(count == 1 ? "" : "s"), without payload", samples))
  }

  /// Reserves and publishes; false if there was not space for all.
  private mutating func put(_ hashes: [BlockHash]) throws -> Bool {
    let reservations = try node.run(PutStart(hashes)).compactMap { outcome in
      if case .reserved(let reservation) = outcome { reservation } else { nil }
    }
    try node.run(PutEnd(reservations, pinning: false))
    return reservations.count == hashes.count
  }

  private mutating func hash() -> BlockHash { BlockHash(hi: names.next(), lo: names.next()) }

  /// Times rounds of `count` calls, each of which does the operation `per` times.
  private mutating func time(
    _ name: String, _ count: Int, per: Int = 1, _ body: (inout PoolNode) throws -> Void
  ) throws {
    var samples: [Double] = []
    for _ in 0..<Self.rounds {
      try node.attend()
      let begin = monotonicNanoseconds()
      for _ in 0..<count { try body(&node) }
      samples.append(Double(monotonicNanoseconds() - begin) / Double(count * per))
    }
    measurements.append(Timing(name, samples))
  }
}

/// The line operations of a lock passage between a node and a manager, and nothing else.
public struct Echo: Sendable {
  private let doorbells: [Address]
  private let request: Address
  private let grant: Address

  public init(_ place: Address, _ geometry: PoolGeometry) {
    doorbells = (0..<geometry.nodes).map { place + UInt64($0) * 64 }
    request = place + UInt64(geometry.nodes) * 64
    grant = request + 64
  }

  var bytes: UInt64 { UInt64(doorbells.count + 2) * 64 }

  func clear(_ memory: inout FaultyMemory) {
    memory.writeLines((doorbells + [request, grant]).map { LineWrite(Line64(), at: $0) })
  }

  /// As a node: request and ring, poll the grant, release and ring.
  func pass(_ memory: inout FaultyMemory, _ sequence: inout UInt64) throws(NodeFailure) {
    sequence += 2
    memory.writeLine(Line64(1, sequence, 0, 0, 0, 0, 0, 0), at: request)
    memory.writeLine(Line64(sequence, 0, 0, 0, 0, 0, 0, 0), at: doorbells[0])
    var patience = Patience()
    let begin = monotonicNanoseconds()
    while memory.readFresh(grant)[1] != sequence {
      patience.wait()
      guard monotonicNanoseconds() - begin < 10_000_000_000 else { throw .stuck(seconds: 10) }
    }
    memory.writeLine(Line64(3, sequence, 0, 0, 0, 0, 0, 0), at: request)
    memory.writeLine(Line64(sequence + 1, 0, 0, 0, 0, 0, 0, 0), at: doorbells[0])
  }

  /// As a manager, until standard input ends.
  public func answer(_ memory: inout MappedMemory) {
    var seen: UInt64 = 0
    var patience = Patience()
    var looks = 0
    while true {
      memory.invalidate(doorbells)
      for doorbell in doorbells.dropFirst() { _ = memory.loadLine(doorbell) }
      let bump = memory.loadLine(doorbells[0])[0]
      guard bump != seen else {
        looks += 1
        if looks % 1024 == 0, inputHasEnded() { return }
        patience.wait()
        continue
      }
      patience.renew()
      seen = bump
      _ = memory.readFresh(request)
      if bump % 2 == 0 { memory.writeLine(Line64(1, bump, 0, 0, 0, 0, 0, 0), at: grant) }
    }
  }
}
