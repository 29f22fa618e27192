// Taking a set of locks: the node's own tier first, then the manager's grant.

import SharedMemory

/// One passage through a lock set; part of the operations that need exclusion.
///
/// All locks of a set are granted together: with one grant for each, two nodes could each hold what
/// the other waits for.
package struct LockSet: Hashable {
  private enum State: Hashable {
    case idle
    case local(ticket: UInt64)
    case poll
    case held
  }

  package let locks: LockNumbers
  /// After how many polls the request is withdrawn.
  package enum Patience: Hashable {
    /// After those that the client allows.
    case clients
    case unlimited
    case polls(Int)
  }

  private let patience: Patience
  private var state = State.idle
  private var box = -1
  private var polls = 0

  /// - Precondition: 1 to `lockSetLimit` distinct locks.
  package init(_ locks: LockNumbers, patience: Patience = .clients) {
    precondition((1...PoolGeometry.lockSetLimit).contains(locks.count))
    self.locks = locks.ascending
    self.patience = patience
  }

  /// The locks of the shards of as many of `count` things as a set of up to `limit` covers, and how many
  /// those are.
  /// - Precondition: there is one, and they come in order of shard.
  static func covering(
    _ count: Int, limit: Int, shard: (Int) -> Int
  ) -> (lock: LockSet, count: Int) {
    var shards = LockNumbers()
    var covered = 0
    while covered < count {
      let next = UInt16(shard(covered))
      if shards.last != next {
        if shards.count == limit { break }
        shards.append(next)
      }
      covered += 1
    }
    return (LockSet(shards), covered)
  }

  /// Whether all locks are held.
  package var isHeld: Bool { if case .held = state { true } else { false } }

  /// Steps until granted: `.done(true)`, or `.done(false)` after a withdrawal.
  package mutating func acquire<M: SharedMemory & ~Copyable>(
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
    polls = 0
    client.write(.wait, box: box, &memory)
    memory.reach(.lockRequested)
    state = .poll
    return .sync
  }

  private mutating func poll<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    client.counters.lockPolls += 1
    if client.isGranted(box: box, &memory) {
      state = .held
      client.counters.locksTaken += 1
      memory.reach(.lockGranted)
      return .done(true)
    }
    let limit: Int? =
      switch patience {
      case .clients: client.lockPatience
      case .unlimited: nil
      case .polls(let polls): polls
      }
    if let limit {
      polls += 1
      if polls >= limit {
        release(&memory, &client)
        return .done(false)
      }
    }
    return .wait(nanoseconds: client.pollNanoseconds)
  }

  /// Gives the locks back, or withdraws the request: the sequence number tells the manager which
  /// grant it answers, so a grant that crosses a withdrawal is released with it.
  package mutating func release<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    memory.reach(.lockReleasing)
    let isForgotten = client.mutant == .forgetsWithdrawal && !isHeld
    if !isForgotten { client.write(.release, box: box, &memory) }
    memory.reach(.lockReleased)
    client.giveLocal(box: box)
    state = .idle
    box = -1
  }
}
