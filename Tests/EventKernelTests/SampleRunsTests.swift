// Samples in runs have the figures of the samples written out.

import EventKernel
import Testing

@Suite struct SampleRunsTests {
  @Test func matchesSamplesWrittenOut() {
    // numpy: a = [1]*3 + [2] + [10]*2; mean 4.1667, std 4.1399, percentile(a, [50, 90, 99])
    var samples = SampleRuns()
    samples.append(first: 10, weight: 2)
    samples.append(first: 1, weight: 3)
    samples.append(first: 2)
    #expect(samples.count == 6)
    #expect(abs(samples.mean - 25.0 / 6) < 1e-12)
    #expect(abs(samples.populationDeviation - 4.13991411612474) < 1e-9)
    #expect(samples.quantiles([0, 0.5, 0.7, 0.9, 1]) == [1, 1.5, 6, 10, 10])
  }

  @Test func nothingIsNotANumber() {
    let samples = SampleRuns()
    #expect(samples.mean.isNaN && samples.populationDeviation.isNaN)
    #expect(samples.quantiles([0.5])[0].isNaN)
  }

  /// However the same samples are put into runs, the figures are the same to the bit, and those of
  /// the samples one by one.
  @Test(arguments: 0..<20) func runsDoNotMatter(seed: Int) {
    var draws = DrawStream(seed: UInt64(seed), name: "samples")
    var (whole, single) = (SampleRuns(), SampleRuns())
    var all: [Int64] = []
    // Few values are sorted, many counted by bucket first.
    for _ in 0..<(seed % 4 == 0 ? 4000 : 200) {
      let first = Int64(draws.bits() >> UInt64(draws.integer(below: 40) + 24))
      let step = Int64(draws.integer(below: 1_000_000))
      let (count, weight) = (draws.integer(below: 20), draws.integer(below: 4))
      whole.append(first: first, step: step, count: count, weight: weight)
      for place in 0..<count {
        let value = first + step * Int64(place)
        single.append(first: value, weight: weight)
        all += Array(repeating: value, count: weight)
      }
    }
    let shares = [0, 0.01, 0.5, 0.9, 0.95, 0.99, 1]
    #expect(whole.count == all.count && whole.mean == single.mean)
    #expect(whole.populationDeviation == single.populationDeviation)
    #expect(whole.quantiles(shares) == single.quantiles(shares))
    let sorted = all.sorted().map(Double.init)
    for (share, quantile) in zip(shares, whole.quantiles(shares)) {
      let reference = Statistics.quantile(sorted: sorted, share)
      #expect(abs(quantile - reference) <= 1e-9 * reference)
    }
    #expect(abs(whole.mean - Statistics.mean(sorted)) <= 1e-9 * whole.mean)
    let deviation = Statistics.populationDeviation(sorted)
    #expect(abs(whole.populationDeviation - deviation) <= 1e-9 * deviation)
  }

  /// Beyond the limit quantiles come from buckets, whatever came as a run and whatever alone; the
  /// rest stays exact.
  @Test(arguments: 0..<10) func bucketsAreCloseBeyondTheLimit(seed: Int) {
    var draws = DrawStream(seed: UInt64(seed), name: "samples")
    var (exact, rough, other) = (
      SampleRuns(), SampleRuns(exactLimit: 1000), SampleRuns(exactLimit: 1000)
    )
    for _ in 0..<4000 {
      let first = Int64(draws.bits() >> UInt64(draws.integer(below: 40) + 24))
      let (step, count) = (Int64(draws.integer(below: 1_000_000)), 1 + draws.integer(below: 3))
      exact.append(first: first, step: step, count: count)
      rough.append(first: first, step: step, count: count)
      for place in 0..<count { other.append(first + step * Int64(place)) }
      #expect(rough.isExact == (rough.count <= 1000))
    }
    #expect(exact.isExact && !rough.isExact)
    #expect(rough.mean == exact.mean && rough.populationDeviation == exact.populationDeviation)
    let shares = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1]
    #expect(rough.quantiles(shares) == other.quantiles(shares))
    for (rough, exact) in zip(rough.quantiles(shares), exact.quantiles(shares)) {
      #expect(abs(rough - exact) <= exact / 4096)
    }
  }
}
