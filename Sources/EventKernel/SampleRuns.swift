// Whole-number samples in evenly spaced runs, and their figures: exact up to a limit.

/// Samples kept as runs `first, first + step, …`, each value seen a number of times.
///
/// Sums are exact, so figures do not depend on how samples were put into runs, nor on their order.
/// Up to `exactLimit` samples quantiles are exact, too; beyond it samples are counted in buckets of
/// values that share their thirteen leading bits, as HdrHistogram does, and a quantile is off by less
/// than one part in 4096.
public struct SampleRuns: Sendable {
  private struct Run {
    var first: Int64
    var step: Int64
    var count: Int32
    var weight: Int32

    @inline(__always)
    func forEachValue(_ body: (Int64, Int) -> Void) {
      var value = first
      for _ in 0..<count {
        body(value, Int(weight))
        value += step
      }
    }
  }

  /// Samples up to which each is kept.
  public let exactLimit: Int
  private var runs: ContiguousArray<Run> = []
  private var singles: ContiguousArray<Int64> = []
  /// Samples by bucket; empty while each is kept.
  private var buckets: ContiguousArray<Int> = []
  /// Samples, weights counted.
  public private(set) var count = 0
  /// Values that are kept, weights not counted.
  private var distinct = 0
  private var sum = Int128(0)
  private var sumOfSquares = Int128(0)
  private var least = Int64.max
  private var greatest = Int64.min

  public init(exactLimit: Int = 1 << 24) { self.exactLimit = exactLimit }

  /// Whether quantiles are exact.
  public var isExact: Bool { buckets.isEmpty }

  /// Adds one value.
  /// - Precondition: as for runs.
  public mutating func append(_ value: Int64) {
    precondition(value >= 0)
    count += 1
    sum += Int128(value)
    sumOfSquares += Int128(value) * Int128(value)
    least = min(least, value)
    greatest = max(greatest, value)
    guard isExact else {
      buckets[Self.bucket(value)] += 1
      return
    }
    singles.append(value)
    distinct += 1
    if count > exactLimit { fold() }
  }

  /// Adds `count` values from `first` on, `step` apart, each seen `weight` times.
  /// - Precondition: no value is negative; the square of the sum of all samples stays below 2¹²⁷.
  public mutating func append(first: Int64, step: Int64 = 0, count: Int = 1, weight: Int = 1) {
    guard count > 0, weight > 0 else { return }
    let end = first + step * Int64(count - 1)
    precondition(first >= 0 && end >= 0)
    self.count += count * weight
    least = min(least, first, end)
    greatest = max(greatest, first, end)
    let (n, w) = (Int128(count), Int128(weight))
    let (a, d) = (Int128(first), Int128(step))
    // Sums of 0…n-1 and of their squares.
    let linear = n * (n - 1) / 2
    let square = (n - 1) * n * (2 * n - 1) / 6
    sum += w * (n * a + d * linear)
    sumOfSquares += w * (n * a * a + 2 * a * d * linear + d * d * square)
    let run = Run(first: first, step: step, count: Int32(count), weight: Int32(weight))
    guard isExact else {
      run.forEachValue { buckets[Self.bucket($0)] += $1 }
      return
    }
    runs.append(run)
    distinct += count
    if self.count > exactLimit { fold() }
  }

  /// Counts what was kept so far in buckets.
  private mutating func fold() {
    buckets = counted()
    runs = []
    singles = []
  }

  /// Arithmetic mean; NaN of nothing.
  public var mean: Double { count > 0 ? Double(nearest: sum) / Double(count) : .nan }

  /// Standard deviation of the whole population; NaN of nothing.
  public var populationDeviation: Double {
    guard count > 0 else { return .nan }
    // Σ(x − c)² about a whole c near the mean is exact; what is left to take off is below 1 a sample.
    let n = Int128(count)
    let centre = sum / n
    let about = sumOfSquares - 2 * centre * sum + n * centre * centre
    let rest = Double(nearest: sum - n * centre) / Double(count)
    return max(0, Double(nearest: about) / Double(count) - rest * rest).squareRoot()
  }

