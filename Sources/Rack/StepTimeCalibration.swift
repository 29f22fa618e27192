// Fitting the step-time formula's efficiencies to a table of measured steps.

import CGSL
import Foundation

/// Why a fit cannot be made, in words.
public struct CalibrationError: Error, CustomStringConvertible {
  public let description: String
}

/// The formula's eight parameters, fitted to measured steps by nonlinear least squares.
///
/// What is minimised is the sum of squared relative errors, (formula / measured − 1)², with GSL's
/// trust-region solver (Levenberg–Marquardt). Parameters that the rows say nothing about are held
/// at the catalogue's values and marked so: all of a kind without rows, and the linear kernels'
/// fixed time without mixed steps, since a pure step shows it only together with the attention's.
public struct StepTimeCalibration: Sendable {
  /// One parameter of `StepTimeFit`.
  public struct Parameter: Sendable {
    /// Its key in the catalogue.
    public var key: String
    /// `fraction`, `1` or `us`.
    public var unit: String
    /// In that unit, as `start`.
    public var value: Double
    /// The catalogue's value, from which the fit began.
    public var start: Double
    /// One standard deviation; nil if the parameter is held or as many rows as parameters exist.
    public var deviation: Double?
    /// Why the parameter is held; nil if it is fitted.
    public var held: String?
  }

  /// A step of the table beside the fitted formula.
  public struct Residual: Sendable {
    public var row: StepTimeTable.Row
    /// The fitted formula's time, seconds.
    public var seconds: Double
    public var error: Double { seconds / row.seconds - 1 }
  }

  public let parameters: [Parameter]
  public let residuals: [Residual]

  public var fit: StepTimeFit { Shape.fit(parameters.map(\.value)) }
  public var meanError: Double {
    residuals.map { abs($0.error) }.reduce(0, +) / Double(residuals.count)
  }
  public var worstError: Double { residuals.map { abs($0.error) }.max() ?? 0 }

  /// Fits the formula for a model on a GPU to `table`, from the GPU's own values on.
  /// - Throws: that there are too few rows, no figures for so many ranks, or no convergence.
  public init(
    table: StepTimeTable, gpu: GPUSpec, model: ModelSpec, tensorParallel: Int,
    weights: NumberFormat, kv: NumberFormat
  ) throws(CalibrationError) {
    let problem = Problem(
      table: table, gpu: gpu, model: model, tensorParallel: tensorParallel, weights: weights,
      kv: kv)
    if let obstacle = StepTimeModel.obstacle(
      gpu: gpu, model: model, tensorParallel: tensorParallel)
    {
      throw CalibrationError(description: obstacle)
    }
    let free = Shape.all.indices.filter { problem.held($0) == nil }
    guard table.rows.count >= free.count else {
      throw CalibrationError(
        description: "\(table.rows.count) steps cannot fix \(free.count) parameters; "
          + "measure at least \(free.count)")
    }
    let solution = try problem.solve(free)
    parameters = Shape.all.indices.map { index in
      let shape = Shape.all[index]
      return Parameter(
        key: shape.key, unit: shape.unit, value: solution.values[index],
        start: problem.start[index], deviation: solution.deviations[index],
        held: problem.held(index))
    }
    let fitted = problem.model(solution.values)
    residuals = table.rows.map { Residual(row: $0, seconds: $0.seconds(fitted)) }
  }
}

extension StepTimeTable.Row {
  /// The formula's time of this step, seconds; a mixed step's prompt ends with it.
  func seconds(_ model: StepTimeModel) -> Double {
    var batch = StepTimeModel.Batch(window: model.window)
    if tokens > 0 { batch.addPrefill(tokens: tokens, cached: cached) }
    if sequences > 0 { batch.addDecode(sequences: sequences, context: Double(contextTokens)) }
    batch.sampledSequences = sequences + (tokens > 0 ? 1 : 0)
    return model.formulaSeconds(batch)
  }
}

