// The lock manager: scans request lines, grants lock sets, never holds a lock.

import SharedMemory

/// Grants lock sets in order of arrival; a step machine that one node runs.
///
/// It reads only the nodes' doorbell lines until one has changed. Request and grant lines have
/// single writers and are joined by sequence numbers, so a stale read of a request only delays.
public struct LockManager {
  private struct Waiting {
    var node: Int
    var box: Int
    var sequence: UInt64
    var locks: [UInt16]
  }

  private struct Box {
    var seen: UInt64 = 0
    var granted: [UInt16] = []
  }

  private enum State {
    case inherit
    case scan
    case read(nodes: [Int])
    case grant
  }

  let geometry: PoolGeometry
  let epoch: UInt64 = 1
  /// Interval between two scans that find nothing.
  let pollNanoseconds: UInt64
  private var state = State.inherit
  private var bumps: [UInt64]
  private var boxes: [Box]
  private var held: [Bool]
  private var queue: [Waiting] = []
  private var token: UInt64 = 0
  /// Lock sets granted so far.
  public private(set) var grants = 0

  public init(_ geometry: PoolGeometry, pollNanoseconds: UInt64) {
    self.geometry = geometry
    self.pollNanoseconds = pollNanoseconds
    bumps = Array(repeating: 0, count: geometry.nodes)
    boxes = Array(repeating: Box(), count: geometry.nodes * PoolGeometry.requestBoxes)
    held = Array(repeating: false, count: geometry.locks)
  }

  /// One step; `.wait` means that the scan found nothing new.
  public mutating func step<M: SharedMemory & ~Copyable>(_ memory: inout M) -> Step<Never> {
    switch state {
    case .inherit:
      for node in 0..<geometry.nodes { inherit(node, &memory) }
      state = .scan
      return .sync
    case .scan:
      let changed = scan(&memory)
      if changed.isEmpty { return .wait(nanoseconds: pollNanoseconds) }
      state = .read(nodes: changed)
      return .sync
    case .read(let nodes):
      read(nodes, &memory)
      state = .grant
      return .sync
    case .grant:
      grant(&memory)
      state = .scan
      return .sync
    }
  }

  /// Takes over what an earlier manager of this pool has granted and nobody has released.
  private mutating func inherit<M: SharedMemory & ~Copyable>(_ node: Int, _ memory: inout M) {
    let boxes = 0..<PoolGeometry.requestBoxes
    memory.invalidate(boxes.map { geometry.grant(node: node, box: $0) })
    let grants = boxes.map { memory.loadLine(geometry.grant(node: node, box: $0)) }
    memory.invalidate(boxes.map { geometry.request(node: node, box: $0) })
    for box in boxes where grants[box].isSealed && grants[box] != Line64() {
      token = max(token, grants[box][2])
      guard let request = LockRequest(memory.loadLine(geometry.request(node: node, box: box))),
        request.isWaiting, request.sequence == grants[box][1]
      else { continue }
      let index = node * PoolGeometry.requestBoxes + box
      self.boxes[index].seen = request.sequence
      self.boxes[index].granted = request.locks
      for lock in request.locks { held[Int(lock)] = true }
    }
  }

  private mutating func scan<M: SharedMemory & ~Copyable>(_ memory: inout M) -> [Int] {
    memory.invalidate((0..<geometry.nodes).map { geometry.doorbell(node: $0) })
    var changed: [Int] = []
    for node in 0..<geometry.nodes {
      let line = memory.loadLine(geometry.doorbell(node: node))
      guard line.isSealed, line[0] != bumps[node] else { continue }
      bumps[node] = line[0]
      changed.append(node)
    }
    return changed
  }

  private mutating func read<M: SharedMemory & ~Copyable>(_ nodes: [Int], _ memory: inout M) {
    for node in nodes {
      memory.invalidate(
        (0..<PoolGeometry.requestBoxes).map { geometry.request(node: node, box: $0) })
      for box in 0..<PoolGeometry.requestBoxes {
        let request = LockRequest(
          memory.loadLine(geometry.request(node: node, box: box)))
        guard let request else { continue }
        take(request, node: node, box: box)
      }
    }
  }

  private mutating func take(_ request: LockRequest, node: Int, box: Int) {
    let index = node * PoolGeometry.requestBoxes + box
    if request.sequence > boxes[index].seen || !request.isWaiting {
      // A release, or a later request in the same box, ends what the box had before.
      guard request.sequence >= boxes[index].seen else { return }
      for lock in boxes[index].granted { held[Int(lock)] = false }
      boxes[index].granted = []
      queue.removeAll { $0.node == node && $0.box == box }
    }
    guard request.isWaiting, request.sequence > boxes[index].seen else { return }
    boxes[index].seen = request.sequence
    queue.append(
      Waiting(node: node, box: box, sequence: request.sequence, locks: request.locks))
  }

  /// Grants every waiting set whose locks are free and wanted by nobody who waits longer.
  private mutating func grant<M: SharedMemory & ~Copyable>(_ memory: inout M) {
    var wanted = held
    var writes: [LineWrite] = []
    var kept: [Waiting] = []
    for request in queue {
      let free = request.locks.allSatisfy { !wanted[Int($0)] }
      for lock in request.locks { wanted[Int(lock)] = true }
      guard free else {
        kept.append(request)
        continue
      }
      for lock in request.locks { held[Int(lock)] = true }
      boxes[request.node * PoolGeometry.requestBoxes + request.box].granted = request.locks
      token += 1
      grants += 1
      let address = geometry.grant(node: request.node, box: request.box)
      let grant = Line64(epoch, request.sequence, token, 0, 0, 0, 0, 0).sealed(sequence: 1)
      writes.append(LineWrite(grant, at: address))
    }
    queue = kept
    memory.writeLines(writes)
  }
}

/// A request line: which lock set a node wants, or that it is done with it.
struct LockRequest {
  var sequence: UInt64
  var isWaiting: Bool
  var locks: [UInt16]

  init(sequence: UInt64, isWaiting: Bool, locks: [UInt16]) {
    self.sequence = sequence
    self.isWaiting = isWaiting
    self.locks = locks
  }

  /// Reads a line; nil if it is torn or was never written.
  init?(_ line: Line64) {
    guard line[0] != 0, line.isSealed else { return nil }
    isWaiting = line[0] == 1
    sequence = line[1]
    let count = Int(min(line[2], UInt64(PoolGeometry.lockSetLimit)))
    locks = (0..<count).map { UInt16(truncatingIfNeeded: line[3 + $0 / 4] >> (16 * ($0 % 4))) }
  }

  var line: Line64 {
    var line = Line64(isWaiting ? 1 : 2, sequence, UInt64(locks.count), 0, 0, 0, 0, 0)
    for (index, lock) in locks.enumerated() {
      line[3 + index / 4] |= UInt64(lock) << (16 * (index % 4))
    }
    return line.sealed(sequence: 1)
  }
}
