// What a validation is: our figures beside reference figures, and how far apart they may be.

/// One model compared with measurements or with an independent tool.
public struct Validation: Sendable {
  /// A reference figure and ours for the same question.
  public struct Row: Hashable, Sendable {
    public var label: String
    public var reference: Double
    public var model: Double
    /// Half the width of the simulation's confidence interval, relative to the reference; nil for
    /// figures without chance.
    public var tolerance: Double?

    public init(_ label: String, reference: Double, model: Double, tolerance: Double? = nil) {
      self.label = label
      self.reference = reference
      self.model = model
      self.tolerance = tolerance
    }

    /// Relative error of the model, with its sign.
    public var error: Double { model / reference - 1 }
  }

  /// How far the model may be from the reference; relative.
  public enum Limit: Hashable, Sendable {
    /// The mean of the rows' absolute errors.
    case mean(Double)
    /// Each row's absolute error.
    case each(Double)
    /// Each row's absolute error, by the row's own tolerance.
    case interval
    /// Reported only: nobody has promised anything here.
    case none
  }

  /// Short, unique, lower case: `gpu-prefill`, `fabric-simgrid`.
  public var name: String
  /// What is compared, in a sentence.
  public var title: String
  /// Where the reference figures come from.
  public var source: String
  /// Unit of the figures.
  public var unit: String
  public var limit: Limit
  public var rows: [Row]

  public init(
    _ name: String, title: String, source: String, unit: String, limit: Limit, rows: [Row]
  ) {
    self.name = name
    self.title = title
    self.source = source
    self.unit = unit
    self.limit = limit
    self.rows = rows
  }

  /// Mean of the rows' absolute errors.
  public var meanError: Double { rows.map { abs($0.error) }.reduce(0, +) / Double(rows.count) }
  /// Mean of the rows' errors with their signs.
  public var bias: Double { rows.map(\.error).reduce(0, +) / Double(rows.count) }
  /// Largest absolute error.
  public var worstError: Double { rows.map { abs($0.error) }.max() ?? 0 }

  /// The absolute error that a share of the rows does not exceed (nearest rank).
  public func quantile(_ share: Double) -> Double {
    let errors = rows.map { abs($0.error) }.sorted()
    guard !errors.isEmpty else { return 0 }
    return errors[max(0, Int((share * Double(errors.count)).rounded(.up)) - 1)]
  }

  /// Whether the limit is kept; never, without rows.
  public var holds: Bool {
    guard !rows.isEmpty else { return false }
    switch limit {
    case .mean(let limit): return meanError <= limit
    case .each(let limit): return worstError <= limit
    case .interval: return rows.allSatisfy { abs($0.error) <= $0.tolerance ?? 0 }
    case .none: return true
    }
  }
}
