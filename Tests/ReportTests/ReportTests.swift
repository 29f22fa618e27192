// Figures by hand: tolerances, decimals.

import Testing

@testable import Report

@Suite struct ToleranceTests {
  @Test(arguments: [
    ("1%", 100.0, 101.0, true), ("1%", 100, 101.1, false), ("1%", 100, 98.9, false),
    ("0.5", 3, 3.5, true), ("0.5", 3, 3.51, false), ("0", 0, 0, true), ("0%", 7, 7, true),
    ("10%", 0, 1e-9, false),
  ]) func allows(text: String, baseline: Double, value: Double, expected: Bool) throws {
    let tolerance = try #require(Tolerance(text))
    #expect(tolerance.allows(value, baseline: baseline) == expected)
  }

  @Test(arguments: ["", "%", "-1%", "x", "1 %", "nan", "inf", "1%%"]) func refuses(_ text: String) {
    #expect(Tolerance(text) == nil)
  }
}

@Test(arguments: [
  (1.005, 1, "1.0"), (0.05, 1, "0.1"), (-0.04, 1, "0.0"), (-2.5, 0, "-3"),
  (12345.678, 2, "12345.68"),
  (0, 3, "0.000"), (.nan, 1, "-"), (.infinity, 1, "-"), (1e16, 0, "-"),
]) func decimals(value: Double, places: Int, text: String) {
  #expect(Decimals.text(value, places) == text)
}
