// Measured step times: reading tables, between their points, beyond them, and fitting to them.

import Foundation
import JSONText
import Rack
import Report
import Testing

private let header = "kind,tokens,cached,sequences,context_tokens,milliseconds\n"

private func table(_ rows: String) throws -> StepTimeTable {
  try StepTimeTable(file: "t.csv", text: Array((header + rows).utf8))
}

private func replica(
  _ gpu: GPUSpec? = nil, _ table: StepTimeTable? = nil
) throws -> StepTimeModel {
  let h100 = try #require(Catalogue.builtIn.gpu("h100-sxm"))
  let shape = try #require(Catalogue.builtIn.model("llama-3.1-8b"))
  return try #require(
    StepTimeModel(
      gpu: gpu ?? h100, model: shape, tensorParallel: 1, weights: .bf16, kv: .bf16, table: table))
}

/// Times nobody measured, so that the formula cannot pass for them; the last column is missing once.
private let sample = """
  # a comment
  prefill,100,0,,,10
  prefill,100,1000,0,0,12
  prefill,300,0,0,0,20
  prefill,300,1000,0,0,28

  prefill,300,3000,0,0,40
  decode,,,1,500,5
  decode,0,0,1,2500,7
  decode,0,0,9,500,6
  """

@Suite struct TableTests {
  @Test(arguments: [
    // The points, then halfway along either coordinate and along both.
    (100, 0, 10.0), (100, 1000, 12), (300, 3000, 40), (300, 2000, 34), (200, 0, 15),
    (100, 500, 11), (200, 500, 17.5),
  ]) func prefillIsLinearBetweenPoints(tokens: Int, cached: Int, milliseconds: Double) throws {
    let model = try replica(nil, table(sample))
    let seconds = model.prefillSeconds(tokens: tokens, cached: cached)
    #expect(abs(seconds * 1e3 - milliseconds) < 1e-9)
  }

  @Test(arguments: [(1, 500, 5.0), (9, 500, 6), (1, 1500, 6), (5, 500, 5.5)])
  func decodeIsLinearBetweenPoints(sequences: Int, each: Int, milliseconds: Double) throws {
    let model = try replica(nil, table(sample))
    let seconds = model.decodeSeconds(sequences: sequences, contextTokens: sequences * each)
    #expect(abs(seconds * 1e3 - milliseconds) < 1e-9)
  }

  @Test(arguments: [(1200, 0, 300, 0, 20.0), (300, 9000, 300, 3000, 40), (10, 0, 100, 0, 10)])
  func beyondThePointsTheFormulaIsScaled(
    tokens: Int, cached: Int, nearTokens: Int, nearCached: Int, near: Double
  ) throws {
    let (measured, formula) = (try replica(nil, table(sample)), try replica())
    let expected =
      near * formula.prefillSeconds(tokens: tokens, cached: cached)
      / formula.prefillSeconds(tokens: nearTokens, cached: nearCached)
    let seconds = measured.prefillSeconds(tokens: tokens, cached: cached)
    #expect(abs(seconds * 1e3 / expected - 1) < 1e-12)
  }

  @Test func kindsWithoutRowsFollowTheFormula() throws {
    let measured = try replica(nil, table("prefill,100,0,0,0,10"))
    let formula = try replica()
    let (a, b) = (
      measured.decodeSeconds(sequences: 4, contextTokens: 4000),
      formula.decodeSeconds(sequences: 4, contextTokens: 4000)
    )
    #expect(abs(a / b - 1) < 1e-12)
  }

  /// Twice as slow in every row is twice as slow in every step, mixed ones too.
  @Test func mixedStepsAreScaledAsTheirParts() throws {
    let formula = try replica()
    let rows = [(64, 0), (64, 4096), (4096, 0), (4096, 4096)].map { tokens, cached in
      StepTimeTable.Row(
        kind: .prefill, tokens: tokens, cached: cached,
        seconds: 2 * formula.prefillSeconds(tokens: tokens, cached: cached))
    }
    let decodes = [(1, 64), (1, 8192), (64, 64), (64, 8192)].map { sequences, context in
      StepTimeTable.Row(
        kind: .decode, sequences: sequences, contextTokens: context,
        seconds: 2
          * formula.decodeSeconds(sequences: sequences, contextTokens: sequences * context))
    }
    let measured = try replica(nil, StepTimeTable(file: "t.csv", rows: rows + decodes))
    var batch = StepTimeModel.Batch()
    batch.addPrefill(tokens: 64, cached: 0)
    batch.addDecode(sequences: 64, contextTokens: 64 * 8192)
    batch.sampledSequences = 65
    #expect(abs(measured.stepSeconds(batch) / formula.stepSeconds(batch) - 2) < 1e-9)
  }

