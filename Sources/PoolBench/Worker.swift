// One node of `tract-pool bench` and `stress`: it caches prompts and checks every byte it reads.

import Glibc
import JSONText
import SharedMemory
import TractStore

/// What the nodes of a bench do.
public struct BenchLoad: Hashable, Sendable {
  /// Prompts that are asked for; groups of eight share their first half.
  public var prompts: Int
  public var promptBlocks: Int
  public var seed: UInt64

  public init(prompts: Int, promptBlocks: Int, seed: UInt64) {
    self.prompts = prompts
    self.promptBlocks = promptBlocks
    self.seed = seed
  }

  /// The hashes of a prompt's blocks.
  func hashes(ofPrompt prompt: Int) -> [BlockHash] {
    (0..<promptBlocks).map { block in
      let shared = 2 * block < promptBlocks
      let name = shared ? UInt64(prompt / 8) << 32 : UInt64(prompt) << 32 | 1 << 63
      var mixer = SplitMix64(seed: name | UInt64(block))
      return BlockHash(hi: mixer.next(), lo: mixer.next())
    }
  }
}

/// A node at work on real memory.
public struct Worker: ~Copyable {
  private var node: PoolNode
  private let load: BenchLoad
  private var random: SplitMix64
  private var payload: [UInt64]
  private var begin: UInt64 = 0
  private var lookups: [Double] = []
  private var puts: [Double] = []
  private var requests = 0
  private var asked = 0
  private var verified = 0
  private var corrupt = 0

  public init(_ node: consuming PoolNode, load: BenchLoad) {
    self.load = load
    let member = node.member
    random = SplitMix64(
      seed: load.seed &+ UInt64(member.node) &* 0x9E37_79B9_7F4A_7C15
        &+ UInt64(member.incarnation) << 32)
    payload = Array(repeating: 0, count: Int(node.client.geometry.blockBytes / 8))
    self.node = node
  }

  /// Waits until there is a lock manager, for at most as long as for any operation.
  public mutating func awaitManager() throws(NodeFailure) { try node.run(LockPassage(0)) }

  /// Serves requests until `isEnding` and hands over what has happened so far after each.
  public mutating func work(
    until isEnding: () -> Bool, tell: (borrowing Worker) -> Void
  ) throws(NodeFailure) {
    begin = monotonicNanoseconds()
    while !isEnding() {
      try node.attend()
      try serve(prompt: Int(random.next() % UInt64(load.prompts)))
      tell(self)
    }
  }

  /// Checks all of the payload that is published.
  public mutating func verifyEverything() throws(NodeFailure) {
    for prompt in 0..<load.prompts {
      let found = try pin(load.hashes(ofPrompt: prompt), stopsAtMiss: false)
      try node.run(Unpin(found))
    }
  }

  /// Takes every lock once; how many could not be had within about `seconds` each.
  public mutating func stuckLocks() throws(NodeFailure) -> Int {
    var stuck = 0
    for lock in 0..<node.client.geometry.locks {
      // A poll that waits sleeps some 70 µs, after a few that do not.
      if try !node.run(LockPassage(lock, pollLimit: 30_000)) { stuck += 1 }
    }
    return stuck
  }

  public mutating func leave() throws(NodeFailure) { try node.leave() }

  /// Blocks that this node has neither free nor published: all of them leaked, between requests.
  public var leakedBlocks: Int { node.client.reservedBlocks }
  public var pinnedBlocks: Int { node.client.pinnedBlocks }
  public var corruptBlocks: Int { corrupt }
  public var verifiedBlocks: Int { verified }

  /// Counts so far, as what a killed process has told last is all that is known of it.
  public var counts: JSONValue {
    .object([
      "incarnation": .integer(Int(node.member.incarnation)), "lookups": .integer(requests),
      "verified": .integer(verified), "corrupt": .integer(corrupt),
      "published": .integer(node.client.counters.published),
      "evicted": .integer(node.client.counters.evicted),
      "recoveries": .integer(node.recoveries.count),
      "reservations_dropped": .integer(
        node.recoveries.reduce(0) { $0 + $1.reservationsDropped }),
      "lines_mended": .integer(node.recoveries.reduce(0) { $0 + $1.linesMended }),
      "leaked": .integer(leakedBlocks),
    ])
  }

