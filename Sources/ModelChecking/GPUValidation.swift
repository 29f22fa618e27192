// The step-time formula against measured serving runs.

import Rack

extension Validation {
  /// All validations of GPU step times.
  static var gpu: [Validation] { parameterCounts + [servingH100] + kernels + estimates }

  /// Closed loop with `c` requests under way: while one sequence decodes its `osl` tokens, `c`
  /// prompts are computed, so TPOT = decode(c, isl + osl/2) + c · prefill(isl) / osl.
  private static var servingH100: Validation {
    let table = ReferenceTable(PackageResources.serving_h100_llama8b_csv)
    let catalogue = Catalogue.builtIn
    let steps = StepTimeModel(
      gpu: catalogue.gpu("h100-sxm")!, model: catalogue.model("llama-3.1-8b")!,
      tensorParallel: 1, weights: .bf16, kv: .bf16)!
    return Validation(
      "gpu-serving-h100", title: "TPOT of Llama-3.1-8B on one H100, nothing fitted to these rows",
      source: "aiconfigurator-core 0.12.0 (Apache-2.0), silicon_sample.csv, TensorRT-LLM 1.0.0rc3",
      unit: "ms per token", limit: .mean(0.04),
      rows: table.rows.map { row in
        let prompt = Int(table.number("isl", row))
        let output = Int(table.number("osl", row))
        let count = Int(table.number("concurrency", row))
        let decode = steps.decodeSeconds(
          sequences: count, contextTokens: count * (prompt + output / 2))
        let prefill = steps.prefillSeconds(tokens: prompt, cached: 0)
        return Row(
          "isl \(prompt) osl \(output) concurrency \(count)",
          reference: table.number("tpot_ms", row),
          model: (decode + Double(count) * prefill / Double(output)) * 1e3)
      })
  }
}
