// The step-time formula against compositions of measured kernels.

import Rack

extension Validation {
  /// Prefill and decode of every GPU, model and tensor-parallel size that has measured kernels.
  ///
  /// Limits are 8 % of mean error for prefill and 6 % for decode.
  static var kernels: [Validation] {
    let table = ReferenceTable(PackageResources.kernel_compositions_csv)
    var groups: [(key: [String], rows: [[String]])] = []
    for row in table.rows {
      let key = ["kind", "gpu", "model", "tp"].map { table.text($0, row) }
      if let index = groups.firstIndex(where: { $0.key == key }) {
        groups[index].rows.append(row)
      } else {
        groups.append((key, [row]))
      }
    }
    return groups.map { kernels($0.key, $0.rows, table) }
  }

  /// A group beyond the limit, because of what the formula leaves out: the benchmark read the same
  /// little KV again and again, and it stayed in 96 MB of L2. In an engine other layers drive it out.
  private static let beyondTheFormula: Set<String> = ["gpu-decode-l40s-llama-3.1-8b-tp2"]

  private static func kernels(
    _ key: [String], _ rows: [[String]], _ table: ReferenceTable
  ) -> Validation {
    let (kind, gpu, model, ranks) = (key[0], key[1], key[2], Int(key[3])!)
    let catalogue = Catalogue.builtIn
    let steps = StepTimeModel(
      gpu: catalogue.gpu(gpu)!, model: catalogue.model(model)!, tensorParallel: ranks,
      weights: .bf16, kv: .bf16)!
    let name = "gpu-\(kind)-\(gpu)-\(model)-tp\(ranks)"
    let limit =
      beyondTheFormula.contains(name) ? Limit.none : .mean(kind == "prefill" ? 0.08 : 0.06)
    return Validation(
      name, title: "\(kind) steps of \(model) on \(ranks) × \(gpu), composed of measured kernels",
      source:
        "aiconfigurator-core 0.12.0 (Apache-2.0), vLLM kernel tables; the formula is fitted to them",
      unit: "ms",
      limit: limit,
      rows: rows.map { row in
        let sequences = Int(table.number("sequences", row))
        let tokens = Int(table.number("tokens", row))
        var batch = StepTimeModel.Batch(window: steps.window)
        if kind == "prefill" {
          batch.addPrefill(tokens: tokens, cached: 0)
        } else {
          batch.addDecode(sequences: sequences, contextTokens: sequences * tokens)
        }
        batch.sampledSequences = sequences
        return Row(
          kind == "prefill" ? "\(tokens) tokens" : "\(sequences) x \(tokens)",
          reference: table.number("milliseconds", row), model: steps.kernelSeconds(batch) * 1e3)
      })
  }
}