  /// What a bench reports of a node.
  public var result: JSONValue {
    let seconds = Double(monotonicNanoseconds() - begin) / 1e9
    let hits = node.client.counters.blocksHit
    return .object([
      "node": .integer(node.client.node), "lookups_per_s": .number(Double(requests) / seconds),
      "lookup_p50_us": .number(Self.quantile(lookups, 0.5)),
      "lookup_p99_us": .number(Self.quantile(lookups, 0.99)),
      "put_p50_us": .number(Self.quantile(puts, 0.5)),
      "put_p99_us": .number(Self.quantile(puts, 0.99)),
      "hit_percent": .number(100 * Double(hits) / Double(max(1, asked))),
      "blocks_verified": .integer(verified),
      "blocks_published": .integer(node.client.counters.published),
      "evicted": .integer(node.client.counters.evicted), "corrupt_blocks": .integer(corrupt),
      "leaked_blocks": .integer(leakedBlocks),
    ])
  }

  /// One request's way: look up, read what is there, write and publish what is not.
  private mutating func serve(prompt: Int) throws(NodeFailure) {
    let hashes = load.hashes(ofPrompt: prompt)
    requests += 1
    asked += hashes.count
    let lookupBegin = monotonicNanoseconds()
    let found = try pin(hashes, stopsAtMiss: true, since: lookupBegin)

    let missing = Array(hashes[found.count...])
    if !missing.isEmpty {
      let putBegin = monotonicNanoseconds()
      let reservations = try node.run(PutStart(missing)).compactMap { outcome in
        if case .reserved(let reservation) = outcome { reservation } else { nil }
      }
      // Now and then a request is cancelled half-way.
      let kept = random.next() % 16 == 0 ? reservations.count / 2 : reservations.count
      for reservation in reservations[..<kept] {
        write(reservation)
        try node.showLife()
      }
      let published = try node.run(PutEnd(Array(reservations[..<kept]), pinning: true))
      Self.note(&puts, since: putBegin)
      try node.run(PutRevoke(Array(reservations[kept...])))
      try verify(published)
      try node.run(Unpin(published))
    }
    try node.run(Unpin(found))
    if random.next() % 64 == 0 { try node.run(Remove(hashes)) }
  }

  /// Pins what is published and checks it.
  private mutating func pin(
    _ hashes: [BlockHash], stopsAtMiss: Bool, since begin: UInt64? = nil
  ) throws(NodeFailure) -> [PinnedBlock] {
    let outcomes = try node.run(PinBlocks(hashes, stopsAtMiss: stopsAtMiss))
    if let begin { Self.note(&lookups, since: begin) }
    let found = outcomes.compactMap { outcome in
      if case .pinned(let block) = outcome { block } else { nil }
    }
    try verify(found)
    return found
  }

  /// A latency in µs; the first million are enough for quantiles.
  private static func note(_ samples: inout [Double], since begin: UInt64) {
    guard samples.count < 1_000_000 else { return }
    samples.append(Double(monotonicNanoseconds() - begin) / 1e3)
  }

  private mutating func write(_ reservation: Reservation) {
    Stamp(reservation).write(to: &payload)
    let place = node.client.geometry.payload(block: reservation.block)
    payload.withUnsafeBytes { node.memory.writePayload($0, at: place) }
  }

  private mutating func verify(_ blocks: [PinnedBlock]) throws(NodeFailure) {
    for block in blocks {
      let place = node.client.geometry.payload(block: block.block)
      payload.withUnsafeMutableBytes { node.memory.readPayload(at: place, into: $0) }
      verified += 1
      if !Stamp(block).matches(payload) { corrupt += 1 }
      try node.showLife()
    }
  }

  private static func quantile(_ samples: [Double], _ p: Double) -> Double {
    guard !samples.isEmpty else { return .nan }
    return samples.sorted()[Int(p * Double(samples.count - 1))]
  }
}
