// Reserving, publishing, finding, pinning and removing blocks, by example.

import SharedMemory
import Testing

@testable import TractStore

@Suite struct IndexTests {
  @Test func aPublishedBlockIsFoundByEveryNode() throws {
    var cluster = try Cluster(nodes: 3)
    let hashes = BlockHash.numbers(0..<3)
    let outcomes = cluster.put(hashes, node: 0)
    #expect(outcomes.reservations.map(\.hash) == hashes)
    for node in 0..<3 {
      let pinned = cluster.pin(hashes, node: node)
      #expect(pinned.map(\.hash) == hashes)
      #expect(pinned.map(\.block) == outcomes.reservations.map(\.block))
    }
  }

  @Test func aReservedBlockIsNotReadyUntilItIsPublished() throws {
    var cluster = try Cluster()
    let reservations = cluster.run(PutStart([BlockHash(1)]), node: 0).reservations
    let look = PinBlocks(BlockHash.numbers(1..<3), stopsAtMiss: false)
    let found = cluster.run(look, node: 1)
    #expect(found == [.notReady, .absent])
    _ = cluster.run(PutEnd(reservations, pinning: false), node: 0)
    let after = cluster.run(look, node: 1)
    #expect(after.pinned.map(\.hash) == [BlockHash(1)])
    #expect(after[1] == .absent)
  }

  @Test func aPrefixEndsAtTheFirstMiss() throws {
    var cluster = try Cluster()
    cluster.put([0, 1, 3].map { BlockHash($0) }, node: 0)
    let pinned = cluster.pin(BlockHash.numbers(0..<4), node: 1)
    #expect(pinned.map(\.hash) == BlockHash.numbers(0..<2))
    #expect(cluster.clients[1].pinnedBlocks == 2)
  }

  @Test func nothingAskedForIsNothingFound() throws {
    var cluster = try Cluster()
    let found = cluster.pin([], node: 0)
    #expect(found.isEmpty)
    let again = cluster.run(PutStart([]), node: 0)
    #expect(again.isEmpty)
    let later = cluster.run(PutEnd([], pinning: true), node: 0)
    #expect(later.isEmpty)
  }

  @Test(arguments: [1, 31, 32, 33, 96, 97, 200]) func longPrefixesAreFoundWhole(count: Int) throws {
    var cluster = try Cluster(blocks: 200, shards: 40)
    let hashes = BlockHash.numbers(0..<count)
    let found = cluster.put(hashes, node: 0)
    #expect(found.reservations.count == count)
    let again = cluster.pin(hashes, node: 1)
    #expect(again.map(\.hash) == hashes)
  }

  @Test func secondPutsAreTurnedAway() throws {
    var cluster = try Cluster()
    cluster.put([BlockHash(1)], node: 0)
    _ = cluster.run(PutStart([BlockHash(2)]), node: 0)
    let outcomes = cluster.run(PutStart(BlockHash.numbers(1..<4)), node: 1)
    #expect(outcomes[0] == .exists)
    #expect(outcomes[1] == .inFlight)
    #expect(outcomes.reservations.map(\.hash) == [BlockHash(3)])
  }

  @Test func oneHashTwiceInAPutIsReservedOnce() throws {
    var cluster = try Cluster()
    let outcomes = cluster.run(PutStart([BlockHash(1), BlockHash(1)]), node: 0)
    #expect(outcomes.reservations.count == 1)
    #expect(outcomes[1] == .inFlight)
  }

  @Test func aRevokedReservationLeavesNothing() throws {
    var cluster = try Cluster()
    let reservations = cluster.run(PutStart(BlockHash.numbers(0..<4)), node: 0).reservations
    cluster.run(PutRevoke(reservations), node: 0)
    let audit = cluster.audit()
    #expect(audit.isEmpty)
    #expect(audit.problems.isEmpty)
    let found = cluster.put(BlockHash.numbers(0..<4), node: 0)
    #expect(found.reservations.count == 4)
  }