/// How one parameter is named, and mapped to a number without bounds for the solver.
private struct Shape {
  enum Bound {
    /// exp(x): above 0.
    case positive
    /// 1 + exp(x): above 1.
    case aboveOne
    /// x²: 0 or more.
    case notNegative
  }

  let key: String
  let unit: String
  let bound: Bound

  static let all = [
    Shape(key: "linear_compute", unit: "fraction", bound: .positive),
    Shape(key: "linear_memory", unit: "fraction", bound: .positive),
    Shape(key: "linear_exponent", unit: "1", bound: .aboveOne),
    Shape(key: "linear_fixed", unit: "us", bound: .notNegative),
    Shape(key: "prefill_attention", unit: "fraction", bound: .positive),
    Shape(key: "prefill_attention_fixed", unit: "us", bound: .notNegative),
    Shape(key: "decode_attention", unit: "fraction", bound: .positive),
    Shape(key: "decode_attention_fixed", unit: "us", bound: .notNegative),
  ]

  /// Values in the order of `all` and in their units.
  static func values(_ fit: StepTimeFit) -> [Double] {
    [
      fit.linearCompute, fit.linearMemory, fit.linearExponent, fit.linearFixedSeconds * 1e6,
      fit.prefillAttention, fit.prefillAttentionFixedSeconds * 1e6, fit.decodeAttention,
      fit.decodeAttentionFixedSeconds * 1e6,
    ]
  }

  static func fit(_ values: [Double]) -> StepTimeFit {
    StepTimeFit(
      linearCompute: values[0], linearMemory: values[1], linearExponent: values[2],
      linearFixedSeconds: values[3] * 1e-6, prefillAttention: values[4],
      prefillAttentionFixedSeconds: values[5] * 1e-6, decodeAttention: values[6],
      decodeAttentionFixedSeconds: values[7] * 1e-6)
  }

  func free(_ value: Double) -> Double {
    switch bound {
    case .positive: log(value)
    case .aboveOne: log(max(value - 1, 1e-3))
    // Not at 0, where a square has no slope.
    case .notNegative: max(value, 1).squareRoot()
    }
  }

  func value(_ free: Double) -> Double {
    switch bound {
    case .positive: exp(free)
    case .aboveOne: 1 + exp(free)
    case .notNegative: free * free
    }
  }

  /// Derivative of the value.
  func slope(_ free: Double) -> Double {
    switch bound {
    case .positive: exp(free)
    case .aboveOne: exp(free)
    case .notNegative: 2 * free
    }
  }
}

/// The least-squares problem as GSL's callback sees it.
private final class Problem {
  let table: StepTimeTable
  let gpu: GPUSpec
  let shape: ModelSpec
  let tensorParallel: Int
  let weights, kv: NumberFormat
  let start: [Double]
  /// Indices of the parameters that the solver moves.
  private var free: [Int] = []

  init(
    table: StepTimeTable, gpu: GPUSpec, model: ModelSpec, tensorParallel: Int,
    weights: NumberFormat, kv: NumberFormat
  ) {
    self.table = table
    self.gpu = gpu
    shape = model
    self.tensorParallel = tensorParallel
    self.weights = weights
    self.kv = kv
    start = Shape.values(gpu.fit)
  }

  /// Why the parameter cannot be told from the rows; nil if it can.
  func held(_ index: Int) -> String? {
    func has(_ kinds: StepTimeTable.Kind...) -> Bool {
      table.rows.contains { kinds.contains($0.kind) }
    }
    switch Shape.all[index].key {
    case "linear_fixed" where !has(.mixed):
      return "held: only mixed steps tell it from the attention's fixed time"
    case "prefill_attention" where !has(.prefill, .mixed),
      "prefill_attention_fixed" where !has(.prefill, .mixed):
      return "held: there are no prefill steps"
    case "decode_attention" where !has(.decode, .mixed),
      "decode_attention_fixed" where !has(.decode, .mixed):
      return "held: there are no decode steps"
    default: return nil
    }
  }

