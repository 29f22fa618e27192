// The store's operations by themselves, on simulated memory.

import SharedMemory
import TractStore

/// One node and its lock manager, in turns, on a full pool.
struct StoreBench: ~Copyable {
  private var nodeMemory: TimedMemory
  private var managerMemory: TimedMemory
  private var client: StoreClient
  private var manager: LockManager
  private var named: UInt64 = 0

  static var blocks: Int { 32_768 }
  /// Hashes of one operation.
  static var batch: Int { 64 }

  init() {
    do {
      let geometry = try PoolGeometry(
        nodes: 1, payloadBytes: UInt64(Self.blocks) * 64, blockBytes: 64)
      let pool = TimedPool(metadataBytes: Int(geometry.metadataBytes))
      nodeMemory = TimedMemory(pool: pool, host: 0)
      Pool.format(&nodeMemory, geometry, hashSeed: 0)
      managerMemory = TimedMemory(pool: pool, host: 1)
      client = StoreClient(geometry, node: 0, pollNanoseconds: 100)
      manager = LockManager(geometry, pollNanoseconds: 100)
    } catch {
      fatalError("\(error)")
    }
    while !manager.isRuling { _ = manager.step(&managerMemory) }
    _ = run(Join())
    for _ in 0..<Self.blocks / Self.batch { _ = put() }
  }

  private mutating func run<Work: Operation>(_ operation: Work) -> Work.Output {
    var operation = operation
    while true {
      if case .done(let output) = operation.step(&nodeMemory, &client) { return output }
      _ = manager.step(&managerMemory)
    }
  }

  private func hashes(from first: UInt64) -> [BlockHash] {
    (first..<first + UInt64(Self.batch)).map { number in
      // Spread as real hashes are.
      BlockHash(hi: number, lo: number &* 0x9E37_79B9_7F4A_7C15 ^ number >> 7)
    }
  }

  /// Reserves and publishes a batch; where the pool is full the oldest blocks go. How many there were.
  mutating func put() -> Int {
    let outcomes = run(PutStart(hashes(from: named)))
    named += UInt64(Self.batch)
    let reservations = outcomes.compactMap { outcome in
      if case .reserved(let reservation) = outcome { reservation } else { nil }
    }
    _ = run(PutEnd(reservations, pinning: false))
    return reservations.count
  }

  /// Hashes of a batch put lately, of another one each round.
  private func recent(_ round: Int) -> [BlockHash] {
    let back = 1 + round % (Self.blocks / Self.batch / 2)
    return hashes(from: named - UInt64(back * Self.batch))
  }

  /// Looks up a batch put lately; how many were found.
  mutating func lookUp(_ round: Int) -> Int {
    run(LookUp(recent(round)))
  }

  /// Pins and unpins a batch put lately; how many were found.
  mutating func pin(_ round: Int) -> Int {
    let outcomes = run(PinBlocks(recent(round), stopsAtMiss: true))
    let pinned = outcomes.compactMap { outcome in
      if case .pinned(let block) = outcome { block } else { nil }
    }
    run(Unpin(pinned))
    return pinned.count
  }

  /// Takes a lock and gives it back.
  mutating func passLock(_ round: Int) -> Bool { run(LockPassage(round % client.geometry.locks)) }
}
