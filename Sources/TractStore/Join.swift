// Becoming a member of the pool, staying one, and leaving it.

import SharedMemory

/// What came of `Join`.
public enum JoinOutcome: Hashable, Sendable {
  case joined(Member)
  /// An earlier life of this node has neither left nor been fenced, or its number is the last one.
  case occupied(Member)
}

/// Begins a life of a node: to be run before any other operation.
///
/// An earlier life must have left or be fenced; what it left behind is cleared away by `Recover`,
/// on any node, before or after. The announcement is at the device before the managers' lines are
/// read, and a candidate writes its epoch before it reads nodes' lines: so either the node adopts
/// the epoch or the candidate waits for it.
public struct Join: Operation {
  private enum State: Hashable {
    case inspect
    case announce
    case resume
    case adopt
    case activate
    case ring
  }

  /// Looks at the earlier life before giving up; nil waits for ever.
  private let patience: Int?
  private var looks = 0
  private var state = State.inspect

  public init(patience: Int? = nil) { self.patience = patience }

  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<JoinOutcome> {
    let geometry = client.geometry
    switch state {
    case .inspect:
      client.fences = geometry.readFences(&memory)
      let status = NodeStatus(memory.readFresh(geometry.node(client.node)))
      let earlier = Member(node: client.node, incarnation: status.incarnation)
      guard status.state == .vacant || client.isDead(earlier) else {
        if let patience {
          looks += 1
          if looks > patience { return .done(.occupied(earlier)) }
        }
        return .wait(nanoseconds: client.pollNanoseconds)
      }
      let last = max(status.incarnation, client.fences[client.node].incarnation)
      // Only damage uses four thousand million lives up; `Repair` gives the node new ones.
      guard last < .max else {
        return .done(.occupied(Member(node: client.node, incarnation: last)))
      }
      client.member.incarnation = client.mutant == .reusesIncarnation ? max(last, 1) : last + 1
      if client.mutant == .joinsUnannounced { client.epoch = newestEpoch(&memory, client) }
      state = .announce
    case .announce:
      client.beat(.joining, &memory)
      memory.reach(.joinAnnounced)
      state = .resume
    case .resume:
      client.pins.begin(client.member, &memory)
      client.resumeRequests(&memory)
      state = .adopt
    case .adopt:
      client.fences = geometry.readFences(&memory)
      if client.isDead(client.member) { return .done(.occupied(client.member)) }
      if client.mutant != .joinsUnannounced { client.epoch = newestEpoch(&memory, client) }
      state = .activate
    case .activate:
      client.beat(.active, &memory)
      state = .ring
    case .ring:
      client.ring(&memory)
      memory.reach(.joined)
      return .done(.joined(client.member))
    }
    return .sync
  }

  private func newestEpoch<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: StoreClient
  ) -> UInt64 {
    client.geometry.readSeats(&memory).map(\.epoch).max() ?? 0
  }
}

/// What a member learns from `Tick`.
public struct TickReport: Hashable, Sendable {
  /// The member has been declared dead: it must stop, and may join again.
  public var isFenced: Bool
  /// Members have died whose traces nobody has cleared away: run `Recover`.
  public var needsRecovery: Bool
  /// Whether there is, or was, a lock manager at all.
  public var hasManager: Bool
}

/// A member's sign of life, at least eight times a lease: beats, adopts a new manager's epoch, and
/// learns who has died.
public struct Tick: Operation {
  private enum State: Hashable {
    case look
    case beat(TickReport)
    case adopt(UInt64, TickReport)
  }

  private var state = State.look

  public init() {}

  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<TickReport> {
    switch state {
    case .look:
      let geometry = client.geometry
      let epoch = geometry.readSeats(&memory).map(\.epoch).max() ?? 0
      client.fences = geometry.readFences(&memory)
      let recovered = geometry.readRecovered(&memory)
      let report = TickReport(
        isFenced: client.isDead(client.member),
        needsRecovery: zip(recovered, client.fences).contains { $0.isBehind($1) },
        hasManager: epoch > 0)
      if report.isFenced { return .done(report) }
      client.heap.poolIsClaimed = false
      state = .beat(report)
      guard epoch > client.epoch else { return .sync }
      if client.mutant == .acknowledgesBeforeAdopting {
        state = .adopt(epoch, report)
        let current = client.epoch
        client.epoch = epoch
        client.beat(.active, &memory)
        client.epoch = current
      } else {
        client.adopt(epoch, &memory)
      }
      return .sync
    case .adopt(let epoch, let report):
      client.adopt(epoch, &memory)
      state = .beat(report)
      return .sync
    case .beat(let report):
      client.beat(.active, &memory)
      memory.reach(.epochAcknowledged)
      return .done(report)
    }
  }
}

/// Leaves the pool: chunks and published blocks stay for others to take over.
///
/// Nothing may be under way: no lock held, nothing pinned or reserved.
public struct Leave: Operation {
  private enum State: Hashable {
    case lock
    case give(chunk: Int)
    case release
    case vacate
  }

  private var lock: LockSet
  private var state = State.lock

  public init(_ geometry: PoolGeometry) {
    lock = LockSet([geometry.chunkLock], patience: .unlimited)
  }

  @_specialize(where M == TimedMemory)
  @_specialize(where M == MappedMemory)
  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Void> {
    switch state {
    case .lock:
      precondition(client.pins.count == 0 && client.heap.takenCount == 0, "still in use")
      switch lock.acquire(&memory, &client) {
      case .done: state = .give(chunk: 0)
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
    case .give(let chunk):
      let end = giveChunks(from: chunk, &memory, client)
      memory.reach(.leaving)
      state = end == client.geometry.chunks ? .release : .give(chunk: end)
    case .release:
      lock.release(&memory, &client)
      state = .vacate
    case .vacate:
      client.beat(.vacant, &memory)
      return .done(())
    }
    return .sync
  }

  /// Orphans a batch of chunks; returns where the next one begins.
  private func giveChunks<M: SharedMemory & ~Copyable>(
    from first: Int, _ memory: inout M, _ client: StoreClient
  ) -> Int {
    let geometry = client.geometry
    let chunks = first..<min(first + ChunkEntry.batch, geometry.chunks)
    memory.invalidate(chunks.map { geometry.chunkLine($0) })
    var writes: [LineWrite] = []
    for chunk in chunks {
      let address = geometry.chunkLine(chunk)
      guard var entry = ChunkEntry(memory.loadLine(address)), entry.owner == client.member
      else { continue }
      entry.state = .orphaned
      writes.append(LineWrite(entry.line, at: address))
    }
    memory.writeLines(writes)
    return chunks.upperBound
  }
}

extension StoreClient {
  /// Writes this node's line.
  mutating func beat<M: SharedMemory & ~Copyable>(
    _ state: NodeStatus.State, _ memory: inout M
  ) {
    heartbeat += 1
    let status = NodeStatus(
      state, incarnation: member.incarnation, heartbeat: heartbeat, epoch: epoch, process: process)
    memory.writeLine(status.line, at: geometry.node(node))
  }
}
