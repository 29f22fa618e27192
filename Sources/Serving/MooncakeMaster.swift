// Mooncake's master: which host's DRAM holds which block, who reads or writes it, what is evicted.

import EventKernel
import TractStore
import Workload

/// The metadata of a DRAM pool of equal segments, one in each host.
///
/// After Mooncake Store's design guide: a block is written by whoever asks first, and others find it
/// there or in progress and skip it; it can be found once its put has ended. A lookup grants a lease.
/// Eviction takes blocks that are complete, not being read and without a lease, those first whose
/// lease ended first. It runs when a put finds no space, which fails that put, and when more of
/// the pool than the high watermark is in use (Mooncake's thread looks every 10 ms; here after each
/// put).
struct MooncakeMaster: ~Copyable {
  enum PutOutcome: Equatable {
    case allocated(segment: Int)
    /// Complete, or being written by somebody else.
    case exists
    case noSpace
  }

  /// Not private: a debug build of Swift 6.3 refuses a private type in a slab of a noncopyable one.
  struct Block {
    var hash: BlockHash
    var segment: Int32
    /// The request that writes it; −1 once it is complete.
    var writer: Int32
    var readers: Int32
    var leaseEnd: SimTime
    /// Order of insertion, which breaks ties; 0 when the slot is free.
    var order: UInt64
  }

  let segmentBlocks: Int
  private let placement: Placement
  private let lease: SimDuration
  private let evictionRatio: Double
  private let highWatermark: Double
  private var blocks = Slab<Block>()
  private var index: [BlockHash: Int32] = [:]
  private var order: UInt64 = 0
  private var draws: DrawStream
  /// Blocks in each segment.
  private(set) var used: [Int]
  private var isMounted: [Bool]
  private(set) var evictions = 0
  private(set) var failures = 0

  init(segments: Int, segmentBlocks: Int, _ system: SystemSpec, seed: UInt64) {
    self.segmentBlocks = segmentBlocks
    placement = system.placement
    lease = .seconds(system.readLeaseSeconds)
    evictionRatio = system.evictionRatio
    highWatermark = system.highWatermark
    draws = DrawStream(seed: seed, name: "mooncake-placement")
    used = Array(repeating: 0, count: segments)
    isMounted = Array(repeating: true, count: segments)
  }

  /// Blocks known, those being written included.
  var count: Int { index.count }
  /// Blocks that somebody reads.
  var readCount: Int { blocks.indices.count { blocks[$0].order > 0 && blocks[$0].readers > 0 } }
  /// Blocks that somebody writes.
  var writtenCount: Int { blocks.indices.count { blocks[$0].order > 0 && blocks[$0].writer >= 0 } }

  private var capacity: Int { isMounted.count { $0 } * segmentBlocks }

  // MARK: Reading

  /// Begins to read the run of complete blocks from the head: they get a lease and a reader each.
  /// - Returns: the segments they lie in.
  mutating func get(_ hashes: [BlockHash], at now: SimTime) -> [Int] {
    var segments: [Int] = []
    for hash in hashes {
      guard let slot = index[hash].map(Int.init), blocks[slot].writer < 0 else { break }
      blocks[slot].readers += 1
      blocks[slot].leaseEnd = max(blocks[slot].leaseEnd, now + lease)
      segments.append(Int(blocks[slot].segment))
    }
    return segments
  }

  /// One reader less; blocks that were lost with their segment are left alone.
  mutating func endRead(_ hashes: [BlockHash]) {
    for hash in hashes {
      guard let slot = index[hash].map(Int.init), blocks[slot].readers > 0 else { continue }
      blocks[slot].readers -= 1
    }
  }

  // MARK: Writing

  /// Asks for space for blocks that `request` on `host` wants to write.
  mutating func putStart(
    _ hashes: [BlockHash], request: Int, host: Int, at now: SimTime
  ) -> [PutOutcome] {
    let outcomes = hashes.map { hash -> PutOutcome in
      guard index[hash] == nil else { return .exists }
      guard let segment = segment(host) else {
        failures += 1
        return .noSpace
      }
      insert(
        Block(
          hash: hash, segment: Int32(segment), writer: Int32(request), readers: 0, leaseEnd: now,
          order: 0))
      return .allocated(segment: segment)
    }
    evict(afterFailure: outcomes.contains(.noSpace), at: now)
    return outcomes
  }

  /// The blocks are written: from now on they can be found.
  mutating func putEnd(_ hashes: [BlockHash], request: Int, at now: SimTime) -> Int {
    var ended = 0
    for hash in hashes {
      guard let slot = index[hash].map(Int.init), blocks[slot].writer == Int32(request) else {
        continue
      }
      blocks[slot].writer = -1
      blocks[slot].leaseEnd = now
      ended += 1
    }
    return ended
  }

  /// The request gives up writing.
  mutating func putRevoke(_ hashes: [BlockHash], request: Int) {
    for hash in hashes {
      guard let slot = index[hash].map(Int.init), blocks[slot].writer == Int32(request) else {
        continue
      }
      remove(slot)
    }
  }

  /// The first segment with space: the writer's own under `local`, then from a random one on.
  private mutating func segment(_ host: Int) -> Int? {
    if placement == .local, hasSpace(host) { return host }
    let start = draws.integer(below: used.count)
    for step in used.indices {
      let segment = (start + step) % used.count
      if hasSpace(segment) { return segment }
    }
    return nil
  }

  private func hasSpace(_ segment: Int) -> Bool {
    isMounted[segment] && used[segment] < segmentBlocks
  }

  private mutating func insert(_ block: Block) {
    order += 1
    var block = block
    block.order = order
    index[block.hash] = Int32(blocks.add(block))
    used[Int(block.segment)] += 1
  }

  private mutating func remove(_ slot: Int) {
    index[blocks[slot].hash] = nil
    used[Int(blocks[slot].segment)] -= 1
    blocks[slot].order = 0
    blocks.remove(slot)
  }

  // MARK: Eviction and segments

  private mutating func evict(afterFailure: Bool, at now: SimTime) {
    let share = Double(index.count) / Double(max(1, capacity))
    guard afterFailure || share > highWatermark else { return }
    let ratio = max(evictionRatio, share - highWatermark + evictionRatio)
    // Whole numbers stay what they are in spite of rounding errors.
    let target = Int((ratio * Double(index.count) - 1e-9).rounded(.up))
    var candidates = blocks.indices.filter {
      blocks[$0].order > 0 && blocks[$0].writer < 0 && blocks[$0].readers == 0
        && blocks[$0].leaseEnd <= now
    }
    candidates.sort {
      (blocks[$0].leaseEnd, blocks[$0].order) < (blocks[$1].leaseEnd, blocks[$1].order)
    }
    for slot in candidates.prefix(target) {
      remove(slot)
      evictions += 1
    }
  }

  /// A host's DRAM is gone, with all blocks in it.
  mutating func unmount(_ segment: Int) {
    isMounted[segment] = false
    for slot in blocks.indices where blocks[slot].order > 0 && blocks[slot].segment == segment {
      remove(slot)
    }
  }

  mutating func mount(_ segment: Int) { isMounted[segment] = true }
}
