// Hashes that are the same on every machine and in every version: for names of streams and marks.

public enum StableHash {
  /// FNV-1a, 64 bits (Fowler, Noll, Vo), of `bytes` after those whose hash is `earlier`.
  public static func of(
    _ bytes: some Sequence<UInt8>, after earlier: UInt64 = 0xCBF2_9CE4_8422_2325
  ) -> UInt64 {
    bytes.reduce(earlier) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014): spreads a number over all its bits.
  public static func spread(_ number: UInt64) -> UInt64 {
    var z = number
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
