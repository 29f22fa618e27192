// From a prompt's identity to the chained hashes of its KV blocks.

import EventKernel
import TractStore
import Workload

/// Hashes of a prompt's full blocks, chained as in vLLM: equal hashes mean equal prefixes.
enum BlockHashing {
  /// Hash of block `index` of a prompt.
  ///
  /// `promptIDs` already identify whole prefixes, so the id that covers the block's last token,
  /// mixed with the block's index and size, names the block and everything before it.
  static func hash(
    promptIDs: [UInt64], idTokens: Int, blockTokens: Int, block index: Int
  ) -> BlockHash {
    let id = promptIDs[((index + 1) * blockTokens - 1) / idTokens]
    var hash = mixed(id, UInt64(index), UInt64(blockTokens))
    hash.lo &= ~privateBit
    return hash
  }

  /// Hash of a block that no other request can name, nor another attempt of this one: a prompt's
  /// partial tail, or a private copy.
  static func privateHash(request: Int, block index: Int, attempt: Int32) -> BlockHash {
    let purpose = 0x5052_4956_4154_4521 ^ UInt64(attempt) << 8
    var hash = mixed(UInt64(request), UInt64(index), purpose)
    hash.lo |= privateBit
    return hash
  }

  static func isPrivate(_ hash: BlockHash) -> Bool { hash.lo & privateBit != 0 }

  /// Keeps the two kinds of names apart.
  private static var privateBit: UInt64 { 1 << 63 }

  /// Hashes of the first `count` full blocks.
  static func hashes(
    of request: OfferedRequest, idTokens: Int, blockTokens: Int, count: Int
  ) -> [BlockHash] {
    (0..<count).map {
      hash(
        promptIDs: request.promptIDs, idTokens: idTokens, blockTokens: blockTokens, block: $0)
    }
  }

  /// A name that depends on all three numbers.
  static func mixed(_ a: UInt64, _ b: UInt64, _ c: UInt64) -> BlockHash {
    let first = StableHash.spread(
      StableHash.spread(a &+ 0x9E37_79B9_7F4A_7C15) ^ b &* 0xD6E8_FEB8_6659_FD93 ^ c)
    return BlockHash(hi: first, lo: StableHash.spread(first ^ a &+ b &* 0xA076_1D64_78BD_642F))
  }
}
