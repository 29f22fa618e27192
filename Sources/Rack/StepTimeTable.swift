// Measured step times of one GPU and model: read from a table, interpolated, and beyond it scaled.

/// A table of measured steps.
///
/// Prefill rows form a grid over (new tokens, earlier tokens), decode rows one over (sequences,
/// context of each). A row of the grid need not have the same columns as the next. Between points
/// times are linear, first along the second coordinate, then along the first; so they are exact at
/// the points, and rise wherever the measured times do. Beyond the last point of either coordinate
/// the nearest measured time is multiplied by the ratio of the formula's times there and here.
public struct StepTimeTable: Hashable, Sendable {
  /// What a step does.
  public enum Kind: String, CaseIterable, Sendable { case prefill, decode, mixed }

  /// One measured step.
  public struct Row: Hashable, Sendable {
    public var kind: Kind
    /// New tokens of one prompt, and earlier ones that have KV; 0 in a decode step.
    public var tokens, cached: Int
    /// Sequences that decode one token each, and the context of each; 0 in a prefill step.
    public var sequences, contextTokens: Int
    public var seconds: Double
    /// Where it stands in the file, from 1.
    public var line: Int

    public init(
      kind: Kind, tokens: Int = 0, cached: Int = 0, sequences: Int = 0, contextTokens: Int = 0,
      seconds: Double, line: Int = 0
    ) {
      self.kind = kind
      self.tokens = tokens
      self.cached = cached
      self.sequences = sequences
      self.contextTokens = contextTokens
      self.seconds = seconds
      self.line = line
    }
  }

  /// The file, for messages and for writing a workload back.
  public let file: String
  /// In the order of the file.
  public let rows: [Row]
  private let prefill, decode: Grid

  /// - Precondition: no two rows describe the same step.
  public init(file: String, rows: [Row]) {
    self.file = file
    self.rows = rows
    prefill = Grid(
      rows.filter { $0.kind == .prefill }.map { ($0.tokens, $0.cached, $0.seconds) })
    decode = Grid(
      rows.filter { $0.kind == .decode }.map { ($0.sequences, $0.contextTokens, $0.seconds) })
  }

  /// Time of a step, seconds: the formula's, scaled as the table is to the formula at the step's
  /// nearest pure prefill and pure decode step. A kind without rows follows the formula; rows of
  /// mixed steps serve calibration alone.
  func seconds(_ batch: StepTimeModel.Batch, _ model: StepTimeModel) -> Double {
    var measured = 0.0
    var predicted = 0.0
    if batch.prefillTokens > 0 {
      // Several prompts count as one with as many pairs of new and seen tokens.
      let n = Double(batch.prefillTokens)
      let cached = max(0, batch.prefillAttentionPairs / n - n / 2)
      let formula = { tokens, cached in
        model.formulaSeconds(model.prefill(tokens: tokens, cached: cached))
      }
      let here = formula(batch.prefillTokens, cached)
      predicted += here
      measured += prefill.seconds(batch.prefillTokens, cached, here, formula)
    }
    if batch.decodeSequences > 0 {
      let context = batch.decodeContextTokens / Double(batch.decodeSequences)
      let formula = { sequences, context in
        model.formulaSeconds(model.decode(sequences: sequences, context: context))
      }
      let here = formula(batch.decodeSequences, context)
      predicted += here
      measured += decode.seconds(batch.decodeSequences, context, here, formula)
    }
    // An empty step, which no scheduler plans, is the formula's.
    guard predicted > 0 else { return model.formulaSeconds(batch) }
    return model.formulaSeconds(batch) * (measured / predicted)
  }
}

/// Points over two coordinates: ascending `x`, and for each its own ascending `y`.
private struct Grid: Hashable, Sendable {
  private var x: [Int] = []
  /// Where each x's points begin, and where the last one's end.
  private var starts: [Int] = []
  private var y: [Double] = []
  private var value: [Double] = []

  init(_ points: [(x: Int, y: Int, value: Double)]) {
    for point in points.sorted(by: { ($0.x, $0.y) < ($1.x, $1.y) }) {
      if x.last != point.x {
        x.append(point.x)
        starts.append(y.count)
      }
      y.append(Double(point.y))
      value.append(point.value)
    }
    starts.append(y.count)
  }

  /// The time at (x, y); `here` is the formula's there.
  func seconds(
    _ at: Int, _ y: Double, _ here: Double, _ formula: (Int, Double) -> Double
  ) -> Double {
    guard let last = x.last else { return here }
    if at <= x[0] { return along(0, y, formula) * (at == x[0] ? 1 : here / formula(x[0], y)) }
    if at >= last {
      return along(x.count - 1, y, formula) * (at == last ? 1 : here / formula(last, y))
    }
    var low = 0
    var high = x.count - 1
    while high - low > 1 {
      let middle = (low + high) / 2
      if x[middle] <= at { low = middle } else { high = middle }
    }
    let below = along(low, y, formula)
    if x[low] == at { return below }
    let share = Double(at - x[low]) / Double(x[high] - x[low])
    return below + share * (along(high, y, formula) - below)
  }

  /// The time at the x of this index.
  private func along(
    _ index: Int, _ at: Double, _ formula: (Int, Double) -> Double
  ) -> Double {
    var low = starts[index]
    var high = starts[index + 1] - 1
    let end = at <= y[low] ? low : high
    if at <= y[low] || at >= y[high] {
      return value[end] * (at == y[end] ? 1 : formula(x[index], at) / formula(x[index], y[end]))
    }
    while high - low > 1 {
      let middle = (low + high) / 2
      if y[middle] <= at { low = middle } else { high = middle }
    }
    let share = (at - y[low]) / (y[high] - y[low])
    return value[low] + share * (value[high] - value[low])
  }
}
