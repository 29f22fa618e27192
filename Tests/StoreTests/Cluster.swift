// Several nodes on one simulated device, stepped in any order a test likes.

import PoolBench
import SharedMemory

@testable import TractStore

/// Nodes with a client and a cache each, a lock manager with a cache of its own, one device.
struct Cluster {
  let geometry: PoolGeometry
  let pool: TimedPool
  var memories: [TimedMemory]
  var clients: [StoreClient]
  var manager: LockManager
  var managerMemory: TimedMemory

  /// `blocks` blocks in chunks of two.
  init(
    nodes: Int = 2, blocks: Int = 16, shards: Int = 4,
    capabilities: DeviceCapabilities = .simulated
  ) throws {
    geometry = try PoolGeometry(
      nodes: nodes, payloadBytes: UInt64(blocks * 64), blockBytes: 64, blocksPerChunk: 2,
      shards: shards)
    pool = TimedPool(metadataBytes: Int(geometry.metadataBytes))
    let (geometry, pool) = (geometry, pool)
    func memory() -> TimedMemory {
      TimedMemory(pool: pool, host: 0, cacheLines: 64, capabilities: capabilities)
    }
    memories = (0..<nodes).map { _ in memory() }
    managerMemory = memory()
    clients = (0..<nodes).map { StoreClient(geometry, node: $0, pollNanoseconds: 100) }
    manager = LockManager(geometry, pollNanoseconds: 100)
    Pool.format(&memories[0], geometry, hashSeed: 1)
    while !self.manager.isRuling { _ = self.manager.step(&managerMemory) }
    for node in 0..<nodes { run(Join(), node: node) }
  }

  /// Runs one operation to its end, with the lock manager beside it.
  @discardableResult
  mutating func run<O: Operation>(_ operation: O, node: Int) -> O.Output {
    var operation = operation
    while true {
      if case .done(let output) = operation.step(&memories[node], &clients[node]) { return output }
      _ = manager.step(&managerMemory)
    }
  }

  /// Steps the lock manager until it has found nothing new twice.
  mutating func settleManager() {
    var idle = 0
    while idle < 2 { if case .wait = manager.step(&managerMemory) { idle += 1 } else { idle = 0 } }
  }

  /// The process of a node ends, its DRAM is lost, and the manager fences it after a lease of
  /// silence, in which the other nodes beat.
  mutating func kill(node: Int, _ fencing: Fencing = .silenced) {
    clients[node] = StoreClient(geometry, node: node, pollNanoseconds: 100)
    var isFenced = false
    while !isFenced {
      for other in clients.indices where other != node { run(Tick(), node: other) }
      for _ in 0..<4 {
        let step = manager.step(&managerMemory, elapsed: manager.leaseNanoseconds / 8)
        if case .fence(let suspect) = step {
          precondition(suspect.member.node == node)
          manager.fenced(suspect, fencing)
          isFenced = true
        }
      }
    }
    settleManager()
    for other in clients.indices where other != node { run(Tick(), node: other) }
  }

  mutating func rejoin(node: Int) -> JoinOutcome { run(Join(patience: 10), node: node) }

  mutating func audit() -> Audit {
    var fresh = TimedMemory(pool: pool, host: 0)
    return Audit(&fresh, geometry)
  }

  // MARK: Shorthand

  /// Reserves and publishes; the payload is imagined.
  @discardableResult
  mutating func put(_ hashes: [BlockHash], node: Int, pinning: Bool = false) -> [PutOutcome] {
    let outcomes = run(PutStart(hashes), node: node)
    _ = run(PutEnd(outcomes.reservations, pinning: pinning), node: node)
    return outcomes
  }

  mutating func pin(_ hashes: [BlockHash], node: Int) -> [PinnedBlock] {
    run(PinBlocks(hashes, stopsAtMiss: true), node: node).pinned
  }
}

extension [PutOutcome] {
  var reservations: [Reservation] {
    compactMap { if case .reserved(let reservation) = $0 { reservation } else { nil } }
  }
}

extension [PinOutcome] {
  var pinned: [PinnedBlock] {
    compactMap { if case .pinned(let block) = $0 { block } else { nil } }
  }
}

extension BlockHash {
  /// A hash spread over shards and lines.
  init(_ number: Int) {
    var generator = SplitMix64(seed: UInt64(number))
    self.init(hi: generator.next(), lo: generator.next())
  }

  static func numbers(_ range: Range<Int>) -> [BlockHash] { range.map { BlockHash($0) } }
}
