// Small pools with real content, damaged by a seeded hand, and a memory that notices accesses
// outside of it.

import PoolBench
import SharedMemory

@testable import TractStore

/// Coherent memory of a given size; an access outside is noted and reads zeros.
struct CheckedMemory: SharedMemory {
  final class Region {
    var lines: [Line64]
    /// Offsets accessed outside the region.
    var outside: [UInt64] = []

    init(bytes: UInt64) { lines = Array(repeating: Line64(), count: Int(bytes / Line64.bytes)) }

    var bytes: UInt64 { UInt64(lines.count) * Line64.bytes }
  }

  let region: Region
  var capabilities: DeviceCapabilities { .simulated }

  private func index(_ address: Address) -> Int? {
    let index = Int(address.offset / Line64.bytes)
    if region.lines.indices.contains(index) { return index }
    region.outside.append(address.offset)
    return nil
  }

  mutating func load(_ address: Address) -> UInt64 {
    index(address).map { region.lines[$0][Int(address.offset / 8 % 8)] } ?? 0
  }

  mutating func loadLine(_ line: Address) -> Line64 {
    index(line).map { region.lines[$0] } ?? Line64()
  }

  mutating func store(_ value: UInt64, to address: Address) {
    guard let index = index(address) else { return }
    region.lines[index][Int(address.offset / 8 % 8)] = value
  }

  mutating func storeLine(_ line: Line64, at address: Address) {
    guard let index = index(address) else { return }
    region.lines[index] = line
  }

  mutating func flush(_ line: Address) { _ = index(line) }

  mutating func fence() {}
}

/// One pool and those who use it. Everything follows from the seed.
struct HostilePool {
  private(set) var geometry: PoolGeometry
  var memory: CheckedMemory
  private var random: SplitMix64
  private var clients: [StoreClient] = []
  private var manager: LockManager
  /// Lines that were damaged, by index.
  private(set) var damaged: Set<Int> = []
  /// Operations that did not end in the steps they were given.
  private(set) var abandoned = 0

  private static var stepLimit: Int { 400 }

  init(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    func pick<T>(_ values: [T]) -> T { values[Int(random.next() % UInt64(values.count))] }
    let perChunk = pick([1, 2, 4])
    geometry = try PoolGeometry(
      nodes: pick([1, 2, 3]), payloadBytes: UInt64(perChunk * pick([1, 3, 6])) * 64,
      blockBytes: 64, blocksPerChunk: perChunk, shards: pick([1, 2, 4]), seats: pick([1, 2]),
      requestBoxes: pick([1, 3]), probeWindow: pick([2, 4, 16]))
    memory = CheckedMemory(region: CheckedMemory.Region(bytes: geometry.totalBytes))
    manager = LockManager(geometry, pollNanoseconds: 100)
    self.random = random
    Pool.format(&memory, geometry, hashSeed: 1)
    populate()
  }

  mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

  // MARK: Use

  /// Runs an operation with the manager beside it; nil if it does not end in time.
  mutating func run<O: Operation>(_ operation: O, node: Int) -> O.Output? {
    var operation = operation
    for _ in 0..<Self.stepLimit {
      if case .done(let output) = operation.step(&memory, &clients[node]) { return output }
      stepManager()
    }
    abandoned += 1
    return nil
  }

  /// By default, a lease is longer than most operations.
  private mutating func stepManager(elapsed: UInt64 = 1 << 20) {
    guard case .fence(let suspect) = manager.step(&memory, elapsed: elapsed) else { return }
    manager.fenced(suspect, [.none, .stopped, .silenced][below(3)])
  }

  private mutating func begin(node: Int) {
    clients[node] = StoreClient(
      geometry, node: node, pollNanoseconds: 100, chunkQuota: max(1, geometry.chunks / 2))
  }