  func model(_ values: [Double]) -> StepTimeModel {
    var candidate = gpu
    candidate.fit = Shape.fit(values)
    guard
      let model = StepTimeModel(
        gpu: candidate, model: shape, tensorParallel: tensorParallel, weights: weights, kv: kv)
    else { preconditionFailure("the caller has checked that there are figures") }
    return model
  }

  /// The parameters with the free ones at `x`.
  private func values(_ x: UnsafePointer<gsl_vector>) -> [Double] {
    var values = start
    for (place, index) in free.enumerated() {
      values[index] = Shape.all[index].value(gsl_vector_get(x, place))
    }
    return values
  }

  private func residuals(
    _ x: UnsafePointer<gsl_vector>, _ f: UnsafeMutablePointer<gsl_vector>
  ) -> Int32 {
    let candidate = model(values(x))
    for (place, row) in table.rows.enumerated() {
      let residual = row.seconds(candidate) / row.seconds - 1
      // A step far outside of all bounds: the solver takes a smaller one.
      guard residual.isFinite else { return Int32(GSL_EDOM) }
      gsl_vector_set(f, place, residual)
    }
    return 0
  }

  func solve(_ free: [Int]) throws(CalibrationError)
    -> (values: [Double], deviations: [Double?])
  {
    self.free = free
    let count = table.rows.count
    var settings = gsl_multifit_nlinear_default_parameters()
    guard let x = gsl_vector_alloc(free.count),
      let covariance = gsl_matrix_alloc(free.count, free.count),
      let workspace = gsl_multifit_nlinear_alloc(
        tract_gsl_trust_region(), &settings, count, free.count)
    else { throw CalibrationError(description: "there is no memory for \(count) steps") }
    defer {
      gsl_vector_free(x)
      gsl_matrix_free(covariance)
      gsl_multifit_nlinear_free(workspace)
    }
    for (place, index) in free.enumerated() {
      gsl_vector_set(x, place, Shape.all[index].free(start[index]))
    }
    var function = gsl_multifit_nlinear_fdf()
    function.n = count
    function.p = free.count
    function.params = Unmanaged.passUnretained(self).toOpaque()
    function.f = { x, problem, f in
      guard let x, let problem, let f else { return Int32(GSL_EINVAL) }
      return Unmanaged<Problem>.fromOpaque(problem).takeUnretainedValue().residuals(x, f)
    }
    let status = withExtendedLifetime(self) {
      withUnsafeMutablePointer(to: &function) { function -> Int32 in
        var why: Int32 = 0
        let status = gsl_multifit_nlinear_init(x, function, workspace)
        guard status == 0 else { return status }
        return gsl_multifit_nlinear_driver(500, 1e-10, 1e-10, 0, nil, nil, &why, workspace)
      }
    }
    // Where rounding ends the search, or it began at the best values, no step makes progress; that
    // is as good as an end if the gradient has all but gone.
    var why: Int32 = 0
    guard status == 0 || gsl_multifit_nlinear_test(0, 1e-7, 0, &why, workspace) == 0 else {
      throw CalibrationError(
        description: "the fit does not converge: " + String(cString: gsl_strerror(status)))
    }
    let solution = gsl_multifit_nlinear_position(workspace)!
    let jacobian = gsl_multifit_nlinear_jac(workspace)!
    gsl_multifit_nlinear_covar(jacobian, 0, covariance)
    let residual = gsl_multifit_nlinear_residual(workspace)!
    var squares = 0.0
    for place in 0..<count { squares += pow(gsl_vector_get(residual, place), 2) }
    var deviations = [Double?](repeating: nil, count: Shape.all.count)
    if count > free.count {
      let variance = squares / Double(count - free.count)
      for (place, index) in free.enumerated() {
        let slope = Shape.all[index].slope(gsl_vector_get(solution, place))
        deviations[index] =
          abs(slope) * (variance * gsl_matrix_get(covariance, place, place)).squareRoot()
      }
    }
    return (values(solution), deviations)
  }
}