  /// Quantiles, each 0…1, interpolated linearly between neighbours as numpy's default; NaN of nothing.
  /// - Complexity: O(values + those that share leading bits with an answer · log).
  public func quantiles(_ shares: [Double]) -> [Double] {
    guard count > 0 else { return shares.map { _ in .nan } }
    let positions = shares.map { $0 * Double(count - 1) }
    let ranks = positions.flatMap { [Int($0), min(Int($0) + 1, count - 1)] }
    let values = orderStatistics(ranks)
    return positions.indices.map { place in
      let (below, above) = (Double(values[2 * place]), Double(values[2 * place + 1]))
      return below + (positions[place] - Double(ranks[2 * place])) * (above - below)
    }
  }

  /// The values at these places of the ascending samples, from 0.
  private func orderStatistics(_ ranks: [Int]) -> [Int64] {
    guard isExact else { return roughStatistics(ranks) }
    guard distinct > Self.sortLimit else { return sortedStatistics(ranks) }
    var buckets = counted()
    // The buckets that hold an answer: how many samples lie before them, and their own. Such a bucket
    // is −1 minus its place here.
    var close: [(passed: Int, samples: [(value: Int64, weight: Int)])] = []
    var passed = 0
    for (place, samples) in buckets.enumerated() where samples > 0 {
      if ranks.contains(where: { passed <= $0 && $0 < passed + samples }) {
        buckets[place] = -1 - close.count
        close.append((passed, []))
      }
      passed += samples
    }
    forEachValue { value, weight in
      let place = buckets[Self.bucket(value)]
      if place < 0 { close[-1 - place].samples.append((value, weight)) }
    }
    var answers = Array(repeating: Int64(0), count: ranks.count)
    for bucket in close { Self.answer(ranks, by: bucket.samples, after: bucket.passed, &answers) }
    return answers
  }

  /// The same by sorting, which few values are quicker to do with.
  private func sortedStatistics(_ ranks: [Int]) -> [Int64] {
    var samples: [(value: Int64, weight: Int)] = []
    samples.reserveCapacity(distinct)
    forEachValue { samples.append(($0, $1)) }
    var answers = Array(repeating: Int64(0), count: ranks.count)
    Self.answer(ranks, by: samples, after: 0, &answers)
    return answers
  }

  /// Finds the ranks that lie among some samples, which `passed` lesser ones precede.
  private static func answer(
    _ ranks: [Int], by samples: [(value: Int64, weight: Int)], after passed: Int,
    _ answers: inout [Int64]
  ) {
    var passed = passed
    for sample in samples.sorted(by: { $0.value < $1.value }) {
      for (index, rank) in ranks.enumerated()
      where passed <= rank && rank < passed + sample.weight {
        answers[index] = sample.value
      }
      passed += sample.weight
    }
  }

  private static var sortLimit: Int { 1 << 14 }

  /// The same as far as buckets tell, their samples taken to be evenly spread.
  private func roughStatistics(_ ranks: [Int]) -> [Int64] {
    var answers = Array(repeating: Int64(0), count: ranks.count)
    var passed = 0
    for (place, samples) in buckets.enumerated() where samples > 0 {
      for (index, rank) in ranks.enumerated() where passed <= rank && rank < passed + samples {
        let (low, width) = Self.values(ofBucket: place)
        let share = (Double(rank - passed) + 0.5) / Double(samples)
        answers[index] = min(max(low + Int64(share * Double(width)), least), greatest)
      }
      passed += samples
    }
    return answers
  }

  private func counted() -> ContiguousArray<Int> {
    var buckets = ContiguousArray(repeating: 0, count: Self.bucketCount)
    forEachValue { value, weight in buckets[Self.bucket(value)] += weight }
    return buckets
  }

  @inline(__always)
  private func forEachValue(_ body: (Int64, Int) -> Void) {
    for value in singles { body(value, 1) }
    for run in runs { run.forEachValue(body) }
  }

  // MARK: Buckets of values with the same leading bits

  private static var bits: Int { 12 }
  private static var bucketCount: Int { (64 - bits) << bits }

  /// Ascending with the value.
  @inline(__always)
  private static func bucket(_ value: Int64) -> Int {
    let exponent = max(0, 63 - bits - value.leadingZeroBitCount)
    return (exponent << bits) + Int(value >> exponent)
  }

  /// The least value of a bucket and how many values it has.
  private static func values(ofBucket place: Int) -> (low: Int64, width: Int64) {
    let exponent = max(0, (place >> bits) - 1)
    return (Int64(place - (exponent << bits)) << exponent, 1 << exponent)
  }
}
