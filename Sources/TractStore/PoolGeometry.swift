// Where everything lies in a pool: areas, their sizes and their addresses.

import SharedMemory

/// A pool could not be formatted or opened, and why.
public struct PoolFormatError: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String
}

/// The layout of a pool; equal geometries have equal layouts.
///
/// Every line has one writer at a time, named by the protocol state (invariant I1): node, request,
/// doorbell and pin lines their node; seat, grant and fence lines the manager of their seat; index,
/// chunk, root and recovery lines the holder of their lock, or the reserving node while an entry is
/// RESERVED.
public struct PoolGeometry: Hashable, Sendable {
  public var nodes: Int
  /// Bytes of one KV block: the unit of allocation.
  public var blockBytes: UInt64
  public var blocksPerChunk: Int
  public var chunks: Int
  /// Index shards, each under a lock of its own.
  public var shards: Int
  public var entriesPerShard: Int
  public var pinLinesPerNode: Int
  /// Lock managers that may stand for election, each with lines of its own.
  public var seats: Int
  /// Requests a node can have waiting or granted at once.
  public var requestBoxes: Int
  /// Index lines inspected for one hash at most.
  public var probeWindow: Int
  private var areas: Areas

  /// Changes with the meaning of any line; clients of another layout are refused.
  static var layoutVersion: UInt64 { 4 }
  /// Locks granted together at most: as many as a request line has room for, and all shards of a pool
  /// that is formatted by default.
  public static var lockSetLimit: Int { 16 }
  /// At a quarter full, runs of linear probing that long do not occur in practice; a window of 16
  /// at half full did overflow.
  public static var defaultProbeWindow: Int { 64 }
  /// Named roots of the object store.
  public static var rootLimit: Int { 32 }
  /// Pins in one pin line.
  public static var pinsPerLine: Int { 7 }

  /// A pool of `payloadBytes` for `nodes` nodes, with an index at most a quarter full.
  /// - Throws: what is out of range and what is allowed.
  public init(
    nodes: Int, payloadBytes: UInt64, blockBytes: UInt64, blocksPerChunk: Int = 8,
    shards: Int = 16, pinnedBlocksPerNode: Int? = nil, seats: Int = 4, requestBoxes: Int = 16,
    probeWindow: Int = PoolGeometry.defaultProbeWindow
  ) throws(PoolFormatError) {
    guard (1...255).contains(nodes) else {
      throw PoolFormatError(description: "\(nodes) nodes; allowed are 1 to 255")
    }
    guard (64...1 << 40).contains(blockBytes), blockBytes % 64 == 0 else {
      throw PoolFormatError(
        description: "blocks of \(blockBytes) B; allowed are multiples of 64 up to 2^40")
    }
    guard (1...1 << 20).contains(blocksPerChunk), (1...4096).contains(shards) else {
      throw PoolFormatError(
        description: "a pool needs 1 to 2^20 blocks a chunk and 1 to 4096 shards")
    }
    guard (1...16).contains(seats), (1...Doorbell.boxLimit).contains(requestBoxes),
      (1...4096).contains(probeWindow)
    else {
      throw PoolFormatError(
        description:
          "a pool needs 1 to 16 manager seats, 1 to \(Doorbell.boxLimit) request boxes and a "
          + "probe window of 1 to 4096 lines")
    }
    let chunks = Int(clamping: payloadBytes / (blockBytes * UInt64(blocksPerChunk)))
    guard chunks > 0 else {
      throw PoolFormatError(
        description: "\(payloadBytes) B hold no chunk of \(blocksPerChunk) blocks of "
          + "\(blockBytes) B; use a larger pool or smaller blocks")
    }
    guard chunks < Self.blockLimit, chunks * blocksPerChunk < Self.blockLimit,
      Self.isAddressable(blocks: chunks * blocksPerChunk, blockBytes)
    else {
      throw PoolFormatError(
        description: "\(chunks) chunks of \(blocksPerChunk) blocks of \(blockBytes) B; "
          + "fewer than 2^31 blocks and 2^62 B are allowed")
    }
    let blocks = chunks * blocksPerChunk
    self.nodes = nodes
    self.blockBytes = blockBytes
    self.blocksPerChunk = blocksPerChunk
    self.chunks = chunks
    self.shards = shards
    self.seats = seats
    self.requestBoxes = requestBoxes
    self.probeWindow = probeWindow
    entriesPerShard = max(probeWindow, (4 * blocks + shards - 1) / shards)
    guard shards * entriesPerShard < Self.entryLimit else {
      throw PoolFormatError(
        description: "\(blocks) blocks need \(shards * entriesPerShard) index lines; fewer than "
          + "2^31 are allowed: use larger blocks")
    }
    let pins = pinnedBlocksPerNode ?? blocks
    pinLinesPerNode = (pins + Self.pinsPerLine - 1) / Self.pinsPerLine
    areas = Areas()
    layOut()
  }

