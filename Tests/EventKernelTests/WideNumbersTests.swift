import EventKernel
import Testing

@Suite struct WideNumbersTests {
  /// Powers of two and their neighbours, and values whose cut-off bits decide the rounding.
  @Test func roundsAsTheStandardLibrary() {
    var random = DrawStream(seed: 128, name: "wide")
    var values: [Int128] = [0, .max, .min]
    for bit in 0..<127 {
      let power = Int128(1) << Int128(bit)
      values += [power - 1, power, power + 1]
      for _ in 0..<200 {
        let wide = Int128(truncatingIfNeeded: random.bits()) << 64
        values.append((wide | Int128(random.bits())) >> Int128(126 - bit))
        // A tie, or next to one.
        let odd = power | power >> 53
        values += [odd, odd | power >> 52, odd | 1, odd &- 1]
      }
    }
    for value in values {
      #expect(Double(nearest: value) == Double(value), "\(value)")
      #expect(Double(nearest: 0 &- value) == Double(0 &- value), "\(value)")
    }
  }
}
