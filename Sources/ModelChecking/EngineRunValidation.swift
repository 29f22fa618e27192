// A published vLLM run, request by request, beside ours of the same arrivals.

import EventKernel
import Rack
import Serving
import Workload

extension Validation {
  /// 300 ShareGPT requests at 10 a second on one RTX 4090: far more than it can hold, so that
  /// waiting, admission and preemption decide the times. The limit is the margin within which
  /// LLMServingSim's own comparison with this run calls two means equivalent.
  static var engineRun: [Validation] {
    let table = ReferenceTable(PackageResources.vllm_rtx4090_llama8b_csv)
    let records = servedOnRTX4090(table)
    func column(_ name: String) -> [Double] { table.rows.map { table.number(name, $0) } }
    let ttft = records.map { ($0.firstToken! - $0.arrival).seconds * 1e3 }
    let tpot = records.map {
      ($0.finished! - $0.firstToken!).seconds * 1e3 / Double($0.outputTokens - 1)
    }
    func validation(_ name: String, _ what: String, _ reference: [Double], _ ours: [Double])
      -> Validation
    {
      Validation(
        "engine-\(name)-rtx4090",
        title: "\(what) of 300 requests to vLLM on one RTX 4090, kernels fitted, nothing else",
        source: "casys-kaist/LLMServingSim@5daddb2 (MIT), bench/examples/RTX4090/Llama-3.1-8B",
        unit: "ms", limit: .each(0.1),
        rows: statistics.map { label, statistic in
          Row(label, reference: statistic(reference.sorted()), model: statistic(ours.sorted()))
        })
    }
    return [
      validation("ttft", "Time to the first token", column("ttft_ms"), ttft),
      validation("tpot", "Time per further token", column("tpot_ms"), tpot),
    ]
  }

  private static var statistics: [(String, ([Double]) -> Double)] {
    [("mean", Statistics.mean)]
      + [("median", 0.5), ("90th percentile", 0.9), ("95th percentile", 0.95)].map { label, share in
        (label, { Statistics.quantile(sorted: $0, share) })
      }
  }

  /// Our run on the same arrivals, with the KV memory that vLLM had.
  private static func servedOnRTX4090(_ table: ReferenceTable) -> [RequestRecord] {
    // LLMServingSim's log and configuration: 2588 blocks of 16 tokens, 2048 tokens a step, 256
    // sequences, prefix caching on. The share of memory is the one that leaves so many blocks.
    let catalogue = Catalogue.builtIn
    guard let gpu = catalogue.gpu("rtx-4090"), let model = catalogue.model("llama-3.1-8b") else {
      preconditionFailure("the catalogue lacks what the vLLM run ran on")
    }
    let bytes =
      Double(2588 * 16 * model.kvBytesPerToken(elementBytes: 2))
      + Double(model.parameters * 2) + catalogue.software("activation_reserve")
    let text = """
      {"name": "rtx-4090", "seed": 1, "model": "llama-3.1-8b",
       "rack": {"preset": "tract-testbed", "prefill": {"gpu": "rtx-4090"},
         "decode": {"gpu": "rtx-4090"}},
       "engine": {"max_batched_tokens": 2048, "max_sequences": 256,
         "gpu_memory_utilization": \((bytes + 4096) / Double(gpu.memoryBytes))},
       "systems": [{"base": "aggregated", "hbm_prefix_cache": true}],
       "traffic": {"kind": "static", "input_tokens": 1, "output_tokens": 1,
         "arrivals": {"process": "poisson", "rate_rps": 1}},
       "stop": {"requests": 1}}
      """
    var workload: Workload
    do {
      workload = try WorkloadFile.decode(Array(text.utf8), name: "rtx-4090", folder: "")
    } catch {
      preconditionFailure("the workload of the vLLM run is wrong: \(error)")
    }
    let requests = table.rows.enumerated().map { index, row in
      OfferedRequest(
        arrival: .zero + .seconds(table.number("arrival_s", row)),
        inputTokens: Int(table.number("input", row)),
        outputTokens: Int(table.number("output", row)),
        // One id names the whole prompt: no two share anything.
        promptIDs: [UInt64(index)])
    }
    // One engine: a rack without decode hosts cannot be written down, but is one all the same.
    workload.rack.decode.count = 0
    let run = ServingRun.run(
      system: workload.systems[0], workload: workload,
      stream: RequestStream(blockTokens: 1 << 20, requests: requests))
    precondition(run.violations.isEmpty, "a law is broken: \(run.violations)")
    return run.requests
  }
}
