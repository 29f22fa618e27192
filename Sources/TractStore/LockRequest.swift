// The lines by which nodes and lock managers talk: request, doorbell and grant.

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
  var locks: LockNumbers

  init(_ kind: Kind, sequence: UInt64, locks: LockNumbers) {
    self.kind = kind
    self.sequence = sequence
    self.locks = locks
  }

  /// Reads a line; nil if it is torn, was never written, or asks for locks that do not exist.
  init?(_ line: Line64, in geometry: PoolGeometry, mutant: Mutant? = nil) {
    guard line[0] != 0, line.isSealed || mutant == .believesTornLines,
      let kind = Kind(rawValue: line[0])
    else { return nil }
    self.kind = kind
    sequence = line[1]
    locks = LockNumbers(line, count: Int(truncatingIfNeeded: line[2] & 0xFF))
    guard locks.allSatisfy({ Int($0) < geometry.locks }) else { return nil }
  }

  var line: Line64 {
    let words = locks.words
    return Line64(
      kind.rawValue, sequence, UInt64(locks.count), words.0, words.1, words.2, words.3, 0
    ).sealed(sequence: 1)
  }
}

/// A doorbell line: which request lines of a node have changed since a manager looked last.
///
/// It carries a count of all changes and, in 8 bits each, counts of the changes of every box. The
/// small counts tell which boxes to read as long as fewer than 256 changes were missed; after more,
/// or when another life rings, all are read.
struct Doorbell: Hashable {
  private var line = Line64()

  /// Boxes that a line has counts for.
  static var boxLimit: Int { 8 * (Line64.contentWords - 1) }

  /// Nothing has changed yet in this life of a node.
  init(incarnation: UInt32) { line.word7 = UInt64(incarnation) << 32 }

  /// Reads a line; nil if it is torn.
  init?(_ line: Line64) {
    guard line.isSealed else { return nil }
    self.line = line
  }

  /// Whether a line, which need not be whole, says what this doorbell said when it was read.
  func isSame(as line: Line64) -> Bool { self.line == line }

  /// The life that rings, even in a torn line.
  static func incarnation(of line: Line64) -> UInt32 { line.sequence }

  /// All boxes, one bit each.
  static func all(boxes: Int) -> UInt64 { .max >> UInt64(64 - boxes) }

  /// Counts a change of a box, or one that concerns no box.
  mutating func ring(box: Int?) -> Line64 {
    line[0] &+= 1
    if let box {
      let word = 1 + box / 8
      let shift = UInt64(box % 8 * 8)
      let count = line[word] >> shift & 0xFF
      line[word] ^= (count ^ (count + 1) & 0xFF) << shift
    }
    line = line.sealed(sequence: line.sequence)
    return line
  }

  /// The boxes to read, one bit each, for one who saw the doorbell as `earlier` before.
  func changes(since earlier: Doorbell, boxes: Int) -> UInt64 {
    let all = Self.all(boxes: boxes)
    let isCountable = line.sequence == earlier.line.sequence && line[0] &- earlier.line[0] < 256
    guard isCountable else { return all }
    var changed: UInt64 = 0
    for word in 1..<Line64.contentWords where line[word] != earlier.line[word] {
      let difference = line[word] ^ earlier.line[word]
      for byte in 0..<8 where difference >> UInt64(8 * byte) & 0xFF != 0 {
        changed |= 1 << UInt64(8 * (word - 1) + byte)
      }
    }
    return changed & all
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
