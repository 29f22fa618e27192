// Publishing written blocks, or giving reservations up.

import SharedMemory

/// Makes reserved blocks READY, without a lock: RESERVED lines belong to this node.
///
/// DMA of the payload must have completed before the first step. With `pinning`, this node's pins are
/// at the device before the entries are READY, so the blocks cannot be evicted in between.
public struct PutEnd: Operation {
  private enum State: Hashable {
    case settle
    case pin
    case publish
  }

  private let reservations: [Reservation]
  private let pinning: Bool
  private var pinned: [PinnedBlock] = []
  private var state: State

  public init(_ reservations: [Reservation], pinning: Bool) {
    self.reservations = reservations
    self.pinning = pinning
    state = .settle
  }

  /// The pinned blocks, in order; none without `pinning`.
  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<[PinnedBlock]> {
    switch state {
    case .settle:
      state = pinning ? .pin : .publish
      guard memory.payloadNeedsSettling, client.mutant != .publishesUnsettled else {
        return step(&memory, &client)
      }
      for block in reservations {
        memory.settlePayload(
          client.geometry.payload(block: block.block), bytes: client.geometry.blockBytes)
      }
      return .sync
    case .pin:
      pinned.reserveCapacity(reservations.count)
      for block in reservations {
        // The table is as large as the pool, but a damaged index may have had more pinned: what
        // finds no room is published like the others and not handed out.
        guard client.pins.add(block: block.block, generation: block.generation) != nil else {
          continue
        }
        client.pins.prove(block: block.block, generation: block.generation)
        pinned.append(
          PinnedBlock(
            hash: block.hash, block: block.block, generation: block.generation, slot: block.slot))
      }
      client.pins.publish(&memory)
      memory.reach(.publishing)
      state = .publish
      return .sync
    case .publish:
      for block in reservations { client.heap.settle(block) }
      write(.ready, reservations, &memory, &client)
      memory.reach(.published)
      client.counters.published += reservations.count
      return .done(pinned)
    }
  }
}

/// Gives reservations up: their entries go, their blocks are free.
///
/// No DMA into the blocks may be under way. No shard lock is needed to write an own RESERVED line;
/// a tomb keeps other probes going.
public struct PutRevoke: Operation {
  private let reservations: [Reservation]

  public init(_ reservations: [Reservation]) { self.reservations = reservations }

  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Void> {
    if memory.payloadNeedsSettling {
      // Or what DMA has left in this host's cache could be written over the block's next content.
      for block in reservations {
        memory.settlePayload(
          client.geometry.payload(block: block.block), bytes: client.geometry.blockBytes)
      }
    }
    write(.tomb, reservations, &memory, &client)
    for block in reservations { client.heap.give(block.block) }
    memory.reach(.revoked)
    return .done(())
  }
}

/// Writes the lines of this node's own reservations.
private func write<M: SharedMemory & ~Copyable>(
  _ state: IndexEntry.State, _ reservations: [Reservation], _ memory: inout M,
  _ client: inout StoreClient
) {
  memory.writeLines(reservations.count) { index in
    let entry = IndexEntry(state: state, writer: client.member, reservations[index])
    return LineWrite(entry.line, at: client.geometry.entry(reservations[index].slot))
  }
}
