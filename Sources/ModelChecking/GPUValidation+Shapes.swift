// Parameter counts that follow from models' shapes against those their authors publish.

import Rack

extension Validation {
  /// Total and active parameters.
  static var parameterCounts: [Validation] {
    let source =
      "the models' cards and papers; gpt-oss: arXiv 2508.10925, DeepSeek-V3: arXiv 2412.19437"
    return [
      Validation(
        "gpu-parameters", title: "All parameters of a model, from its shape", source: source,
        unit: "billions", limit: .each(0.01),
        rows: [
          ("llama-3.1-8b", 8.03), ("llama-3.1-70b", 70.6), ("llama-3.1-405b", 405.9),
          ("qwen3-4b", 4.0), ("qwen3-8b", 8.2), ("qwen3-32b", 32.8), ("qwen3-235b-a22b", 235),
          ("gpt-oss-120b", 116.83), ("deepseek-v3", 671),
        ].map { name, billions in
          Row(
            name, reference: billions,
            model: Double(Catalogue.builtIn.model(name)!.parameters) / 1e9)
        }),
      // Published to whole billions but for gpt-oss: half a unit of 22 is 2.3 %.
      Validation(
        "gpu-parameters-active", title: "Parameters that one token is multiplied with",
        source: source, unit: "billions", limit: .each(0.023),
        rows: [("qwen3-235b-a22b", 22), ("gpt-oss-120b", 5.13), ("deepseek-v3", 37)].map {
          name, billions in
          Row(
            name, reference: billions,
            model: Double(Catalogue.builtIn.model(name)!.activeParameters) / 1e9)
        }),
    ]
  }
}