  private mutating func beginAll() {
    clients = (0..<geometry.nodes).map { StoreClient(geometry, node: $0, pollNanoseconds: 100) }
    for node in clients.indices { begin(node: node) }
    manager = LockManager(geometry, seat: below(geometry.seats), pollNanoseconds: 100)
    for _ in 0..<200 where !manager.isRuling { stepManager(elapsed: manager.leaseNanoseconds) }
  }

  private mutating func hashes(_ count: Int) -> [BlockHash] {
    (0..<count).map { _ in BlockHash(below(geometry.blocks * 2)) }
  }

  /// Real content: published, pinned, reserved, evicted blocks, members that left and that died.
  private mutating func populate() {
    beginAll()
    for node in clients.indices { _ = run(Join(), node: node) }
    for _ in 0..<below(12) { act(node: below(clients.count)) }
    if below(2) == 0 {
      // Somebody falls silent, wherever he is.
      begin(node: below(clients.count))
      for _ in 0..<64 { stepManager(elapsed: manager.leaseNanoseconds) }
    }
  }

  /// Opens the pool anew as its own superblock describes it, and does everything with it.
  mutating func use(as geometry: PoolGeometry) {
    self.geometry = geometry
    beginAll()
    for node in clients.indices { _ = run(Join(patience: 4), node: node) }
    for _ in 0..<8 {
      if below(8) == 0 { damage() }
      act(node: below(clients.count))
    }
    let node = below(clients.count)
    _ = run(PutStart(BlockHash.numbers(100..<100 + geometry.blocks + 1)), node: node)
    _ = run(Recover(geometry), node: node)
    leave(node)
  }

  private mutating func leave(_ node: Int) {
    guard clients[node].pinnedBlocks == 0, clients[node].reservedBlocks == 0 else { return }
    _ = run(Leave(geometry), node: node)
    begin(node: node)
    _ = run(Join(patience: 4), node: node)
  }

  private mutating func act(node: Int) {
    switch below(10) {
    case 0, 1:
      let outcomes = run(PutStart(hashes(1 + below(4))), node: node) ?? []
      _ = run(PutEnd(outcomes.reservations, pinning: below(2) == 0), node: node)
    case 2:
      let reservations = (run(PutStart(hashes(1 + below(3))), node: node) ?? []).reservations
      if below(2) == 0 { _ = run(PutRevoke(reservations), node: node) }
    case 3, 4:
      let pinned = (run(PinBlocks(hashes(4), stopsAtMiss: below(2) == 0), node: node) ?? []).pinned
      if below(2) == 0 { _ = run(Unpin(pinned), node: node) }
    case 5: _ = run(LookUp(hashes(4)), node: node)
    case 6: _ = run(Remove(hashes(3)), node: node)
    case 7:
      for node in clients.indices { _ = run(Tick(), node: node) }
      _ = run(Recover(geometry), node: node)
    case 8:
      let root = Root(
        name: RootName("root \(below(3))")!, address: Address(UInt64(below(4096))), byteCount: 1)
      _ = run(SetRoot(root, in: geometry), node: node)
      _ = run(GetRoot(root.name), node: node)
    default: leave(node)
    }
  }

  /// Everybody can join, put and pin; false names a promise that `Repair` broke.
  mutating func serves() -> Bool {
    let before = abandoned
    beginAll()
    for node in clients.indices {
      guard case .joined? = run(Join(patience: 4), node: node) else { return false }
    }
    for node in clients.indices {
      let reserved = (run(PutStart(hashes(2)), node: node) ?? []).reservations
      _ = run(PutEnd(reserved, pinning: true), node: node)
    }
    return abandoned == before
  }

  // MARK: Damage

  /// A number that is likely to upset somebody.
  private mutating func number() -> UInt64 {
    switch below(8) {
    case 0: UInt64.max
    case 1: UInt64.max - UInt64(below(4))
    case 2: UInt64(UInt32.max) - UInt64(below(2))
    case 3: 1 << UInt64(below(64))
    case 4: random.next()
    case 5: random.next() & ~0xFFFF_FFFF
    default: UInt64(below(20))
    }
  }

