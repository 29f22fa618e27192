// The step-time formula against another tool's estimates, on shapes and prefixes it was not fitted to.

import Rack

extension Validation {
  /// Whole steps of aiconfigurator: cached prefixes and shapes that no parameter was fitted to.
  ///
  /// Dense models keep the limits of composed kernels; models with experts are reported only:
  /// `docs/MODELS.md` says what the formula leaves out of them.
  static var estimates: [Validation] {
    let table = ReferenceTable(PackageResources.aiconfigurator_steps_csv)
    var groups: [(key: [String], rows: [[String]])] = []
    for row in table.rows {
      let key = ["kind", "gpu", "model", "tp", "ep", "weights", "kv"].map { table.text($0, row) }
      if let index = groups.firstIndex(where: { $0.key == key }) {
        groups[index].rows.append(row)
      } else {
        groups.append((key, [row]))
      }
    }
    return groups.map { estimates($0.key, $0.rows, table) }
  }

  private static func estimates(
    _ key: [String], _ rows: [[String]], _ table: ReferenceTable
  ) -> Validation {
    let (kind, gpu, ranks, isDealt) = (key[0], key[1], Int(key[3])!, key[4] == "1")
    let catalogue = Catalogue.builtIn
    let model = catalogue.model(key[2])!
    let steps = StepTimeModel(
      gpu: catalogue.gpu(gpu)!, model: model, tensorParallel: ranks,
      weights: NumberFormat(rawValue: key[5])!, kv: NumberFormat(rawValue: key[6])!,
      expertParallel: isDealt)!
    let limit = model.experts != nil ? Limit.none : .mean(kind == "prefill" ? 0.08 : 0.06)
    return Validation(
      "gpu-estimate-\(kind)-\(gpu)-\(key[2])-\(isDealt ? "ep" : "tp")\(ranks)",
      title: "\(kind) steps of \(key[2]) on \(ranks) × \(gpu), against another tool's estimates",
      source: "aiconfigurator 0.12.0 (Apache-2.0), from its tables of measured vLLM kernels",
      unit: "ms", limit: limit,
      rows: rows.map { row in
        let sequences = Int(table.number("sequences", row))
        let tokens = Int(table.number("tokens", row))
        let context = Int(table.number("context", row))
        let seconds =
          kind == "prefill"
          ? steps.prefillSeconds(tokens: tokens, cached: context)
          : steps.decodeSeconds(sequences: sequences, contextTokens: sequences * context)
        return Row(
          kind == "prefill" ? "\(tokens) after \(context)" : "\(sequences) x \(context)",
          reference: table.number("milliseconds", row), model: seconds * 1e3)
      })
  }
}
