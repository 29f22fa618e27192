// The payload of a block: it follows from hash and generation, so that any other is seen to be
// wrong.

import TractStore

/// What a block's payload must be.
struct Stamp {
  private let hash: BlockHash
  private let generation: UInt64

  init(_ reservation: Reservation) {
    hash = reservation.hash
    generation = reservation.generation
  }

  init(_ block: PinnedBlock) {
    hash = block.hash
    generation = block.generation
  }

  /// The whole hash and generation as they are, then words that follow from them.
  private func eachWord(_ count: Int, _ body: (Int, UInt64) -> Bool) -> Bool {
    let head = [hash.hi, hash.lo, generation]
    var words = SplitMix64(seed: hash.hi &+ 3 &* hash.lo &+ 5 &* generation)
    for index in 0..<count where !body(index, index < 3 ? head[index] : words.next()) {
      return false
    }
    return true
  }

  func write(to payload: inout [UInt64]) {
    _ = eachWord(payload.count) { index, word in
      payload[index] = word
      return true
    }
  }

  func matches(_ payload: [UInt64]) -> Bool {
    eachWord(payload.count) { index, word in payload[index] == word }
  }
}
