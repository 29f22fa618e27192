// The two lines by which nodes and lock managers talk: request and grant.

import SharedMemory

/// A request line: which lock set a node wants or holds, or that it is done with it.
struct LockRequest: Hashable {
  enum Kind: UInt64 {
    case wait = 1
    /// Granted and accepted under an earlier manager; written when a new epoch is adopted.
    case hold = 2
    case release = 3
  }

  var kind: Kind
  /// Counts the requests in this box; a grant answers one of them.
  var sequence: UInt64
  var locks: [UInt16]

  init(_ kind: Kind, sequence: UInt64, locks: [UInt16]) {
    self.kind = kind
    self.sequence = sequence
    self.locks = locks
  }

  /// Reads a line; nil if it is torn, was never written, or asks for locks that do not exist.
  init?(_ line: Line64, in geometry: PoolGeometry, mutant: Mutant? = nil) {
    guard line[0] != 0, line.isSealed || mutant == .believesTornLines, let kind = Kind(rawValue: line[0]) else { return nil }
    self.kind = kind
    sequence = line[1]
    let count = Int(min(line[2], UInt64(PoolGeometry.lockSetLimit)))
    locks = (0..<count).map { UInt16(truncatingIfNeeded: line[3 + $0 / 4] >> (16 * ($0 % 4))) }
    guard locks.allSatisfy({ Int($0) < geometry.locks }) else { return nil }
  }

  var line: Line64 {
    var line = Line64(kind.rawValue, sequence, UInt64(locks.count), 0, 0, 0, 0, 0)
    for (index, lock) in locks.enumerated() {
      line[3 + index / 4] |= UInt64(lock) << (16 * (index % 4))
    }
    return line.sealed(sequence: 1)
  }
}

/// A grant line: a manager's answer to one request.
struct LockGrant: Hashable {
  var epoch: UInt64
  var sequence: UInt64

  init(epoch: UInt64, sequence: UInt64) {
    self.epoch = epoch
    self.sequence = sequence
  }

  /// Reads a line; nil if it is torn.
  init?(_ line: Line64) {
    guard line.isSealed else { return nil }
    epoch = line[0]
    sequence = line[1]
  }

  var line: Line64 { Line64(epoch, sequence, 0, 0, 0, 0, 0, 0).sealed(sequence: 1) }
}
