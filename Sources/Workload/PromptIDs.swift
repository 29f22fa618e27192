// Identities of a prompt's blocks: listed, or by rule, which takes no memory of its own.

/// Ids of a prompt's blocks in their order.
public struct PromptIDs: RandomAccessCollection, Sendable {
  /// As a trace has them; empty where the rule holds.
  private let listed: [UInt64]
  /// The rule: block `i` is `shared | i` below `sharedCount`, and `unique | i` from there on.
  private let shared, unique: UInt64
  private let sharedCount, ruled: Int32

  public init(_ ids: [UInt64]) {
    listed = ids
    (shared, unique, sharedCount, ruled) = (0, 0, 0, 0)
  }

  /// `count` blocks of request number `request`, the first `sharedCount` of them those of a group.
  /// - Precondition: all numbers are below 2³¹.
  init(request: Int, count: Int, group: Int = 0, sharedCount: Int = 0) {
    listed = []
    shared = UInt64(group) << 32
    unique = UInt64(request) << 32 | 1 << 63
    self.sharedCount = Int32(sharedCount)
    ruled = Int32(count)
  }

  public var startIndex: Int { 0 }
  public var endIndex: Int { ruled > 0 ? Int(ruled) : listed.count }

  public subscript(place: Int) -> UInt64 {
    guard ruled > 0 else { return listed[place] }
    precondition(place >= 0 && place < Int(ruled))
    return (place < Int(sharedCount) ? shared : unique) | UInt64(place)
  }
}
