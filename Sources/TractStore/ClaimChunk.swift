// Taking free chunks of the pool for this node's heap.

import SharedMemory

/// A chunk's line in the chunk table: whether it has an owner.
struct ChunkEntry: Hashable {
  /// The owning node; nil if the chunk is free.
  var owner: Int?
  /// Rises whenever the chunk changes hands, and its blocks' generations with it.
  var generation: UInt32

  init(owner: Int?, generation: UInt32) {
    self.owner = owner
    self.generation = generation
  }

  /// Reads a line; nil if it is torn.
  init?(_ line: Line64) {
    guard line.isSealed else { return nil }
    owner = line[0] == 0 ? nil : Int(truncatingIfNeeded: line[1])
    generation = UInt32(truncatingIfNeeded: line[2])
  }

  var line: Line64 {
    Line64(owner == nil ? 0 : 1, UInt64(owner ?? 0), UInt64(generation), 0, 0, 0, 0, 0).sealed(
      sequence: 1)
  }
}

/// Claims chunks under the chunk table's lock; false if fewer were free than asked for.
struct ClaimChunk: Operation {
  private enum State {
    case lock
    case scan(offset: Int)
    case release(found: Bool)
  }

  private var lock: LockSet
  private var state = State.lock
  private var wanted: Int
  private var lastClaimed = -1

  private static var batch: Int { 64 }

  /// As many chunks as hold `blocks`, from one to `limit`.
  init(_ geometry: PoolGeometry, blocks: Int, limit: Int = .max) {
    lock = LockSet([geometry.chunkLock])
    wanted = max(1, (blocks + geometry.blocksPerChunk - 1) / geometry.blocksPerChunk)
    wanted = min(wanted, limit)
  }

  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    switch state {
    case .lock:
      switch lock.acquire(&memory, &client) {
      case .done: state = .scan(offset: 0)
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .scan(let offset):
      claim(from: offset, &memory, &client)
      let end = min(offset + Self.batch, client.geometry.chunks)
      if wanted == 0 {
        state = .release(found: true)
      } else if end == client.geometry.chunks {
        client.heap.poolIsClaimed = true
        state = .release(found: false)
      } else {
        state = .scan(offset: end)
      }
      return .sync
    case .release(let found):
      // The next search begins where this node's chunks end, mostly.
      client.heap.chunkHint = lastClaimed + 1
      lock.release(&memory, &client)
      return .done(found)
    }
  }

  /// Claims what is free among the batch of chunks at `offset` past the hint.
  private mutating func claim<M: SharedMemory & ~Copyable>(
    from offset: Int, _ memory: inout M, _ client: inout StoreClient
  ) {
    let geometry = client.geometry
    let hint = client.heap.chunkHint
    let chunks = (offset..<min(offset + Self.batch, geometry.chunks)).map {
      ($0 + hint) % geometry.chunks
    }
    memory.invalidate(chunks.map { geometry.chunkLine($0) })
    var writes: [LineWrite] = []
    for chunk in chunks where wanted > 0 {
      let address = geometry.chunkLine(chunk)
      guard let entry = ChunkEntry(memory.loadLine(address)), entry.owner == nil else { continue }
      let claimed = ChunkEntry(owner: client.node, generation: entry.generation + 1)
      writes.append(LineWrite(claimed.line, at: address))
      client.heap.adopt(chunk: chunk, generation: claimed.generation)
      wanted -= 1
      lastClaimed = chunk
    }
    memory.writeLines(writes)
  }
}
