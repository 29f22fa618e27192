// A workload to begin with, as a file that explains itself.

import Rack
import Workload

/// Writes a first workload for a rack of the catalogue.
public enum StartingWorkload {
  /// Racks that there are.
  public static var presets: [String] { Catalogue.builtIn.rackNames }

  /// A workload file for the rack `preset`; keys that begin with "//" are comments.
  ///
  /// Nil if the catalogue has no such rack.
  public static func text(preset: String, name: String) -> String? {
    guard let rack = Catalogue.builtIn.rack(preset) else { return nil }
    let workers =
      "\(rack.prefill.count) prefill and \(rack.decode.count) decode workers with "
      + "\(rack.prefill.gpu.name) and \(rack.decode.gpu.name)"
    return """
      {
        "//": "A workload of tract-sim. Run it: tract-sim run FILE. Keys that begin with // are comments.",
        "// all keys": "Workloads/schema/workload.schema.json describes them; an editor completes them by it.",
        "name": "\(name)",
        "seed": 1,

        "// model": "tract-sim catalog models lists what there is.",
        "model": "llama-3.1-8b",

        "// rack": "\(workers). Any part can be replaced: tract-sim catalog hardware lists parts, and tract-sim run FILE --output DIR writes all figures that were used to DIR/workload.json.",
        "rack": {
          "preset": "\(preset)",
          "prefill": { "count": \(rack.prefill.count), "tensor_parallel": 1 },
          "decode": { "count": \(rack.decode.count), "tensor_parallel": 1 }
        },

        "// systems": "What is compared; also aggregated, mooncake, beluga, tract-nocache and ideal. A system with parameters is an object: { \\"base\\": \\"tract\\", \\"cache_gib\\": 48 }.",
        "systems": ["nixl", "lmcache", "tract"],
        "// baseline": "Ratios in the report refer to it.",
        "baseline": "nixl",
        "router": "least_loaded",

        "// traffic": "Prompts of 4000 tokens, of which the last 2000 are their own and the rest is one of 50 shared prefixes. Instead: { \\"kind\\": \\"trace\\", \\"file\\": \\"trace.jsonl\\" } replays recorded requests, { \\"kind\\": \\"sessions\\", \\"model\\": \\"mooncake-conversation\\" } draws conversations.",
        "traffic": {
          "kind": "synthetic",
          "input_tokens": 4000,
          "input_tokens_std": 400,
          "output_tokens": 128,
          "output_tokens_std": 16,
          "unique_tokens": 2000,
          "unique_tokens_std": 200,
          "prefix_groups": 50,
          "// arrivals": "Also gamma (bursts), deterministic, and closed_loop with a concurrency.",
          "arrivals": { "process": "poisson", "rate_rps": \(rack.prefill.count) }
        },

        "// stop": "The first requests meet empty caches; warm-up requests count in no figure.",
        "stop": { "requests": 1000, "warmup_requests": 100 },

        "// slo": "What a good request is: goodput counts those that meet it, and tract-sim capacity looks for the rate that does.",
        "slo": { "ttft_ms": 4000, "tpot_ms": 60 }
      }

      """
  }
}
