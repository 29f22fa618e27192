// The rules by which an offline repair decides.

import SharedMemory
import Testing

@testable import TractStore

@Suite struct RepairTests {
  private var cluster: Cluster
  private var geometry: PoolGeometry { cluster.geometry }

  init() throws { cluster = try Cluster(nodes: 2, blocks: 16, shards: 2) }

  private mutating func memory() -> TimedMemory { TimedMemory(pool: cluster.pool, host: 0) }

  /// Repairs, and sees that nothing is left to do; returns what was done.
  private mutating func repair() -> [String] {
    var memory = memory()
    let repair = Repair(&memory, geometry)
    let audit = Audit(&memory, geometry)
    #expect(audit.problems.isEmpty && audit.leftovers.isEmpty)
    #expect(audit.members.isEmpty)
    #expect(Repair(&memory, geometry).actions.isEmpty)
    return repair.actions
  }

  /// The READY entries by hash, with their lines.
  private mutating func entries() -> [BlockHash: (slot: Int, entry: IndexEntry)] {
    var memory = memory()
    var found: [BlockHash: (slot: Int, entry: IndexEntry)] = [:]
    for slot in 0..<geometry.entries {
      guard let entry = IndexEntry(memory.readFresh(geometry.entry(slot)), in: geometry),
        entry.state == .ready
      else { continue }
      found[entry.hash] = (slot, entry)
    }
    return found
  }

  private mutating func write(_ line: Line64, _ address: Address) {
    var memory = memory()
    memory.writeLine(line, at: address)
  }

  /// A later life finds all of `hashes` again.
  private mutating func expectFound(_ hashes: [BlockHash]) {
    cluster.clients = (0..<2).map { StoreClient(geometry, node: $0, pollNanoseconds: 100) }
    let outcome = cluster.rejoin(node: 1)
    #expect(outcome == .joined(Member(node: 1, incarnation: 2)))
    let found = hashes.filter { cluster.run(LookUp([$0]), node: 1) == 1 }
    #expect(found == hashes)
  }

  @Test mutating func aPoolInTheMiddleOfEverything() {
    cluster.put(BlockHash.numbers(0..<4), node: 0, pinning: true)
    cluster.put(BlockHash.numbers(4..<6), node: 1)
    _ = cluster.run(PutStart(BlockHash.numbers(6..<8)), node: 1)
    let published = entries()
    var evicting = published[BlockHash(4)]!
    evicting.entry.state = .evicting
    write(evicting.entry.line, geometry.entry(evicting.slot))
    let actions = repair()
    #expect(actions.contains { $0.contains("node 1 (incarnation 1) had not left") })
    #expect(actions.contains { $0.contains("4 pins") })
    #expect(actions.count { $0.contains("was reserved by node 1") } == 2)
    #expect(actions.count { $0.contains("READY again") } == 1)
    #expect(Set(entries().keys) == Set(BlockHash.numbers(0..<6)))
    expectFound(BlockHash.numbers(0..<6))
  }

  @Test mutating func aCleanPoolStaysAsItIs() {
    cluster.put(BlockHash.numbers(0..<4), node: 0)
    for node in 0..<2 { cluster.run(Leave(geometry), node: node) }
    cluster.settleManager()
    let contents = cluster.pool.contents
    #expect(repair().isEmpty)
    #expect(cluster.pool.contents == contents)
  }

  /// Of two entries for one block the later stays; if they are as old, both go.
  @Test(arguments: [UInt64(0), 1]) mutating func aBlockUsedTwice(later: UInt64) {
    cluster.put(BlockHash.numbers(0..<4), node: 0)
    var (slot, entry) = entries()[BlockHash(1)]!
    let rival = entries()[BlockHash(0)]!.entry
    (entry.block, entry.generation) = (rival.block, rival.generation + later)
    write(entry.line, geometry.entry(slot))
    _ = repair()
    let kept = BlockHash.numbers((later > 0 ? 1 : 2)..<4)
    #expect(Set(entries().keys) == Set(kept))
    expectFound(kept)
  }

