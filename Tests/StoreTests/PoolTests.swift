// Layout, formatting and opening.

import SharedMemory
import Testing

@testable import TractStore

@Suite struct PoolTests {
  @Test func areasFollowEachOtherWithoutOverlap() throws {
    let g = try PoolGeometry(nodes: 3, payloadBytes: 1 << 20, blockBytes: 4096, shards: 5)
    let starts: [Address] = [
      PoolGeometry.superblock, g.seat(0), g.node(0), g.fence(seat: 0, node: 0),
      g.recovered(node: 0), g.doorbell(node: 0), g.request(node: 0, box: 0),
      g.grant(seat: 0, node: 0, box: 0), g.chunkLine(0), g.root(0, side: 0), g.entry(0),
      g.pinHeader(node: 0),
      Address(g.metadataBytes),
    ]
    #expect(starts == starts.sorted())
    #expect(Set(starts).count == starts.count)
    #expect(starts.allSatisfy { $0.offset % 64 == 0 })
    #expect(g.request(node: 2, box: 15) + 64 == g.grant(seat: 0, node: 0, box: 0))
    #expect(g.pinLine(node: 2, g.pinLinesPerNode - 1) + 64 == Address(g.metadataBytes))
    #expect(g.payloadBase.offset >= g.metadataBytes)
    #expect(g.payload(block: g.blocks - 1) + g.blockBytes == Address(g.totalBytes))
    #expect(g.doorbells == g.doorbell(node: 0)..<g.request(node: 0, box: 0))
  }

  struct Layout {
    var nodes = 2
    var payloadBytes: UInt64 = 1 << 20
    var blockBytes: UInt64 = 4096
    var blocksPerChunk = 8
    var shards = 4
  }

  @Test(arguments: [
    Layout(nodes: 0), Layout(nodes: 256), Layout(payloadBytes: 100), Layout(blockBytes: 100),
    Layout(blockBytes: 0), Layout(blocksPerChunk: 0), Layout(shards: 0), Layout(shards: 5000),
    Layout(blocksPerChunk: -1), Layout(blockBytes: .max - 63), Layout(payloadBytes: .max),
    Layout(payloadBytes: .max, blockBytes: 1 << 40),
  ])
  func impossibleLayoutsAreRefused(layout: Layout) {
    #expect(throws: PoolFormatError.self) {
      _ = try PoolGeometry(
        nodes: layout.nodes, payloadBytes: layout.payloadBytes, blockBytes: layout.blockBytes,
        blocksPerChunk: layout.blocksPerChunk, shards: layout.shards)
    }
    #expect(throws: PoolFormatError.self) {
      _ = try PoolGeometry.largest(
        regionBytes: layout.payloadBytes, nodes: layout.nodes, blockBytes: layout.blockBytes,
        blocksPerChunk: layout.blocksPerChunk, shards: layout.shards)
    }
  }

  @Test(arguments: [UInt64(1) << 20, 1 << 24, 1 << 30, 12_345_678]) func theLargestPoolFits(
    region: UInt64
  ) throws {
    let pool = try PoolGeometry.largest(regionBytes: region, nodes: 4, blockBytes: 4096)
    #expect(pool.totalBytes <= region)
    let next = try PoolGeometry(
      nodes: 4, payloadBytes: UInt64(pool.blocks + pool.blocksPerChunk) * 4096, blockBytes: 4096)
    #expect(next.totalBytes > region)
  }

  /// A superblock from elsewhere may say anything: nothing overflows.
  @Test func aLayoutBeyondAllAddressesIsNone() throws {
    var cluster = try Cluster()
    let layout = Line64(1, 1 << 40, 1 << 15, 1 << 15, 1 << 32 | 64, 1, 64 << 32 | 1 << 16 | 1, 0)
      .sealed(sequence: 1)
    cluster.memories[0].writeLine(layout, at: PoolGeometry.layoutLine)
    #expect(throws: PoolFormatError.self) {
      _ = try Pool.open(&cluster.memories[0], hashSeed: nil)
    }
  }

  @Test func aPoolOpensWithTheGeometryItWasFormattedWith() throws {
    var cluster = try Cluster(nodes: 3)
    let opened = try Pool.open(&cluster.memories[1], hashSeed: 1)
    #expect(opened == cluster.geometry)
  }

  @Test func anotherHashSeedIsRefused() throws {
    var cluster = try Cluster()
    let error = #expect(throws: PoolFormatError.self) {
      _ = try Pool.open(&cluster.memories[1], hashSeed: 2)
    }
    #expect(error?.description.contains("another seed") == true)
  }

  @Test(arguments: [PoolGeometry.superblock, PoolGeometry.layoutLine])
  func aDamagedSuperblockIsRefused(line: Address) throws {
    var cluster = try Cluster()
    var words = cluster.memories[0].readFresh(line)
    words[0] ^= 1
    cluster.memories[0].writeLine(words, at: line)
    #expect(throws: PoolFormatError.self) { _ = try Pool.open(&cluster.memories[1], hashSeed: nil) }
  }

  @Test func emptyMemoryIsNoPool() {
    var memory = TimedMemory(pool: TimedPool(metadataBytes: 4096), host: 0)
    #expect(throws: PoolFormatError.self) { _ = try Pool.open(&memory, hashSeed: nil) }
  }

  @Test func formattingAgainForgetsEverything() throws {
    var cluster = try Cluster()
    cluster.put(BlockHash.numbers(0..<4), node: 0, pinning: true)
    Pool.format(&cluster.memories[1], cluster.geometry, hashSeed: 1)
    let audit = cluster.audit()
    #expect(audit.isEmpty)
    #expect(audit.ownedChunks == 0)
    #expect(audit.problems.isEmpty)
  }
}
