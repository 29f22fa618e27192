// Bytes written member by member are those of values.

import JSONText
import Testing

@Suite struct JSONBytesTests {
  /// Every scale of picoseconds, in milliseconds: all digits, and read back as the nearest number.
  @Test func billionthsAreExact() throws {
    var state: UInt64 = 1
    for _ in 0..<100_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = Int64(bitPattern: state ^ state >> 29) >> Int64(state % 60 + 4)
      var out = JSONBytes()
      out.begin()
      out.number("n", billionths: value)
      out.end()
      let text = String(decoding: out.bytes, as: UTF8.self)
      let magnitude = value.magnitude
      let fraction = String(magnitude % 1_000_000_000 + 1_000_000_000).dropFirst()
      var expected = "\(value < 0 ? "-" : "")\(magnitude / 1_000_000_000).\(fraction)"
      while expected.last == "0" { expected.removeLast() }
      if expected.last == "." { expected.removeLast() }
      guard text != "{\"n\":\(expected)}" || Double(expected) != Double(value) / 1e9,
        magnitude < 1 << 53 || text != "{\"n\":\(expected)}"
      else { continue }
      Issue.record("\(value): \(text), not \(expected)")
    }
  }

  @Test func membersAreThoseOfValues() {
    var out = JSONBytes()
    out.begin()
    out.string("text", "a \"quoted\"\n line")
    out.integer("negative", -12)
    out.integer("zero", 0)
    out.null("nothing")
    out.number("infinite", .infinity)
    out.number("fraction", -0.25)
    out.key("inner")
    out.begin()
    out.number("whole", 3)
    out.end()
    out.integer("last", .max)
    out.end()
    let value = JSONValue.object([
      "text": .string("a \"quoted\"\n line"), "negative": .integer(-12), "zero": .integer(0),
      "nothing": .null, "infinite": .number(.infinity), "fraction": .number(-0.25),
      "inner": .object(["whole": .number(3)]), "last": .integer(.max),
    ])
    #expect(String(decoding: out.bytes, as: UTF8.self) == value.text(indented: false))
  }
}
