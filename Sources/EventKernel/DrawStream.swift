// A random stream that can be copied, for state that is.

/// A reproducible stream of choices for one purpose: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014),
/// begun from the named `RandomStream`.
public struct DrawStream: Sendable {
  private var state: UInt64

  public init(seed: UInt64, name: String) {
    var stream = RandomStream(seed: seed, name: name)
    state = stream.bits()
  }

  /// 64 random bits.
  public mutating func bits() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return StableHash.spread(state)
  }

  /// A number in [0, 1).
  public mutating func uniform() -> Double { Double(bits() >> 11) * 0x1p-53 }

  /// A whole number in `0..<bound`; `bound` must be positive.
  public mutating func integer(below bound: Int) -> Int {
    Int(bits().multipliedFullWidth(by: UInt64(bound)).high)
  }
}
