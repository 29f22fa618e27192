// Figures by hand: quantiles of weighted samples, tolerances, decimals.

import Testing

@testable import Report

@Suite struct WeightedSamplesTests {
  /// The same figures as those of the samples written out, by numpy's definitions.
  @Test func matchesSamplesWrittenOut() {
    // numpy: a = [1]*3 + [2] + [10]*2; mean 4.1667, std 4.1399, percentile(a, [50, 90, 99])
    let samples = WeightedSamples([(10, 2), (1, 3), (2, 1)])
    #expect(abs(samples.mean - 25.0 / 6) < 1e-12)
    #expect(abs(samples.deviation - 4.13991411612474) < 1e-9)
    #expect(samples.quantile(0) == 1)
    #expect(samples.quantile(0.5) == 1.5)
    #expect(samples.quantile(0.7) == 6)
    #expect(samples.quantile(0.9) == 10)
    #expect(samples.quantile(1) == 10)
  }

  @Test func nothingIsNotANumber() {
    let samples = WeightedSamples([])
    #expect(samples.mean.isNaN && samples.quantile(0.5).isNaN && samples.deviation.isNaN)
  }
}

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
