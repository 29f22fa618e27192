// What a lock manager knows: who holds which locks, who waits for which.

/// Lock sets held and wanted, and the order in which they are to be granted. Holds no memory; the
/// `LockManager` feeds it what it reads and writes what it grants.
struct LockTable: Hashable {
  struct Grant: Hashable {
    var node: Int
    var box: Int
    var sequence: UInt64
  }

  private struct Waiting: Hashable {
    var grant: Grant
    var locks: LockNumbers
  }

  private struct Box: Hashable {
    var seen: UInt64 = 0
    var granted = LockNumbers()
  }

  private let boxesPerNode: Int
  private var boxes: [Box]
  /// Holders of each lock: at most one, if everybody keeps to the protocol. Damaged request lines
  /// may all claim one lock, several times each.
  private var holders: [UInt32]
  private var queue: [Waiting] = []
  /// Locks that sets before the one looked at wait for; set only during `grant`.
  private var isWanted: [Bool]
  /// A planted mistake: who releases a lock releases it for everybody.
  var tracksOneHolder = false

  init(_ geometry: PoolGeometry) {
    boxesPerNode = geometry.requestBoxes
    boxes = Array(repeating: Box(), count: geometry.nodes * geometry.requestBoxes)
    holders = Array(repeating: 0, count: geometry.locks)
    isWanted = Array(repeating: false, count: geometry.locks)
  }

  /// Takes note of a request line.
  mutating func take(_ request: LockRequest, node: Int, box: Int) {
    let index = node * boxesPerNode + box
    // What is older than what was seen comes from a line read before it was written again.
    guard request.sequence >= boxes[index].seen else { return }
    let isNew = request.sequence > boxes[index].seen
    // A release, or a later request in the same box, ends what the box had before.
    if isNew || request.kind == .release { clear(node: node, box: box) }
    boxes[index].seen = request.sequence
    guard isNew else { return }
    switch request.kind {
    case .wait:
      let grant = Grant(node: node, box: box, sequence: request.sequence)
      queue.append(Waiting(grant: grant, locks: request.locks))
    case .hold: hold(request.locks, index)
    case .release: break
    }
  }

  private mutating func hold(_ locks: LockNumbers, _ index: Int) {
    boxes[index].granted = locks
    for lock in locks { holders[Int(lock)] += 1 }
  }

  private mutating func clear(node: Int, box: Int) {
    let index = node * boxesPerNode + box
    for lock in boxes[index].granted {
      holders[Int(lock)] = tracksOneHolder ? 0 : holders[Int(lock)] - 1
    }
    boxes[index].granted = LockNumbers()
    queue.removeAll { $0.grant.node == node && $0.grant.box == box }
  }

  /// Frees all that a dead node held and wanted.
  mutating func drop(node: Int) {
    for box in 0..<boxesPerNode { clear(node: node, box: box) }
  }

  /// Takes the sets that can be granted now off the queue, and appends them to `granted`: those
  /// whose locks are free and wanted by nobody who waits longer. A set is granted whole or not at
  /// all.
  /// - Complexity: O(waiting sets × locks in a set); allocates nothing.
  mutating func grant(into granted: inout [Grant], ignoringAllButFirst: Bool = false) {
    var kept = 0
    for index in queue.indices {
      let waiting = queue[index]
      let needed = ignoringAllButFirst ? waiting.locks.prefix(1) : waiting.locks[...]
      if needed.allSatisfy({ holders[Int($0)] == 0 && !isWanted[Int($0)] }) {
        hold(waiting.locks, waiting.grant.node * boxesPerNode + waiting.grant.box)
        granted.append(waiting.grant)
      } else {
        for lock in waiting.locks { isWanted[Int(lock)] = true }
        queue[kept] = waiting
        kept += 1
      }
    }
    queue.removeSubrange(kept...)
    for waiting in queue { for lock in waiting.locks { isWanted[Int(lock)] = false } }
  }

  /// Whether nobody holds or wants anything.
  var isIdle: Bool { queue.isEmpty && holders.allSatisfy { $0 == 0 } }
}
