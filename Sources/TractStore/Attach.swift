// Continuing a node's life in a pool that an earlier process of the node has used.

import SharedMemory

/// Makes a new process the node it says it is: to be run before any other operation.
///
/// It withdraws the lock requests, pins and reservations that the earlier process left, and takes
/// its chunks and published blocks over. Free lists are rebuilt from the index, which is the root
/// set, so that whatever the earlier process had allocated but not published is free again.
///
/// The earlier process, and any DMA it had started, must have ended, and its host must not hold
/// dirty lines of the pool; killing a process does not see to the latter on another host.
public struct Attach: Operation {
  public init() {}

  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Void> {
    adoptIndex(&memory, &client)
    adoptChunks(&memory, &client)
    clearPins(&memory, client)
    clearRequests(&memory, &client)
    return .done(())
  }

  /// Sequence numbers go on where they were, so that an old grant answers no new request.
  private func clearRequests<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    let geometry = client.geometry
    client.bump = memory.readFresh(geometry.doorbell(node: client.node))[0]
    for box in 0..<PoolGeometry.requestBoxes {
      let address = geometry.request(node: client.node, box: box)
      let granted = memory.readFresh(geometry.grant(node: client.node, box: box))[1]
      let request = LockRequest(memory.readFresh(address))
      let sequence = max(granted, request?.sequence ?? 0)
      client.boxSequences[box] = sequence
      guard sequence > 0, request?.isWaiting != false else { continue }
      let release = LockRequest(
        sequence: sequence, isWaiting: false, locks: request?.locks ?? [])
      memory.writeLine(release.line, at: address)
    }
    client.ring(&memory)
  }

  private func clearPins<M: SharedMemory & ~Copyable>(_ memory: inout M, _ client: StoreClient) {
    let geometry = client.geometry
    let header = geometry.pinHeader(node: client.node)
    let used = min(memory.readFresh(header)[0], UInt64(geometry.pinLinesPerNode))
    memory.writeLines(
      (0..<Int(used)).map {
        LineWrite(Line64(), at: geometry.pinLine(node: client.node, $0))
      })
    memory.writeLine(Line64(), at: header)
  }

  /// Published blocks stay; reservations, whose payload may be half written, go.
  private func adoptIndex<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    let geometry = client.geometry
    let slots = 0..<geometry.shards * geometry.entriesPerShard
    memory.invalidate(slots.map { geometry.entry($0) })
    for slot in slots {
      guard var entry = IndexEntry(memory.loadLine(geometry.entry(slot))),
        entry.node == client.node, entry.block < geometry.blocks
      else { continue }
      switch entry.state {
      case .empty, .tomb: continue
      case .reserved:
        memory.writeLine(IndexEntry.tombLine, at: geometry.entry(slot))
        continue
      case .evicting:
        // The eviction did not come to its end, so nothing has overwritten the payload.
        entry.state = .ready
        memory.writeLine(entry.line, at: geometry.entry(slot))
      case .ready: break
      }
      client.heap.restore(
        Reservation(
          hash: entry.hash, block: entry.block, generation: entry.generation, slot: slot))
    }
  }

  private func adoptChunks<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    let geometry = client.geometry
    for chunk in 0..<geometry.chunks {
      let address = geometry.chunkLine(chunk)
      guard var entry = ChunkEntry(memory.readFresh(address)), entry.owner == client.node
      else { continue }
      // Generations that the earlier process gave to blocks which are free now are not known.
      entry.generation += 1
      memory.writeLine(entry.line, at: address)
      client.heap.adopt(chunk: chunk, generation: entry.generation)
    }
  }
}
