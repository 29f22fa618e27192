// Taking a set of locks: the node's own tier first, then the manager's grant.

import SharedMemory

/// One passage through a lock set; part of the operations that need exclusion.
struct LockSet {
  private enum State {
    case local
    case request
    case poll
    case held
  }

  let locks: [UInt16]
  /// Polls after which the request is withdrawn; nil waits for ever.
  var pollLimit: Int?
  private var state = State.local
  private var box = -1
  private var sequence: UInt64 = 0
  private var polls = 0

  /// - Precondition: 1 to `lockSetLimit` distinct locks.
  init(_ locks: [UInt16], pollLimit: Int? = nil) {
    precondition((1...PoolGeometry.lockSetLimit).contains(locks.count))
    self.locks = locks.sorted()
    self.pollLimit = pollLimit
  }

  /// Steps until granted: `.done(true)`, or `.done(false)` after a withdrawal.
  mutating func acquire<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    switch state {
    case .local:
      guard let box = client.takeLocal(locks) else {
        return .wait(nanoseconds: client.pollNanoseconds)
      }
      self.box = box
      client.boxSequences[box] += 1
      sequence = client.boxSequences[box]
      state = .request
      return step(&memory, &client)
    case .request: return step(&memory, &client)
    case .poll:
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
    case .held: return .done(true)
    }
  }

  private mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    write(isWaiting: true, &memory, &client)
    state = .poll
    return .sync
  }

  /// Gives the locks back, or withdraws the request: the sequence number tells the manager which
  /// grant it answers, so a grant that crosses a withdrawal is released with it.
  mutating func release<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) {
    write(isWaiting: false, &memory, &client)
    client.giveLocal(locks, box: box)
    state = .local
  }

  private func write<M: SharedMemory & ~Copyable>(
    isWaiting: Bool, _ memory: inout M, _ client: inout StoreClient
  ) {
    let request = LockRequest(sequence: sequence, isWaiting: isWaiting, locks: locks)
    memory.writeLine(request.line, at: client.geometry.request(node: client.node, box: box))
    client.bump += 1
    memory.writeLine(
      Line64(client.bump, 0, 0, 0, 0, 0, 0, 0).sealed(sequence: 1),
      at: client.geometry.doorbell(node: client.node))
  }
}