  /// The pool with the largest payload that `regionBytes` hold, metadata and all.
  /// - Throws: what is out of range; also if not even one chunk fits.
  public static func largest(
    regionBytes: UInt64, nodes: Int, blockBytes: UInt64, blocksPerChunk: Int = 8, shards: Int = 16
  ) throws(PoolFormatError) -> PoolGeometry {
    func geometry(chunks: Int) throws(PoolFormatError) -> PoolGeometry {
      try PoolGeometry(
        nodes: nodes, payloadBytes: UInt64(chunks * blocksPerChunk) * blockBytes,
        blockBytes: blockBytes, blocksPerChunk: blocksPerChunk, shards: shards)
    }
    // Metadata grows with the payload, so that what fits is found by bisection. All of the region
    // as payload bounds it from above, and shows first whether the parameters are in range.
    let most = try PoolGeometry(
      nodes: nodes, payloadBytes: regionBytes, blockBytes: blockBytes,
      blocksPerChunk: blocksPerChunk, shards: shards)
    var best = try geometry(chunks: 1)
    guard best.totalBytes <= regionBytes else {
      throw PoolFormatError(
        description: "a pool of one chunk takes \(best.totalBytes) B, there are \(regionBytes) B; "
          + "use a larger region or smaller blocks")
    }
    var exceeds = most.chunks + 1
    while best.chunks + 1 < exceeds {
      let middle = (best.chunks + exceeds) / 2
      let candidate = try geometry(chunks: middle)
      if candidate.totalBytes <= regionBytes { best = candidate } else { exceeds = middle }
    }
    return best
  }

  /// Blocks are named by 31 bits.
  private static var blockLimit: Int { 1 << 31 }

  /// Index lines are named by 31 bits, too, in each node's heap.
  private static var entryLimit: Int { 1 << 31 }

  /// Whether addresses of so much payload, and of the metadata before it, fit 64 bits.
  private static func isAddressable(blocks: Int, _ blockBytes: UInt64) -> Bool {
    UInt64(blocks) <= (1 << 62) / blockBytes
  }

  init?(words line: Line64) {
    // Bounds that keep sums and products of what follows far from overflow.
    guard (1...255).contains(line[0]), (64...1 << 40).contains(line[1]), line[1] % 64 == 0,
      (1...1 << 31).contains(line[2]), (1...1 << 31).contains(line[3]),
      line[2] * line[3] < Self.blockLimit,
      Self.isAddressable(blocks: Int(line[2] * line[3]), line[1]),
      (1...4096).contains(line[4] >> 32),
      (1...1 << 31).contains(line[4] & 0xFFFF_FFFF), line[5] <= 1 << 31,
      (1...16).contains(line[6] & 0xFFFF), (1...64).contains(line[6] >> 16 & 0xFFFF),
      (1...4096).contains(line[6] >> 32),
      (line[4] >> 32) * (line[4] & 0xFFFF_FFFF) < Self.entryLimit
    else { return nil }
    nodes = Int(line[0])
    blockBytes = line[1]
    blocksPerChunk = Int(line[2])
    chunks = Int(line[3])
    shards = Int(line[4] >> 32)
    entriesPerShard = Int(line[4] & 0xFFFF_FFFF)
    pinLinesPerNode = Int(line[5])
    seats = Int(line[6] & 0xFFFF)
    requestBoxes = Int(line[6] >> 16 & 0xFFFF)
    probeWindow = Int(line[6] >> 32)
    areas = Areas()
    layOut()
  }

  var words: Line64 {
    Line64(
      UInt64(nodes), blockBytes, UInt64(blocksPerChunk), UInt64(chunks),
      UInt64(shards) << 32 | UInt64(entriesPerShard), UInt64(pinLinesPerNode),
      UInt64(seats) | UInt64(requestBoxes) << 16 | UInt64(probeWindow) << 32, 0)
  }

  /// A checksum over where every area begins and what the lines in it mean.
  var layoutHash: UInt64 {
    let starts = [
      areas.seats, areas.nodes, areas.fences, areas.recovered, areas.doorbells, areas.requests,
      areas.grants, areas.chunks, areas.roots, areas.entries, areas.pins, payloadBase,
    ]
    var line = Line64(Self.layoutVersion, UInt64(Self.lockSetLimit), 0, 0, 0, 0, 0, 0)
    for (index, start) in starts.enumerated() {
      line[2 + index % 5] = line.mixed(line[2 + index % 5], start.offset)
    }
    return UInt64(line.checksum)
  }

  public var blocks: Int { chunks * blocksPerChunk }
  /// What index lines may name.
  var names: IndexEntry.Names { IndexEntry.Names(nodes: nodes, blocks: blocks) }
  /// Lines of the index.
  public var entries: Int { shards * entriesPerShard }
  /// Locks: one a shard, then the chunk table's, the object store's and that of recovery.
  public var locks: Int { shards + 3 }
  var chunkLock: UInt16 { UInt16(shards) }
  var rootLock: UInt16 { UInt16(shards + 1) }
  var recoveryLock: UInt16 { UInt16(shards + 2) }

