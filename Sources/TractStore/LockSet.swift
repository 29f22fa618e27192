// Taking a set of locks: the node's own tier first, then the manager's grant.

import SharedMemory

/// One passage through a lock set; part of the operations that need exclusion.
///
/// All locks of a set are granted together: with one grant for each, two nodes could each hold what
/// the other waits for.
struct LockSet {
  private enum State {
    case idle
    case local(ticket: UInt64)
    case poll
    case held
  }

  let locks: [UInt16]
  /// Polls after which the request is withdrawn; nil waits for ever.
  var pollLimit: Int?
  private var state = State.idle
  private var box = -1
  private var sequence: UInt64 = 0
  private var polls = 0

  /// - Precondition: 1 to `lockSetLimit` distinct locks.
  init(_ locks: [UInt16], pollLimit: Int? = nil) {
    precondition((1...PoolGeometry.lockSetLimit).contains(locks.count))
    self.locks = locks.sorted()
    self.pollLimit = pollLimit
  }

  /// The locks of the shards of as many of `hashes` as one set covers, and how many those are.
  /// - Precondition: `hashes` is not empty, and in order of shard.
  static func covering(
    _ hashes: some Sequence<BlockHash>, in geometry: PoolGeometry
  ) -> (lock: LockSet, count: Int) {
    var shards: [UInt16] = []
    var count = 0
    for hash in hashes {
      let shard = UInt16(geometry.shard(of: hash))
      if shards.last != shard {
        if shards.count == PoolGeometry.lockSetLimit { break }
        shards.append(shard)
      }
      count += 1
    }
    return (LockSet(shards), count)
  }

  /// Whether all locks are held.
  var isHeld: Bool { if case .held = state { true } else { false } }

  /// Steps until granted: `.done(true)`, or `.done(false)` after a withdrawal.
  mutating func acquire<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    switch state {
    case .idle:
      let ticket = client.queueLocal(locks)
      state = .local(ticket: ticket)
      return request(ticket, &memory, &client)
    case .local(let ticket):
      return request(ticket, &memory, &client)
    case .poll:
      return poll(&memory, &client)
    case .held:
      return .done(true)
    }
  }

  private mutating func request<M: SharedMemory & ~Copyable>(
    _ ticket: UInt64, _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    guard let box = client.takeLocal(ticket) else {
      return .wait(nanoseconds: client.pollNanoseconds)
    }
    self.box = box
    client.boxSequences[box] += 1
    sequence = client.boxSequences[box]
    polls = 0
    write(isWaiting: true, &memory, &client)
    state = .poll
    return .sync
  }

  private mutating func poll<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    let grant = memory.readFresh(client.geometry.grant(node: client.node, box: box))
    client.counters.lockPolls += 1
    if grant.isSealed, grant[0] == client.epoch, grant[1] == sequence {
      state = .held
      client.counters.locksTaken += 1
      return .done(true)
    }
    polls += 1
    if let pollLimit, polls >= pollLimit {
      release(&memory, &client)
      return .done(false)
    }
    return .wait(nanoseconds: client.pollNanoseconds)
  }

  /// Gives the locks back, or withdraws the request: the sequence number tells the manager which
  /// grant it answers, so a grant that crosses a withdrawal is released with it.
  mutating func release<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    write(isWaiting: false, &memory, &client)
    client.giveLocal(locks, box: box)
    state = .idle
  }

  /// The request is at the device before the doorbell rings, or the manager could look too early
  /// and not look again.
  private func write<M: SharedMemory & ~Copyable>(
    isWaiting: Bool, _ memory: inout M, _ client: inout StoreClient
  ) {
    let request = LockRequest(sequence: sequence, isWaiting: isWaiting, locks: locks)
    memory.writeLine(request.line, at: client.geometry.request(node: client.node, box: box))
    client.ring(&memory)
  }
}

extension StoreClient {
  /// Tells the lock manager that a request line of this node has changed.
  mutating func ring<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    bump += 1
    memory.writeLine(
      Line64(bump, 0, 0, 0, 0, 0, 0, 0).sealed(sequence: 1), at: geometry.doorbell(node: node))
  }
}
