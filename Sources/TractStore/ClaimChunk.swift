// Taking a free chunk of the pool for this node's heap.

import SharedMemory

/// Claims one chunk under the chunk table's lock; false if none is free.
struct ClaimChunk: Operation {
  private enum State {
    case lock
    case scan(offset: Int)
    case release(found: Bool)
  }

  private enum ChunkState: UInt64 {
    case free = 0
    case owned = 1
  }

  private var lock: LockSet
  private var state = State.lock

  private static var batch: Int { 32 }

  init(_ geometry: PoolGeometry) { lock = LockSet([geometry.chunkLock]) }

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
      let geometry = client.geometry
      let chunks = (offset..<min(offset + Self.batch, geometry.chunks)).map {
        ($0 + client.heap.chunkHint) % geometry.chunks
      }
      memory.invalidate(chunks.map { geometry.chunkLine($0) })
      for chunk in chunks {
        let line = memory.loadLine(geometry.chunkLine(chunk))
        guard line.isSealed, line[0] == ChunkState.free.rawValue else { continue }
        let generation = UInt32(truncatingIfNeeded: line[2]) + 1
        memory.writeLine(
          Line64(
            ChunkState.owned.rawValue, UInt64(client.node), UInt64(generation), 0, 0, 0, 0, 0
          ).sealed(sequence: 1),
          at: geometry.chunkLine(chunk))
        client.heap.adopt(chunk: chunk, generation: generation)
        client.heap.chunkHint = chunk + 1
        state = .release(found: true)
        return .sync
      }
      let end = offset + chunks.count
      state = end == geometry.chunks ? .release(found: false) : .scan(offset: end)
      return .sync
    case .release(let found):
      lock.release(&memory, &client)
      return .done(found)
    }
  }
}