  static var superblock: Address { Address(0) }
  static var layoutLine: Address { Address(Line64.bytes) }
  /// Superblock and layout.
  static var smallestRegion: UInt64 { 2 * Line64.bytes }
  /// What a manager says of itself.
  func seat(_ seat: Int) -> Address { areas.seats + line(seat) }
  /// What a node says of itself.
  func node(_ node: Int) -> Address { areas.nodes + line(node) }
  /// What the manager of a seat has confirmed of a node's death.
  func fence(seat: Int, node: Int) -> Address { areas.fences + line(seat * nodes + node) }
  /// Up to which incarnation a node's traces have been cleared.
  func recovered(node: Int) -> Address { areas.recovered + line(node) }
  func doorbell(node: Int) -> Address { areas.doorbells + line(node) }
  func request(node: Int, box: Int) -> Address {
    areas.requests + line(node * requestBoxes + box)
  }
  func grant(seat: Int, node: Int, box: Int) -> Address {
    areas.grants + line((seat * nodes + node) * requestBoxes + box)
  }
  func chunkLine(_ chunk: Int) -> Address { areas.chunks + line(chunk) }
  /// One of the two lines of a place of the object store.
  func root(_ place: Int, side: Int) -> Address { areas.roots + line(2 * place + side) }
  func entry(_ index: Int) -> Address { areas.entries + line(index) }
  /// Header of a node's pins: whose they are and how many of its lines are in use.
  func pinHeader(node: Int) -> Address { areas.pins + line(node * (pinLinesPerNode + 1)) }
  func pinLine(node: Int, _ line: Int) -> Address {
    areas.pins + self.line(node * (pinLinesPerNode + 1) + line + 1)
  }
  private func line(_ index: Int) -> UInt64 { UInt64(truncatingIfNeeded: index) &* Line64.bytes }

  /// End of all protocol lines.
  public var metadataBytes: UInt64 { areas.end.offset }
  /// Start of the payload, at a page boundary.
  public var payloadBase: Address { Address((metadataBytes + 4095) & ~4095) }
  public var totalBytes: UInt64 { payloadBase.offset + UInt64(blocks) * blockBytes }
  /// The doorbell lines, which an idle lock manager watches.
  public var doorbells: Range<Address> { areas.doorbells..<areas.requests }

  /// Where the areas begin, in their order; each begins where the one before ends.
  private struct Areas: Hashable {
    var seats = Address(0)
    var nodes = Address(0)
    var fences = Address(0)
    var recovered = Address(0)
    var doorbells = Address(0)
    var requests = Address(0)
    var grants = Address(0)
    var chunks = Address(0)
    var roots = Address(0)
    var entries = Address(0)
    var pins = Address(0)
    var end = Address(0)
  }

  /// Sets `areas` from the counts.
  private mutating func layOut() {
    var next: UInt64 = 2
    func area(_ lines: Int) -> Address {
      defer { next += UInt64(lines) }
      return Address(next * Line64.bytes)
    }
    areas = Areas(
      seats: area(seats), nodes: area(nodes), fences: area(seats * nodes), recovered: area(nodes),
      doorbells: area(nodes), requests: area(nodes * requestBoxes),
      grants: area(seats * nodes * requestBoxes), chunks: area(chunks),
      roots: area(2 * Self.rootLimit),
      entries: area(entries), pins: area(nodes * (pinLinesPerNode + 1)),
      end: area(0))
  }

  /// Address of a block's payload.
  public func payload(block: Int) -> Address { payloadBase + UInt64(block) * blockBytes }

  func shard(of hash: BlockHash) -> Int { Int(hash.hi % UInt64(shards)) }

  /// The index line probed for `hash` after `distance` others.
  func slot(of hash: BlockHash, distance: Int) -> Int {
    let start = Int(hash.lo % UInt64(entriesPerShard))
    return shard(of: hash) * entriesPerShard + (start + distance) % entriesPerShard
  }

  /// The line before `slot` in its shard.
  func previous(before slot: Int) -> Int {
    slot % entriesPerShard == 0 ? slot + entriesPerShard - 1 : slot - 1
  }

  /// The line after `slot` in its shard.
  func next(after slot: Int) -> Int {
    (slot + 1) % entriesPerShard == 0 ? slot + 1 - entriesPerShard : slot + 1
  }
}

/// A KV block's identity: 128 bits of the chained hash of its tokens and all before them.
public struct BlockHash: Hashable, Sendable {
  public var hi: UInt64
  public var lo: UInt64

  public init(hi: UInt64, lo: UInt64) {
    self.hi = hi
    self.lo = lo
  }

  /// One word is enough: it is a hash already.
  @inlinable public func hash(into hasher: inout Hasher) { hasher.combine(lo) }
}
