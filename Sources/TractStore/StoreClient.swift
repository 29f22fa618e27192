// What one node keeps in its own DRAM: locks held, pins counted, blocks owned.

import SharedMemory

/// Counts of what a node did with the pool.
public struct StoreCounters: Hashable, Sendable {
  public var locksTaken = 0
  public var lockPolls = 0
  public var lookups = 0
  public var blocksHit = 0
  public var published = 0
  public var evicted = 0
  /// Blocks asked for that neither the heap, a free chunk nor eviction could supply.
  public var allocationFailures = 0

  public init() {}
}

/// One node's private state; everything here is derived or can be lost with the node.
///
/// It takes part in the pool once `Join` has been run, and as long as `Tick` is run at least eight
/// times a lease. One thread at a time may step operations on it.
public struct StoreClient: Hashable {
  public let geometry: PoolGeometry
  public let node: Int
  /// Pause between two polls of a line.
  public let pollNanoseconds: UInt64
  /// Chunks this node may own: what others need as well cannot be had back.
  public let chunkQuota: Int
  /// Polls for a lock after which puts, claims and evictions give up; nil never. A lease's worth and
  /// more, or a death elsewhere is felt as failure rather than as delay.
  public var lockPatience: Int?
  /// Shards that a put or an eviction locks together at most, 1 to `PoolGeometry.lockSetLimit`: all of a
  /// pool at once save passages, fewer keep others out of less.
  public var shardsPerSet = PoolGeometry.lockSetLimit
  public internal(set) var counters = StoreCounters()

  // Membership
  let process: ProcessIdentity
  /// This life; incarnation 0 before the node has joined.
  public internal(set) var member: Member
  /// The manager whose grants count.
  public internal(set) var epoch: UInt64 = 0
  var heartbeat: UInt64 = 0
  /// What is known of the deaths at each node.
  var fences: [Fence]

  // Locks: the node-local tier, and the request boxes of the global one.
  private var locked: [Bool]
  private var queue: [Ticket] = []
  private var tickets: UInt64 = 0
  private var boxes: [Box]
  private var doorbell = Doorbell(incarnation: 0)

  var pins: PinTable
  var heap: BlockHeap
  /// A planted mistake; only checkers set one.
  package var mutant: Mutant?

  private struct Ticket: Hashable {
    var number: UInt64
    var locks: LockNumbers
  }

  /// A request line as this node has written it last.
  private struct Box: Hashable {
    var sequence: UInt64 = 0
    var locks = LockNumbers()
    /// Nil while the box is free.
    var kind: LockRequest.Kind?
  }

  public init(
    _ geometry: PoolGeometry, node: Int, pollNanoseconds: UInt64, chunkQuota: Int = .max,
    process: ProcessIdentity = ProcessIdentity()
  ) {
    precondition((0..<geometry.nodes).contains(node))
    self.chunkQuota = chunkQuota
    self.geometry = geometry
    self.node = node
    self.pollNanoseconds = pollNanoseconds
    self.process = process
    member = Member(node: node, incarnation: 0)
    fences = Array(repeating: Fence(0, .none), count: geometry.nodes)
    locked = Array(repeating: false, count: geometry.locks)
    boxes = Array(repeating: Box(), count: geometry.requestBoxes)
    pins = PinTable(geometry, node: node)
    heap = BlockHeap(geometry)
  }

  /// Blocks this node has pinned.
  public var pinnedBlocks: Int { pins.count }
  /// Blocks this node owns that hold published KV.
  public var residentBlocks: Int { heap.residentCount }
  /// Blocks of adopted chunks that are not in the index, but were pinned when the chunk was adopted.
  public var withheldBlocks: Int { heap.withheldCount }
  /// Blocks this node owns that hold nothing.
  public var freeBlocks: Int { heap.freeCount }
  /// Blocks this node owns that are neither free nor published: reserved, or leaked if no operation
  /// and no reservation is under way.
  public var reservedBlocks: Int { heap.takenCount }

  /// Forgets the counts, so that clients in the same state compare equal.
  public mutating func resetCounters() { counters = StoreCounters() }

  /// Whether a member is known to have been stopped.
  ///
  /// A damaged chunk line may name a node that cannot be: it is left to `Repair`.
  func isDead(_ member: Member) -> Bool {
    fences.indices.contains(member.node) && fences[member.node].covers(member)
  }

  /// Whether this node holds any lock.
  package var holdsLocks: Bool { boxes.contains { $0.kind == .hold } }

  /// Which locks this node holds, by number.
  package var heldLocks: [Bool] {
    var held = Array(repeating: false, count: geometry.locks)
    for box in boxes where box.kind == .hold { for lock in box.locks { held[Int(lock)] = true } }
    return held
  }

  // MARK: The node's own tier of locks

  /// Queues for `locks` within this node; `takeLocal` answers to the ticket.
  mutating func queueLocal(_ locks: LockNumbers) -> UInt64 {
    // Numbers start again when nobody is waiting.
    tickets = queue.isEmpty ? 1 : tickets + 1
    queue.append(Ticket(number: tickets, locks: locks))
    return tickets
  }

