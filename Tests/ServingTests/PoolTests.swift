// The metadata of pools by hand: order of eviction, leases, placement, who writes what.

import EventKernel
import Testing
import TractStore
import Workload

@testable import Serving

private func hash(_ number: UInt64) -> BlockHash { BlockHash(hi: number, lo: 1) }
private func hashes(_ numbers: UInt64...) -> [BlockHash] { numbers.map(hash) }
private func time(_ seconds: Double) -> SimTime { .zero + .seconds(seconds) }

@Suite struct BlockCacheTests {
  /// Of three places: 1 is used again, so 2 goes for 4; 3 is pinned, so 1 goes for 5.
  @Test func evictsTheLeastRecentlyUsed() {
    var cache = BlockCache(capacity: 3)
    for number in 1...3 { #expect(cache.insert(hash(UInt64(number))) == true) }
    #expect(cache.insert(hash(1)) == true)
    #expect(cache.insert(hash(4)) == true)
    #expect(cache.prefixLength([hash(2)]) == 0)
    #expect(cache.pin(hash(3)) == true)
    _ = cache.insert(hash(4))
    _ = cache.insert(hash(5))
    #expect([1, 2, 3, 4, 5].map { cache.prefixLength([hash($0)]) } == [0, 0, 1, 1, 1])
    #expect(cache.count == 3 && cache.evictions == 2)
  }

  @Test func pinnedBlocksRefuseOthersUntilTheyAreRemoved() {
    var cache = BlockCache(capacity: 1)
    #expect(cache.insert(hash(1)) == true)
    #expect(cache.pin(hash(1)) == true)
    #expect(cache.insert(hash(2)) == false)
    cache.remove(hash(1))
    #expect(cache.pinned == 0 && cache.count == 0)
    #expect(cache.insert(hash(2)) == true)
  }
}

@Suite struct MooncakeMasterTests {
  private func master(
    segments: Int = 1, blocks: Int = 10, _ change: (inout SystemSpec) -> Void = { _ in }
  ) throws -> MooncakeMaster {
    let workload = try WorkloadFile.decode(
      Array(
        """
        {"name": "t", "model": "llama-3.1-8b", "systems": ["mooncake"], "stop": {"requests": 1},
         "traffic": {"kind": "static", "input_tokens": 1, "output_tokens": 1,
          "arrivals": {"process": "poisson", "rate_rps": 1}}}
        """.utf8), name: "t", folder: "")
    var system = workload.systems[0]
    change(&system)
    return MooncakeMaster(segments: segments, segmentBlocks: blocks, system, seed: 1)
  }

  private func put(
    _ numbers: Range<UInt64>, _ master: inout MooncakeMaster, at seconds: Double
  ) -> Int {
    let keys = numbers.map(hash)
    _ = master.putStart(keys, request: 0, host: 0, at: time(seconds))
    return master.putEnd(keys, request: 0, at: time(seconds))
  }

  /// The second of two writers finds the block in progress; it is found once its put has ended.
  @Test func aBlockHasOneWriter() throws {
    var master = try master()
    #expect(
      master.putStart(hashes(1), request: 0, host: 0, at: time(0)) == [.allocated(segment: 0)])
    #expect(
      master.putStart(hashes(1, 2), request: 1, host: 0, at: time(0)) == [
        .exists, .allocated(segment: 0),
      ])
    #expect(master.get(hashes(1), at: time(0)) == [])
    #expect(master.putEnd(hashes(1), request: 1, at: time(0)) == 0, "not the writer")
    #expect(master.putEnd(hashes(1), request: 0, at: time(0)) == 1)
    #expect(master.get(hashes(1, 2), at: time(1)) == [0])
    master.putRevoke(hashes(1, 2), request: 1)
    #expect(master.count == 1, "what is complete cannot be revoked")
  }

  /// Nine blocks of ten are below the watermark of 0.95; the tenth is not: 5 % of ten, rounded up,
  /// and what is above the watermark: one block goes, the oldest that has no lease.
  @Test func evictsAboveTheWatermark() throws {
    var master = try master()
    for block in UInt64(0)..<9 { _ = put(block..<block + 1, &master, at: Double(block)) }
    #expect(master.evictions == 0)
    // A lease until 10 + 5 s keeps the oldest.
    #expect(master.get([hash(0)], at: time(10)) == [0])
    master.endRead([hash(0)])
    _ = put(9..<10, &master, at: 11)
    #expect(master.evictions == 1 && master.count == 9)
    #expect(master.get([hash(0)], at: time(12)) == [0])
    #expect(master.get([hash(1)], at: time(12)) == [], "the least recently used is gone")
  }

  /// With leases over, the order is that of their ends; a reader still keeps its block.
  @Test func leasesEndAndReadersStay() throws {
    var master = try master { $0.evictionRatio = 0.2 }
    _ = put(0..<9, &master, at: 0)
    #expect(master.get([hash(3)], at: time(1)) == [0])
    #expect(master.get([hash(0), hash(1)], at: time(2)) == [0, 0])
    master.endRead([hash(0), hash(1)])
    // 0.2 + 0.05 of ten are three: of 2, 4, 5, … the oldest insertions.
    _ = put(9..<10, &master, at: 100)
    let left = (UInt64(0)..<10).filter { !master.get([hash($0)], at: time(101)).isEmpty }
    #expect(left == [0, 1, 3, 6, 7, 8, 9])
    #expect(master.evictions == 3)
  }

  /// A put without space fails, and makes space for the next.
  @Test func noSpaceFailsThePut() throws {
    var master = try master(blocks: 2) { $0.highWatermark = 1 }
    _ = put(0..<2, &master, at: 0)
    #expect(master.putStart(hashes(7), request: 0, host: 0, at: time(1)) == [.noSpace])
    #expect(master.failures == 1 && master.count == 1)
    #expect(
      master.putStart(hashes(7), request: 0, host: 0, at: time(2)) == [.allocated(segment: 0)])
  }

  /// The writer's own segment while it has space, then the others; at random, all from the start.
  @Test func placement() throws {
    func segments(_ placement: Placement) throws -> [Int] {
      var master = try master(segments: 4, blocks: 5) {
        $0.placement = placement
        $0.highWatermark = 1
      }
      _ = master.putStart(
        (UInt64(0)..<8).map(hash), request: 0, host: 2, at: time(0))
      return master.used
    }
    let local = try segments(.local)
    #expect(local[2] == 5 && local.reduce(0, +) == 8)
    let random = try segments(.random)
    #expect(random[2] < 5 && random.reduce(0, +) == 8)
    #expect(random == (try segments(.random)))
  }

  @Test func aLostSegmentTakesItsBlocks() throws {
    var master = try master(segments: 2)
    _ = put(0..<3, &master, at: 0)
    _ = master.get([hash(0)], at: time(0))
    master.unmount(0)
    #expect(master.count == 0 && master.readCount == 0)
    #expect(
      master.putStart(hashes(1), request: 0, host: 0, at: time(1)) == [.allocated(segment: 1)])
    master.mount(0)
    #expect(
      master.putStart(hashes(2), request: 0, host: 0, at: time(1)) == [.allocated(segment: 0)])
  }
}