  private mutating func member() -> Member {
    Member(
      node: below(4) == 0 ? below(256) : below(geometry.nodes),
      incarnation: UInt32(truncatingIfNeeded: number()))
  }

  /// A well-formed line of some area with contents that nobody would write there, and its place.
  private mutating func forged() -> (Line64, Address) {
    let node = below(geometry.nodes)
    let seat = below(geometry.seats)
    let box = below(geometry.requestBoxes)
    switch below(12) {
    case 0:
      let state = IndexEntry.State.allCases[below(5)]
      let hash = BlockHash(below(geometry.blocks * 2))
      var slot = geometry.slot(of: hash, distance: below(3))
      if below(4) == 0 { slot = below(geometry.entries) }
      let block = Reservation(
        hash: hash, block: below(geometry.blocks), generation: number(), slot: slot)
      let writer = Member(node: node, incarnation: UInt32(truncatingIfNeeded: number()))
      return (IndexEntry(state: state, writer: writer, block).line, geometry.entry(slot))
    case 1, 2:
      let state = ChunkEntry.State(rawValue: UInt64(below(4)))!
      let entry = ChunkEntry(
        state, owner: member(), generation: UInt32(truncatingIfNeeded: number()))
      return (entry.line, geometry.chunkLine(below(geometry.chunks)))
    case 3:
      let kind = LockRequest.Kind(rawValue: UInt64(1 + below(3)))!
      let count = below(PoolGeometry.lockSetLimit + 1)
      var locks = LockNumbers((0..<count).map { _ in UInt16(below(geometry.locks)) })
      if below(4) == 0 { locks = [0, 0, 0, 0, 0, 0] }
      return (
        LockRequest(kind, sequence: number(), locks: locks).line,
        geometry.request(node: node, box: box)
      )
    case 4:
      return (
        LockGrant(epoch: number(), sequence: number()).line,
        geometry.grant(seat: seat, node: node, box: box)
      )
    case 5:
      let state = NodeStatus.State(rawValue: UInt64(below(3)))!
      let status = NodeStatus(
        state, incarnation: member().incarnation, heartbeat: number(), epoch: number(),
        process: ProcessIdentity())
      return (status.line, geometry.node(node))
    case 6:
      let state = SeatStatus.State(rawValue: UInt64(below(3)))!
      let status = SeatStatus(
        state, epoch: number(), heartbeat: number(), process: ProcessIdentity())
      return (status.line, geometry.seat(seat))
    case 7:
      let fencing = Fencing(rawValue: UInt64(below(3)))!
      return (Fence(member().incarnation, fencing).line, geometry.fence(seat: seat, node: node))
    case 8:
      return (
        Recovered(member().incarnation, hasQuarantine: below(2) == 0).line,
        geometry.recovered(node: node)
      )
    case 9:
      let header = Line64(number(), UInt64(member().incarnation), 0, 0, 0, 0, 0, 0)
      return (header.sealed(sequence: 1), geometry.pinHeader(node: node))
    case 10:
      let words = Line64(number(), number(), 0, 0, 0, 0, number(), 0)
      return (words.sealed(sequence: 1), geometry.doorbell(node: node))
    default:
      let place = below(PoolGeometry.rootLimit)
      let words = Line64(1, 0x746F6F72, 0, 0, number(), number(), number(), 0)
      return (words.sealed(sequence: 1), geometry.root(place, side: below(2)))
    }
  }

  private mutating func set(_ line: Line64, _ index: Int) {
    guard memory.region.lines.indices.contains(index) else { return }
    memory.region.lines[index] = line
    damaged.insert(index)
  }

  private func line(_ address: Address) -> Int { Int(address.offset / Line64.bytes) }