  @Test func aBlockGetsAnotherGenerationWithEachUse() throws {
    var cluster = try Cluster(blocks: 2)
    var generations: [Int: [UInt64]] = [:]
    for number in 0..<10 {
      for reservation in cluster.run(PutStart([BlockHash(number)]), node: 0).reservations {
        generations[reservation.block, default: []].append(reservation.generation)
        cluster.run(PutRevoke([reservation]), node: 0)
      }
    }
    for (_, row) in generations { #expect(zip(row, row.dropFirst()).allSatisfy { $0 < $1 }) }
  }

  /// Between a lookup's probe and its pin the block goes and comes back in the same line: only the
  /// generation tells that the pin names what is gone.
  @Test func aPinOfAnEarlierGenerationIsDropped() throws {
    var cluster = try Cluster()
    let hash = BlockHash(1)
    let first = cluster.put([hash], node: 0).reservations[0]
    var pin = PinBlocks([hash], stopsAtMiss: false)
    guard case .sync = pin.step(&cluster.memories[1], &cluster.clients[1]) else {
      Issue.record("the probe does not end the lookup")
      return
    }
    let removed = cluster.run(Remove([hash]), node: 0)
    #expect(removed == 1)
    let second = cluster.put([hash], node: 0).reservations[0]
    #expect((second.slot, second.block) == (first.slot, first.block), "the test needs both again")
    #expect(second.generation != first.generation)
    let outcomes = cluster.run(pin, node: 1)
    #expect(outcomes == [.absent])
    let audit = cluster.audit()
    #expect(audit.problems.isEmpty && audit.pins == 0)
  }

  @Test func aDeletionDoesNotHideWhatWasPutBehindIt() throws {
    // One shard: every probe runs through its neighbours.
    var cluster = try Cluster(blocks: 16, shards: 1)
    let start = cluster.geometry.slot(of: BlockHash(0), distance: 0)
    let colliding = (0..<10_000).map { BlockHash($0) }
      .filter { cluster.geometry.slot(of: $0, distance: 0) == start }.prefix(6)
    cluster.put(Array(colliding), node: 0)
    let found = cluster.run(Remove([colliding[0], colliding[2]]), node: 0)
    #expect(found == 2)
    for hash in [1, 3, 4, 5].map({ colliding[$0] }) {
      let again = cluster.pin([hash], node: 1)
      #expect(again.count == 1)
    }
    let later = cluster.put([colliding[5]], node: 1)
    #expect(later == [.exists], "no second copy in a vacancy")
  }

  @Test func pinningTwiceWritesOnce() throws {
    var cluster = try Cluster()
    cluster.put([BlockHash(1)], node: 0)
    let first = cluster.pin([BlockHash(1)], node: 1)
    let written = cluster.memories[1].counters.lineWrites
    let second = cluster.pin([BlockHash(1)], node: 1)
    #expect(cluster.memories[1].counters.lineWrites == written)
    cluster.run(Unpin(first), node: 1)
    #expect(cluster.clients[1].pinnedBlocks == 1)
    cluster.run(Unpin(second), node: 1)
    #expect(cluster.clients[1].pinnedBlocks == 0)
    let found = cluster.audit()
    #expect(found.pins == 0)
  }

  @Test func everythingIsFreeAfterRemoval() throws {
    var cluster = try Cluster(nodes: 2, blocks: 32)
    cluster.put(BlockHash.numbers(0..<10), node: 0, pinning: true)
    cluster.put(BlockHash.numbers(10..<20), node: 1)
    cluster.run(Unpin(cluster.pin(BlockHash.numbers(0..<20), node: 1)), node: 1)
    let own = cluster.pin(BlockHash.numbers(0..<10), node: 0)
    cluster.run(Unpin(own), node: 0)
    cluster.run(Unpin(own), node: 0)
    let removed = (0..<2).map { cluster.run(Remove(BlockHash.numbers(0..<20)), node: $0) }
    #expect(removed == [10, 10], "each node removes its own blocks")
    let audit = cluster.audit()
    #expect(audit.isEmpty)
    #expect(audit.problems.isEmpty)
    #expect(cluster.clients.map(\.residentBlocks) == [0, 0])
  }

  @Test func lookupsCostOneRoundTripForManyLines() throws {
    var cluster = try Cluster(blocks: 64)
    cluster.put(BlockHash.numbers(0..<32), node: 0)
    cluster.memories[1].elapsed = 0
    _ = cluster.pin(BlockHash.numbers(0..<32), node: 1)
    // Some rounds of probing, a write of pins, a re-validation; not 64 latencies.
    #expect(cluster.memories[1].elapsed < 12 * 640)
  }
}

@Suite struct RootTests {
  private static func name(_ text: String) throws -> RootName { try #require(RootName(text)) }

  @Test func aRootIsFoundByNameOnEveryNode() throws {
    var cluster = try Cluster()
    let root = Root(name: try Self.name("model/llama"), address: Address(4096), byteCount: 77)
    let isSet = cluster.run(SetRoot(root, in: cluster.geometry), node: 0)
    #expect(isSet)
    let found = cluster.run(GetRoot(root.name), node: 1)
    #expect(found == root)
    let again = cluster.run(GetRoot(try Self.name("model")), node: 1)
    #expect(again == nil)
  }

  @Test func aRootCanBeReplacedAndRemoved() throws {
    var cluster = try Cluster()
    var root = Root(name: try Self.name("x"), address: Address(1), byteCount: 1)
    _ = cluster.run(SetRoot(root, in: cluster.geometry), node: 0)
    root.address = Address(2)
    _ = cluster.run(SetRoot(root, in: cluster.geometry), node: 1)
    let found = cluster.run(GetRoot(root.name), node: 0)
    #expect(found?.address == Address(2))
    let removal = SetRoot(removing: root.name, in: cluster.geometry)
    let again = cluster.run(removal, node: 0)
    #expect(again)
    let later = cluster.run(removal, node: 0)
    #expect(!later)
    let finally = cluster.run(GetRoot(root.name), node: 1)
    #expect(finally == nil)
  }

  @Test func aFullTableSaysSo() throws {
    var cluster = try Cluster()
    for index in 0..<PoolGeometry.rootLimit {
      let root = Root(name: try Self.name("root \(index)"), address: Address(0), byteCount: 0)
      let found = cluster.run(SetRoot(root, in: cluster.geometry), node: 0)
      #expect(found)
    }
    let extra = Root(name: try Self.name("one more"), address: Address(0), byteCount: 0)
    let again = cluster.run(SetRoot(extra, in: cluster.geometry), node: 0)
    #expect(!again)
  }

  @Test(arguments: ["", "a name of more than 24 bytes", "zero\u{0}byte"])
  func badNamesAreRefused(name: String) {
    #expect(RootName(name) == nil)
  }

  @Test func namesReadBack() throws {
    #expect(try Self.name("héllo, twenty-four byte").description == "héllo, twenty-four byte")
  }
}