  /// Takes all the ticket's locks within this node and a request box; nil, and nothing, while one
  /// of them is taken or wanted by an earlier ticket. First come, first served.
  /// - Complexity: O(queued requests × locks in a set).
  mutating func takeLocal(_ ticket: UInt64) -> Int? {
    // A box in whose damaged lines the last sequence number stands has no next request.
    guard let box = boxes.firstIndex(where: { $0.kind == nil && $0.sequence < .max }),
      let place = queue.firstIndex(where: { $0.number == ticket })
    else { return nil }
    let locks = queue[place].locks
    let isFree = locks.allSatisfy { lock in
      !locked[Int(lock)] && !queue[..<place].contains { $0.locks.contains(lock) }
    }
    guard isFree else { return nil }
    queue.remove(at: place)
    for lock in locks { locked[Int(lock)] = true }
    boxes[box].locks = locks
    return box
  }

  mutating func giveLocal(box: Int) {
    for lock in boxes[box].locks { locked[Int(lock)] = false }
    boxes[box].locks = LockNumbers()
    boxes[box].kind = nil
  }

  // MARK: The global tier

  /// Writes a request line and rings. The request is at the device before the doorbell rings, or
  /// the manager could look too early and not look again.
  mutating func write<M: SharedMemory & ~Copyable>(
    _ kind: LockRequest.Kind, box: Int, _ memory: inout M
  ) {
    if kind == .wait { boxes[box].sequence += 1 }
    boxes[box].kind = kind
    if mutant == .ringsBeforeRequest { ring(box: box, &memory) }
    memory.writeLine(request(box).line, at: geometry.request(node: node, box: box))
    if mutant != .ringsBeforeRequest { ring(box: box, &memory) }
  }

  private func request(_ box: Int) -> LockRequest {
    LockRequest(
      boxes[box].kind ?? .release, sequence: boxes[box].sequence, locks: boxes[box].locks)
  }

  /// Polls the grant line; accepts what the current epoch's manager has granted.
  mutating func isGranted<M: SharedMemory & ~Copyable>(box: Int, _ memory: inout M) -> Bool {
    let seat = Int(epoch % UInt64(geometry.seats))
    let seats = mutant == .acceptsAnyEpoch ? 0..<geometry.seats : seat..<seat + 1
    for seat in seats {
      let line = memory.readFresh(geometry.grant(seat: seat, node: node, box: box))
      guard let grant = LockGrant(line), epoch > 0 else { continue }
      guard grant.epoch == epoch || mutant == .acceptsAnyEpoch else { continue }
      guard
        grant.sequence == boxes[box].sequence
          || mutant == .acceptsAnySequence && grant.sequence > 0
      else { continue }
      boxes[box].kind = .hold
      return true
    }
    return false
  }

  /// Tells the lock manager that a request line of this node has changed, or that a new life begins.
  mutating func ring<M: SharedMemory & ~Copyable>(box: Int? = nil, _ memory: inout M) {
    memory.writeLine(doorbell.ring(box: box), at: geometry.doorbell(node: node))
  }

  /// Turns to the manager of a later epoch: tells it what is held and what is waited for. From here
  /// on no grant of an earlier epoch is accepted; the acknowledgement comes after.
  mutating func adopt<M: SharedMemory & ~Copyable>(_ epoch: UInt64, _ memory: inout M) {
    self.epoch = epoch
    let used = boxes.indices.filter { boxes[$0].kind != nil }
    memory.writeLines(
      used.map { box in
        var request = request(box)
        if mutant == .acknowledgesHeldAsIdle, request.kind == .hold { request.kind = .release }
        return LineWrite(request.line, at: geometry.request(node: node, box: box))
      })
    memory.reach(.epochAdopted)
  }

  /// Begins this life's requests where an earlier life's ended, so that no old grant answers a new
  /// request; and withdraws what that one wanted.
  mutating func resumeRequests<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    let indices = boxes.indices
    let requests = indices.map { geometry.request(node: node, box: $0) }
    let grants = (0..<geometry.seats).flatMap { seat in
      indices.map { geometry.grant(seat: seat, node: node, box: $0) }
    }
    memory.invalidate(requests + grants)
    doorbell = Doorbell(incarnation: member.incarnation)
    // Words are never torn, so a line that is still tells a number that is high enough.
    for box in indices { boxes[box].sequence = memory.loadLine(requests[box])[1] }
    for (index, grant) in grants.enumerated() {
      let box = index % boxes.count
      boxes[box].sequence = max(boxes[box].sequence, memory.loadLine(grant)[1])
    }
    // A first request may have died so early that its line has no number yet.
    let used = indices.filter {
      memory.loadLine(requests[$0]) != Line64() || boxes[$0].sequence > 0
    }
    memory.writeLines(used.map { LineWrite(request($0).line, at: requests[$0]) })
  }
}
