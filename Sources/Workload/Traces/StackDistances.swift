// How a cache's hits depend on its size: exact LRU stack distances (Mattson et al. 1970).

import Foundation

/// Hits of prompts' prefixes in one LRU cache, for every capacity at once.
///
/// A prompt is looked up from its head to the first missing block, then all of its blocks are
/// inserted, head first. Block i is hit if it and all before it are among the last C distinct blocks
/// used, so one pass that takes the largest stack distance so far answers for all C.
public struct StackDistances: Sendable {
  /// Capacities in blocks at which something more is hit, ascending, with all tokens and blocks hit.
  private var steps: [(blocks: Int, hitTokens: Int, hitBlocks: Int)] = []
  public private(set) var tokens = 0
  public private(set) var blocks = 0
  /// Distinct blocks: the size of a cache that never evicts.
  public private(set) var distinct = 0

  /// - Complexity: O(n log n) in the blocks of all prompts.
  public init(_ stream: RequestStream) {
    let uses = stream.requests.reduce(0) { $0 + $1.promptIDs.count }
    // One mark for each block, at its last use; counts of marks by prefix (Fenwick tree).
    var marks = [Int32](repeating: 0, count: uses + 1)
    func add(_ value: Int32, at use: Int) {
      var index = use + 1
      while index <= uses {
        marks[index] += value
        index += index & -index
      }
    }
    func count(upTo use: Int) -> Int {
      var (index, sum) = (use + 1, 0)
      while index > 0 {
        sum += Int(marks[index])
        index -= index & -index
      }
      return sum
    }
    var lastUse: [UInt64: Int] = [:]
    var hits: [Int: (tokens: Int, blocks: Int)] = [:]
    var use = 0
    for request in stream.requests {
      tokens += request.inputTokens
      blocks += request.promptIDs.count
      var farthest = 0
      for (index, id) in request.promptIDs.enumerated() {
        guard let last = lastUse[id] else { break }
        // Distinct blocks used after it, and itself.
        farthest = max(farthest, lastUse.count - count(upTo: last) + 1)
        let end = min((index + 1) * stream.blockTokens, request.inputTokens)
        hits[farthest, default: (0, 0)].tokens += end - index * stream.blockTokens
        hits[farthest, default: (0, 0)].blocks += 1
      }
      for id in request.promptIDs {
        if let last = lastUse[id] { add(-1, at: last) }
        lastUse[id] = use
        add(1, at: use)
        use += 1
      }
    }
    distinct = lastUse.count
    var (hitTokens, hitBlocks) = (0, 0)
    for capacity in hits.keys.sorted() {
      hitTokens += hits[capacity]!.tokens
      hitBlocks += hits[capacity]!.blocks
      steps.append((capacity, hitTokens, hitBlocks))
    }
  }

  /// Share of tokens, and of blocks, that a cache of `capacity` blocks has.
  public func ratio(capacity: Int) -> TraceStatistics.HitRatio {
    var (low, high) = (0, steps.count)
    while low < high {
      let middle = (low + high) / 2
      if steps[middle].blocks <= capacity { low = middle + 1 } else { high = middle }
    }
    let step = low > 0 ? steps[low - 1] : (0, 0, 0)
    return TraceStatistics.HitRatio(
      token: Double(step.1) / Double(max(1, tokens)),
      block: Double(step.2) / Double(max(1, blocks)))
  }

  /// Capacities for a curve, each a fixed factor larger than the one before, up to all blocks.
  public func capacities(perDecade: Int) -> [Int] {
    var capacities: Set<Int> = [max(1, distinct)]
    var capacity = 1.0
    let factor = pow(10, 1 / Double(perDecade))
    while Int(capacity) < distinct {
      capacities.insert(Int(capacity))
      capacity *= factor
    }
    return capacities.sorted()
  }
}