  /// A line of metadata, of every area as often; and of the larger ones what is in use, mostly.
  private mutating func anyLine() -> Int {
    let lines = Int(geometry.metadataBytes / Line64.bytes)
    let areas = [
      geometry.seat(0), geometry.node(0), geometry.fence(seat: 0, node: 0),
      geometry.recovered(node: 0), geometry.doorbell(node: 0), geometry.request(node: 0, box: 0),
      geometry.grant(seat: 0, node: 0, box: 0), geometry.chunkLine(0), geometry.root(0, side: 0),
      geometry.entry(0), geometry.entry(0), geometry.pinHeader(node: 0),
      Address(geometry.metadataBytes),
    ].map { line($0) }
    let area = below(areas.count - 1)
    let range = areas[area]..<max(areas[area] + 1, areas[area + 1])
    var index = range.lowerBound
    for _ in 0..<6 {
      index = min(range.lowerBound + below(range.count), lines - 1)
      if memory.region.lines[index] != Line64() { break }
    }
    return index
  }

  /// One injury to the protocol lines behind the superblock.
  mutating func damage() {
    let index = anyLine()
    guard memory.region.lines.indices.contains(index) else { return }
    var words = memory.region.lines[index]
    switch below(9) {
    case 0, 1:
      for _ in 0...below(3) { words[below(8)] ^= 1 << UInt64(below(64)) }
      set(words, index)
    case 2:
      words[below(7)] = number()
      set(words.sealed(sequence: words.sequence), index)
    case 3:
      for word in 0..<7 { words[word] = number() }
      set(below(2) == 0 ? words.sealed(sequence: 1) : words, index)
    case 4:
      set(memory.region.lines[anyLine()], index)
    case 5:
      let other = anyLine()
      set(memory.region.lines[other], index)
      set(words, other)
    case 6: set(Line64(), index)
    default:
      let (line, address) = forged()
      set(line, self.line(address))
    }
  }

  /// Superblock, layout or size.
  mutating func damageFrame() {
    switch below(4) {
    case 0:
      memory.region.lines.removeLast(1 + below(memory.region.lines.count))
    case 1:
      var head = memory.region.lines[0]
      head[below(8)] = number()
      memory.region.lines[0] = below(4) == 0 ? head : head.sealed(sequence: 1)
    default:
      var layout = memory.region.lines[1]
      for _ in 0...below(2) {
        let word = below(7)
        layout[word] =
          below(2) == 0
          ? number() : layout[word] &+ UInt64(below(5)) &- 2 &+ UInt64(below(3)) << 32
      }
      layout = layout.sealed(sequence: 1)
      memory.region.lines[1] = layout
      // Whoever forges the layout may forge the superblock, too.
      guard below(4) > 0, let forged = PoolGeometry(words: layout) else { return }
      var head = memory.region.lines[0]
      (head[2], head[3]) = (forged.metadataBytes, forged.layoutHash)
      memory.region.lines[0] = head.sealed(sequence: 1)
    }
  }

  /// READY entries that no damage concerns: neither their line nor their chunk's is damaged, and
  /// no damaged line names their hash or block.
  func untouched() -> [Int: Line64] {
    var hashes: Set<BlockHash> = []
    var blocks: Set<Int> = []
    for index in damaged {
      guard let entry = IndexEntry(unsealed: memory.region.lines[index], in: geometry) else {
        continue
      }
      hashes.insert(entry.hash)
      blocks.insert(entry.block)
    }
    var found: [Int: Line64] = [:]
    for slot in 0..<geometry.entries {
      let index = line(geometry.entry(slot))
      guard !damaged.contains(index),
        let entry = IndexEntry(memory.region.lines[index], in: geometry), entry.state == .ready,
        !damaged.contains(line(geometry.chunkLine(entry.block / geometry.blocksPerChunk))),
        !hashes.contains(entry.hash), !blocks.contains(entry.block)
      else { continue }
      found[slot] = entry.line
    }
    return found
  }
}
