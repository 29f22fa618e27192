// Looking blocks up and pinning them, without a lock.

import SharedMemory

/// What became of one hash that was to be pinned.
public enum PinOutcome: Hashable, Sendable {
  case pinned(PinnedBlock)
  /// Reserved: its payload is still being written.
  case notReady
  case absent
}

/// Finds blocks, pins the READY ones and checks that they still are.
///
/// The order matters: the pin is at the device (P1) before the entry is read again (P2). An evictor
/// marks entries EVICTING before it scans pins, so one of the two always sees the other.
public struct PinBlocks: Operation {
  private enum State: Hashable {
    case begin
    case probe
    case publish
    case validate
  }

  private let hashes: [BlockHash]
  private let stopsAtMiss: Bool
  private var state = State.begin
  /// The hashes that are looked for together.
  private var batch = 0..<0
  private var probe = Probe()
  private var outcomes: [PinOutcome] = []
  /// Outcomes whose pin is new and not validated yet.
  private var unproven: [Int] = []

  /// Hashes probed together: few at first, as many prefixes are short, then ever more.
  private var batchSize = 32
  private static var largestBatch: Int { 512 }

  /// - Parameter stopsAtMiss: whether the first hash that is not READY ends the operation, as for
  ///   a prefix; outcomes then end before it.
  public init(_ hashes: [BlockHash], stopsAtMiss: Bool) {
    self.hashes = hashes
    self.stopsAtMiss = stopsAtMiss
  }

  /// Outcomes in the order of the hashes.
  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<[PinOutcome]> {
    switch state {
    case .begin:
      guard batch.upperBound < hashes.count else { return finishProbing(&client) }
      batch = batch.upperBound..<min(batch.upperBound + batchSize, hashes.count)
      batchSize = min(2 * batchSize, Self.largestBatch)
      let start = batch.lowerBound
      probe.begin(batch.count, in: client.geometry, stopsAtMiss: stopsAtMiss) {
        hashes[start + $0]
      }
      state = .probe
      return step(&memory, &client)
    case .probe:
      guard case .done = probe.step(&memory, &client) else { return .sync }
      let missed = take(&client)
      probe.end()
      state = .begin
      return missed || batch.upperBound == hashes.count ? finishProbing(&client) : .sync
    case .publish:
      if client.mutant == .validatesBeforePinning { validateAll(&memory, &client) }
      client.pins.publish(&memory)
      memory.reach(.pinPublished)
      state = .validate
      return .sync
    case .validate:
      validateAll(&memory, &client)
      memory.reach(.pinProven)
      let result = finished(&client)
      client.pins.publish(&memory)
      return .done(result)
    }
  }

  private mutating func validateAll<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    memory.invalidate(unproven.count) { client.geometry.entry(slot(of: unproven[$0])) }
    for index in unproven { validate(index, &memory, &client) }
    unproven.removeAll(keepingCapacity: true)
  }

  private func slot(of index: Int) -> Int {
    guard case .pinned(let block) = outcomes[index] else { preconditionFailure() }
    return block.slot
  }

  /// Pins what a batch found; true if a prefix ends here.
  private mutating func take(_ client: inout StoreClient) -> Bool {
    outcomes.reserveCapacity(outcomes.count + probe.findings.count)
    for index in probe.findings.indices {
      let finding = probe.findings[index]
      guard case .entry(let entry, let slot) = finding, entry.state == .ready else {
        if stopsAtMiss { return true }
        if case .entry(let entry, _) = finding, entry.state == .reserved {
          outcomes.append(.notReady)
        } else {
          outcomes.append(.absent)
        }
        continue
      }
      guard let first = client.pins.add(block: entry.block, generation: entry.generation) else {
        if stopsAtMiss { return true }
        outcomes.append(.notReady)
        continue
      }
      if first {
        if unproven.isEmpty { unproven.reserveCapacity(probe.findings.count) }
        unproven.append(outcomes.count)
      }
      outcomes.append(
        .pinned(
          PinnedBlock(
            hash: entry.hash, block: entry.block, generation: entry.generation, slot: slot)))
    }
    return false
  }

  private mutating func finishProbing(_ client: inout StoreClient) -> Step<[PinOutcome]> {
    if unproven.isEmpty { return .done(finished(&client)) }
    state = .publish
    return .sync
  }

  private mutating func validate<M: SharedMemory & ~Copyable>(
    _ index: Int, _ memory: inout M, _ client: inout StoreClient
  ) {
    guard case .pinned(let block) = outcomes[index] else { return }
    let line = memory.loadLine(client.geometry.entry(block.slot))
    if isStill(block, IndexEntry(line, in: client.geometry.names), client.mutant) {
      client.pins.prove(block: block.block, generation: block.generation)
      return
    }
    client.pins.remove(block: block.block, generation: block.generation)
    outcomes[index] = .absent
  }

  private func isStill(_ block: PinnedBlock, _ entry: IndexEntry?, _ mutant: Mutant?) -> Bool {
    if mutant == .skipsValidation { return true }
    guard let entry, entry.state == .ready, entry.hash == block.hash else { return false }
    if mutant == .validatesWithoutGeneration { return true }
    return entry.generation == block.generation && entry.block == block.block
  }

  /// Cuts a prefix at its first block that was lost meanwhile, and counts.
  private mutating func finished(_ client: inout StoreClient) -> [PinOutcome] {
    if stopsAtMiss, let cut = outcomes.firstIndex(of: .absent) {
      for case .pinned(let block) in outcomes[cut...] {
        client.pins.remove(block: block.block, generation: block.generation)
      }
      outcomes.removeSubrange(cut...)
    }
    client.counters.lookups += 1
    for case .pinned(let block) in outcomes {
      client.counters.blocksHit += 1
      client.heap.touch(block.block)
    }
    return outcomes
  }
}

/// Gives pins back.
public struct Unpin: Operation {
  public let blocks: [PinnedBlock]

  public init(_ blocks: [PinnedBlock]) { self.blocks = blocks }

  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Void> {
    for block in blocks {
      client.pins.remove(block: block.block, generation: block.generation)
    }
    client.pins.publish(&memory)
    memory.reach(.unpinned)
    return .done(())
  }
}

/// Counts how many blocks of a prefix are READY; writes nothing, and promises nothing.
public struct LookUp: Operation {
  private let hashes: [BlockHash]
  private var probe = Probe()
  private var isProbing = false

  public init(_ hashes: [BlockHash]) { self.hashes = hashes }

  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Int> {
    guard !hashes.isEmpty else { return .done(0) }
    if !isProbing {
      probe.begin(hashes.count, in: client.geometry, stopsAtMiss: true) { hashes[$0] }
      isProbing = true
    }
    guard case .done = probe.step(&memory, &client) else { return .sync }
    let miss = probe.findings.firstIndex { finding in
      if case .entry(let entry, _) = finding { entry.state != .ready } else { true }
    }
    client.counters.lookups += 1
    return .done(miss ?? hashes.count)
  }
}
