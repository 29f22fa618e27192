// Whole numbers of 128 bits as floating-point ones.

extension Double {
  /// The value nearest to a whole number, ties to even, as `Double(value)` is, which goes through
  /// tables of functions and takes some thousand instructions (Swift 6.3).
  public init(nearest value: Int128) {
    let magnitude = value.magnitude
    let shift = max(0, 64 - magnitude.leadingZeroBitCount)
    var leading = UInt64(truncatingIfNeeded: magnitude &>> UInt128(shift))
    // Bits that are cut off count only in so far as there are any: 64 are more than enough to round.
    if UInt128(leading) &<< UInt128(shift) != magnitude { leading |= 1 }
    let unit = Double(sign: value < 0 ? .minus : .plus, exponent: shift, significand: 1)
    self = Double(leading) * unit
  }
}