  /// Between rising points times rise.
  @Test func timesRise() throws {
    let model = try replica(nil, table(sample))
    var last = 0.0
    for tokens in stride(from: 10, through: 2000, by: 10) {
      let seconds = model.prefillSeconds(tokens: tokens, cached: 700)
      #expect(seconds >= last, "\(tokens)")
      last = seconds
    }
    last = 0
    for cached in stride(from: 0, through: 9000, by: 50) {
      let seconds = model.prefillSeconds(tokens: 250, cached: cached)
      #expect(seconds >= last, "\(cached)")
      last = seconds
    }
  }

  @Test(arguments: [
    ("", "t.csv:1: no step follows"), ("prefill,1,0,0,0", "t.csv:2: has 5 cells, expected 6"),
    ("fill,1,0,0,0,1", "t.csv:2: kind: unknown \"fill\"; allowed are prefill, decode, mixed"),
    ("prefill,0,0,0,0,1", "tokens: expected a whole number from 1 to"),
    ("prefill,1.5,0,0,0,1", "tokens: expected a whole number"),
    ("prefill,8,-1,0,0,1", "cached: expected a whole number from 0"),
    ("prefill,8,0,2,0,1", "sequences: expected 0 or nothing in a prefill step, found \"2\""),
    ("decode,8,0,2,9,1", "tokens: expected 0 or nothing in a decode step"),
    ("decode,0,0,2,0,1", "context_tokens: expected a whole number from 1"),
    ("mixed,8,0,2,,1", "context_tokens: expected"), ("prefill,8,0,0,0,0", "above 0"),
    ("prefill,8,0,0,0,nan", "above 0"), ("prefill,8,0,0,0,inf", "above 0"),
    ("prefill,8,0,0,0,1e999", "above 0"), ("prefill,8,0,0,0,x", "found \"x\""),
    ("prefill,8,0,0,0,1\nprefill,9,0,0,0,1\nprefill,8,,,,2", "t.csv:4: is the step that line 2"),
  ]) func malformedRowsAreNamed(rows: String, fragment: String) throws {
    let error = #expect(throws: StepTimeTableError.self) { try table(rows) }
    #expect(error?.description.contains(fragment) == true, "\(error?.description ?? "")")
  }

  @Test(arguments: ["", "# nothing\n", "tokens,ms\n1,2\n", "\u{0}\u{1}\n"])
  func columnsAreRequired(_ text: String) {
    let error = #expect(throws: StepTimeTableError.self) {
      try StepTimeTable(file: "t.csv", text: Array(text.utf8))
    }
    #expect(error?.findings.count == 1)
    #expect(error?.description.contains("must name the columns kind,tokens") == true)
  }

  /// The script that measures a GPU writes the columns that are read here.
  @Test func theMeasuringScriptWritesTheseColumns() throws {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let script = try String(
      contentsOf: package.appendingPathComponent("Calibration/measure_gpu.py"), encoding: .utf8)
    let columns = StepTimeTable.columns.joined(separator: ",")
    #expect(script.contains("STEP_COLUMNS = \"\(columns)\""))
  }

  @Test func allFindingsAtOnceButNotThousands() {
    let error = #expect(throws: StepTimeTableError.self) {
      try table(String(repeating: "prefill,0,0,0,0,1\r\n", count: 1000))
    }
    #expect(error?.findings.count == 20)
    #expect(error?.findings.last?.line == 21)
  }
}

@Suite struct CalibrationTests {
  /// The measured table of the package; Calibration/README.md quotes these figures.
  @Test func fitsTheMeasuredH200() throws {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let file = package.appendingPathComponent("Calibration/h200/steps.csv")
    let table = try StepTimeTable(file: file.path, text: Array(Data(contentsOf: file)))
    #expect(table.rows.count == 62)
    #expect(abs(try Self.fit(table, from: "h200-sxm").meanError - 0.0626) < 5e-4)
    // Eager prefills of few tokens take the time of their launches.
    let rows = table.rows.filter { $0.kind != .prefill || $0.tokens > 256 }
    let fit = try Self.fit(StepTimeTable(file: file.path, rows: rows), from: "h200-sxm")
    #expect(abs(fit.meanError - 0.0165) < 5e-4)
    #expect(fit.worstError < 0.072)
  }