  /// A reservation may have been written over what another entry names.
  @Test mutating func aReservationOfABlockInUse() {
    cluster.put(BlockHash.numbers(0..<4), node: 0)
    var (slot, entry) = entries()[BlockHash(1)]!
    let rival = entries()[BlockHash(0)]!.entry
    (entry.block, entry.generation, entry.state) = (rival.block, rival.generation + 1, .reserved)
    write(entry.line, geometry.entry(slot))
    _ = repair()
    #expect(Set(entries().keys) == Set(BlockHash.numbers(2..<4)))
  }

  /// A copy of a line farther on goes; an entry that an empty line hides is found again.
  @Test mutating func copiesAndHiddenEntries() {
    cluster.put([BlockHash(0)], node: 0)
    let (slot, entry) = entries()[BlockHash(0)]!
    let next = geometry.next(after: slot)
    write(entry.line, geometry.entry(next))
    let actions = repair()
    #expect(actions.contains { $0.contains("held the same hash as index line \(slot)") })
    write(Line64(), geometry.entry(slot))
    write(entry.line, geometry.entry(next))
    #expect(repair().contains { $0.contains("was empty and hid index line \(next)") })
    expectFound([BlockHash(0)])
  }

  /// Blocks of a chunk whose line is damaged stay; those of one that says to be free go.
  @Test(arguments: [false, true]) mutating func damagedChunks(isFree: Bool) {
    cluster.put([BlockHash(0)], node: 0)
    let chunk = entries()[BlockHash(0)]!.entry.block / geometry.blocksPerChunk
    var memory = memory()
    var line = memory.readFresh(geometry.chunkLine(chunk))
    line[2] += 5
    if isFree { line = Line64() }
    write(line, geometry.chunkLine(chunk))
    _ = repair()
    #expect(entries().count == (isFree ? 0 : 1))
    let mended = ChunkEntry(memory.readFresh(geometry.chunkLine(chunk)))
    #expect(mended?.state == (isFree ? .free : .orphaned))
    #expect(mended.map { Int($0.generation) } == (isFree ? 0 : 7))
  }

  /// Lives go on above whatever a whole line names, unless no node could have lived so often.
  @Test mutating func livesGoOn() {
    write(Fence(41, .silenced).line, geometry.fence(seat: 0, node: 0))
    write(
      NodeStatus(
        .active, incarnation: .max, heartbeat: .max, epoch: .max, process: ProcessIdentity()
      ).line, geometry.node(1))
    _ = repair()
    for (node, incarnation) in [(0, UInt32(42)), (1, 2)] {
      cluster.clients[node] = StoreClient(geometry, node: node, pollNanoseconds: 100)
      let outcome = cluster.rejoin(node: node)
      #expect(outcome == .joined(Member(node: node, incarnation: incarnation)))
    }
  }

  /// A number above the last one would be no higher: the node waits for a repair.
  @Test mutating func aNodeWhoseLivesAreUsedUpCannotJoin() {
    write(Fence(.max, .silenced).line, geometry.fence(seat: 0, node: 0))
    #expect(cluster.rejoin(node: 0) == .occupied(Member(node: 0, incarnation: .max)))
    _ = repair()
    cluster.clients[0] = StoreClient(geometry, node: 0, pollNanoseconds: 100)
    #expect(cluster.rejoin(node: 0) == .joined(Member(node: 0, incarnation: 2)))
  }

  /// Forged requests may all hold one lock, each several times.
  @Test func aLockHeldByEverybodyManyTimes() throws {
    let geometry = try PoolGeometry(nodes: 64, payloadBytes: 1024, blockBytes: 64, shards: 2)
    var table = LockTable(geometry)
    for node in 0..<64 {
      table.take(
        LockRequest(.hold, sequence: 1, locks: [0, 0, 0, 0, 0, 0]), node: node, box: 0)
    }
    #expect(!table.isIdle)
    for node in 0..<64 { table.drop(node: node) }
    #expect(table.isIdle)
  }

  @Test mutating func removingABlockTwiceFreesItOnce() {
    cluster.put(BlockHash.numbers(0..<2), node: 0)
    #expect(cluster.run(Remove([BlockHash(0), BlockHash(0)]), node: 0) == 1)
    #expect(cluster.clients[0].residentBlocks == 1)
    #expect(cluster.clients[0].freeBlocks == 1)
  }
}
