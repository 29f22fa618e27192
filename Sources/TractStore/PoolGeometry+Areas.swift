// Whose line is whose: what checkers need to know of a pool's layout.

import SharedMemory

extension PoolGeometry {
  /// The kinds of lines, in the order in which they lie.
  package enum Area: Hashable {
    case superblock, seats, nodes, fences, recovered, doorbells, requests, grants, chunks, roots
    case entries, pins, payload
  }

  /// Somebody to whom lines belong for good.
  package enum Owner: Hashable {
    case node(Int)
    case seat(Int)
  }

  package func area(of address: Address) -> Area {
    let starts: [(Address, Area)] = [
      (payloadBase, .payload), (pinHeader(node: 0), .pins), (entry(0), .entries),
      (root(0, side: 0), .roots), (chunkLine(0), .chunks),
      (grant(seat: 0, node: 0, box: 0), .grants),
      (request(node: 0, box: 0), .requests), (doorbell(node: 0), .doorbells),
      (recovered(node: 0), .recovered), (fence(seat: 0, node: 0), .fences), (node(0), .nodes),
      (seat(0), .seats),
    ]
    return starts.first { $0.0 <= address }?.1 ?? .superblock
  }

  /// The only one who may ever write a line; nil if that depends on locks.
  package func owner(of address: Address) -> Owner? {
    func place(_ start: Address, _ each: Int) -> Int {
      Int(address.offset - start.offset) / (Int(Line64.bytes) * each)
    }
    switch area(of: address) {
    case .seats: return .seat(place(seat(0), 1))
    case .nodes: return .node(place(node(0), 1))
    case .fences: return .seat(place(fence(seat: 0, node: 0), nodes))
    case .doorbells: return .node(place(doorbell(node: 0), 1))
    case .requests: return .node(place(request(node: 0, box: 0), requestBoxes))
    case .grants: return .seat(place(grant(seat: 0, node: 0, box: 0), nodes * requestBoxes))
    case .pins: return .node(place(pinHeader(node: 0), pinLinesPerNode + 1))
    case .superblock, .recovered, .chunks, .roots, .entries, .payload: return nil
    }
  }

  /// The lock under which a line is written.
  package func lock(of address: Address) -> UInt16? {
    switch area(of: address) {
    case .recovered: recoveryLock
    case .chunks: chunkLock
    case .roots: rootLock
    case .entries: UInt16(Int((address.offset - entry(0).offset) / Line64.bytes) / entriesPerShard)
    default: nil
    }
  }

  /// Whether an index line is reserved by a node, which may then write it without a lock.
  package func isReserved(_ line: Line64, by node: Int) -> Bool {
    guard let entry = IndexEntry(line, in: self) else { return false }
    return entry.state == .reserved && entry.writer.node == node
  }

  package func isReady(_ line: Line64) -> Bool { IndexEntry(line, in: self)?.state == .ready }

  package func isRelease(_ line: Line64) -> Bool {
    LockRequest(line, in: self)?.kind == .release
  }

  /// Whether the index holds a hash READY, or about to be READY again or not.
  package func mentions(_ hash: BlockHash, in lines: UnsafeMutableBufferPointer<Line64>) -> Bool {
    (0..<entries).contains { slot in
      // Also while its line is being written.
      guard let entry = IndexEntry(unsealed: lines[entryIndex(slot)], in: self) else {
        return false
      }
      return entry.hash == hash && (entry.state == .ready || entry.state == .evicting)
    }
  }

  /// A line of the object store that checkers use as a counter under a lock.
  package func counter(_ lock: UInt16) -> Address { root(Int(lock), side: 0) }

  /// What a member owns: the published blocks in its chunks, by chunk and index line.
  package func estate(
    of member: Member, in lines: UnsafeMutableBufferPointer<Line64>
  ) -> [Int: [Int: PinnedBlock]] {
    var estate: [Int: [Int: PinnedBlock]] = [:]
    for chunk in 0..<chunks where isOwned(chunk, by: member, in: lines) { estate[chunk] = [:] }
    guard !estate.isEmpty else { return [:] }
    for slot in 0..<entries {
      guard let entry = IndexEntry(lines[entryIndex(slot)], in: self),
        entry.state == .ready || entry.state == .evicting
      else { continue }
      estate[entry.block / blocksPerChunk]?[slot] = PinnedBlock(
        hash: entry.hash, block: entry.block, generation: entry.generation, slot: slot)
    }
    return estate
  }

  /// Whether a chunk belongs to a member, or is in quarantine after it.
  package func isOwned(
    _ chunk: Int, by member: Member, in lines: UnsafeMutableBufferPointer<Line64>
  ) -> Bool {
    let line = lines[Int(chunkLine(chunk).offset / Line64.bytes)]
    guard let entry = ChunkEntry(line) else { return false }
    return entry.owner == member && (entry.state == .owned || entry.state == .quarantined)
  }

  /// Whether an index line says that a block is READY.
  package func isReady(_ block: PinnedBlock, _ line: Line64) -> Bool {
    guard let entry = IndexEntry(line, in: self), entry.state == .ready else { return false }
    return entry.hash == block.hash && entry.generation == block.generation
      && entry.block == block.block
  }

  /// Whether a hash is in more than one index line.
  package func hasDuplicates(_ lines: [Line64]) -> Bool {
    var seen: Set<BlockHash> = []
    for slot in 0..<entries {
      guard let entry = IndexEntry(lines[entryIndex(slot)], in: self), entry.state != .empty,
        entry.state != .tomb
      else { continue }
      if !seen.insert(entry.hash).inserted { return true }
    }
    return false
  }

  /// The line where the search for a hash begins.
  package func firstSlot(of hash: BlockHash) -> Int { slot(of: hash, distance: 0) }

  package func entryIndex(_ slot: Int) -> Int { Int(entry(slot).offset / Line64.bytes) }

  /// Whether nothing of the dead is left to clear away, by the device's own lines; `whole` also
  /// asks that quarantines are over.
  package func isRecovered(_ lines: UnsafeMutableBufferPointer<Line64>, whole: Bool = false) -> Bool
  {
    func line(_ address: Address) -> Line64 { lines[Int(address.offset / Line64.bytes)] }
    return (0..<nodes).allSatisfy { node in
      let fence = (0..<seats).map { Fence(line(self.fence(seat: $0, node: node))) }
        .reduce(Fence(0, .none)) { $0.merged(with: $1) }
      let done = Recovered(line(recovered(node: node)))
      return !done.isBehind(fence) && !(whole && done.hasQuarantine)
    }
  }
}