  /// Steps as a GPU of known parameters would take them.
  private static func synthetic(_ gpu: GPUSpec, mixed: Bool) throws -> StepTimeTable {
    let model = try replica(gpu)
    var rows: [StepTimeTable.Row] = []
    for tokens in [16, 64, 256, 1024, 4096, 16_384] {
      for cached in [0, 2048, 16_384] {
        rows.append(
          .init(
            kind: .prefill, tokens: tokens, cached: cached,
            seconds: model.prefillSeconds(tokens: tokens, cached: cached)))
      }
    }
    for sequences in [1, 8, 64, 256] {
      for context in [256, 2048, 8192] {
        rows.append(
          .init(
            kind: .decode, sequences: sequences, contextTokens: context,
            seconds: model.decodeSeconds(
              sequences: sequences, contextTokens: sequences * context)))
      }
    }
    for tokens in mixed ? [128, 2048] : [] {
      var batch = StepTimeModel.Batch()
      batch.addPrefill(tokens: tokens, cached: 512)
      batch.addDecode(sequences: 32, contextTokens: 32 * 1024)
      batch.sampledSequences = 33
      rows.append(
        .init(
          kind: .mixed, tokens: tokens, cached: 512, sequences: 32, contextTokens: 1024,
          seconds: model.stepSeconds(batch)))
    }
    return StepTimeTable(file: "t.csv", rows: rows)
  }

  private static func fit(_ table: StepTimeTable, from gpu: String) throws -> StepTimeCalibration {
    try StepTimeCalibration(
      table: table, gpu: try #require(Catalogue.builtIn.gpu(gpu)),
      model: try #require(Catalogue.builtIn.model("llama-3.1-8b")), tensorParallel: 1,
      weights: .bf16, kv: .bf16)
  }

  private static func truth() throws -> GPUSpec {
    var gpu = try #require(Catalogue.builtIn.gpu("h100-sxm"))
    gpu.fit = StepTimeFit(
      linearCompute: 0.6, linearMemory: 0.72, linearExponent: 1.9, linearFixedSeconds: 25e-6,
      prefillAttention: 0.41, prefillAttentionFixedSeconds: 9e-6, decodeAttention: 0.66,
      decodeAttentionFixedSeconds: 21e-6)
    return gpu
  }

  @Test func recoversAllEightParameters() throws {
    let gpu = try Self.truth()
    let calibration = try Self.fit(Self.synthetic(gpu, mixed: true), from: "h100-sxm")
    #expect(calibration.worstError < 1e-7)
    let truth = [0.6, 0.72, 1.9, 25, 0.41, 9, 0.66, 21]
    for (parameter, value) in zip(calibration.parameters, truth) {
      #expect(abs(parameter.value / value - 1) < 1e-5, "\(parameter.key)")
      #expect(parameter.held == nil)
      #expect(parameter.deviation != nil)
    }
    #expect(abs(calibration.fit.decodeAttentionFixedSeconds / 21e-6 - 1) < 1e-5)
  }

  /// Pure steps show the linear kernels' fixed time only together with the attention's.
  @Test func holdsWhatTheRowsDoNotShow() throws {
    let gpu = try Self.truth()
    let calibration = try Self.fit(Self.synthetic(gpu, mixed: false), from: "h100-sxm")
    let held = calibration.parameters.filter { $0.held != nil }
    #expect(held.map(\.key) == ["linear_fixed"])
    #expect(held.first?.value == held.first?.start)
    #expect(calibration.worstError < 1e-7)
    let sum = calibration.parameters[3].value + calibration.parameters[5].value
    #expect(abs(sum - 34) < 1e-3)
    let report = CalibrationReport(
      calibration, table: try Self.synthetic(gpu, mixed: false), gpu: "h100-sxm", setting: "x")
    let fragment = JSONNode(report.catalogueFragment)["gpu"]?["h100-sxm"]
    #expect(fragment?["linear_fixed"] == nil)
    let compute = try #require(fragment?["linear_compute"]?["value"]?.value.double)
    #expect(abs(compute - 0.6) < 1e-5)
    #expect(report.text.contains("held: only mixed steps"))
  }

  @Test func noiseLeavesAnErrorAndAnUncertainty() throws {
    let clean = try Self.synthetic(try Self.truth(), mixed: true)
    let rows = clean.rows.enumerated().map { index, row in
      var row = row
      row.seconds *= index.isMultiple(of: 2) ? 1.03 : 0.97
      return row
    }
    let calibration = try Self.fit(StepTimeTable(file: "t.csv", rows: rows), from: "h100-sxm")
    #expect((0.02...0.04).contains(calibration.meanError))
    let compute = calibration.parameters[0]
    #expect(abs(compute.value - 0.6) < 4 * (compute.deviation ?? 0))
  }

  @Test func tooFewSteps() throws {
    let error = #expect(throws: CalibrationError.self) {
      try Self.fit(table("prefill,100,0,0,0,10\ndecode,0,0,1,100,5"), from: "h100-sxm")
    }
    #expect(error?.description.contains("2 steps cannot fix 7 parameters") == true)
  }
}
