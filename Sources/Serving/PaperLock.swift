// A comparison model, not production code: the lock as TraCT's paper describes it.

import SharedMemory

/// Global locks with one slot line for each node, and a manager that scans every slot of every
/// allocated lock (arXiv 2512.18194, section on two-tier locking).
///
/// A node writes *waiting* into its slot and polls it until the manager has made it *locked*; it
/// writes *idle* to release. The model flatters the paper: a scan's reads are pipelined from lock to
/// lock, the latency is paid once a scan and after each grant, waiters are served in turn, and a
/// scan that has granted something is followed by the next one at once.
struct PaperLock {
  enum Slot: UInt64 {
    case idle = 0
    case waiting = 1
    case locked = 2
  }

  let nodes: Int
  let locks: Int
  let pollNanoseconds: UInt64
  /// The lock that the manager's scan comes to next.
  private var cursor = 0
  /// Whether the reads of the next lock are in flight already.
  private var isPipelined = false
  private var hasGranted = false
  /// The node that got each lock last.
  private var last: [Int]

  init(nodes: Int, locks: Int, pollNanoseconds: UInt64) {
    self.nodes = nodes
    self.locks = locks
    self.pollNanoseconds = pollNanoseconds
    last = Array(repeating: nodes - 1, count: locks)
  }

  /// Bytes of all slots.
  var bytes: Int { nodes * locks * Int(Line64.bytes) }

  private func slot(_ lock: Int, _ node: Int) -> Address {
    Address(UInt64(lock * nodes + node) * Line64.bytes)
  }

  // MARK: A node

  func set(_ state: Slot, lock: Int, node: Int, _ memory: inout ProbeMemory) {
    memory.writeLine(Line64(state.rawValue, 0, 0, 0, 0, 0, 0, 0), at: slot(lock, node))
  }

  func isGranted(lock: Int, node: Int, _ memory: inout ProbeMemory) -> Bool {
    memory.readFresh(slot(lock, node))[0] == Slot.locked.rawValue
  }

  // MARK: The manager

  /// Looks at one lock's slots and grants it if it can; returns the pause after it, nanoseconds.
  mutating func stepManager(_ memory: inout ProbeMemory) -> UInt64 {
    let lock = cursor
    memory.invalidate((0..<nodes).map { slot(lock, $0) })
    let states = (0..<nodes).map { memory.load(slot(lock, $0)) }
    // The first of these reads was issued before the scan came here.
    if isPipelined { memory.refundLatency() }
    isPipelined = true
    if !states.contains(Slot.locked.rawValue),
      let next = (1...nodes).map({ (last[lock] + $0) % nodes }).first(where: {
        states[$0] == Slot.waiting.rawValue
      })
    {
      last[lock] = next
      set(.locked, lock: lock, node: next, &memory)
      hasGranted = true
      isPipelined = false
    }
    cursor = (cursor + 1) % locks
    guard cursor == 0 else { return 0 }
    defer { hasGranted = false }
    isPipelined = isPipelined && hasGranted
    return hasGranted ? 0 : pollNanoseconds
  }
}
