// Random workloads over all systems and mechanisms.

import EventKernel

enum RandomWorkload {
  /// A workload drawn from the corners: little memory, small and odd blocks, every switch.
  static func text(seed: UInt64, faults: Bool = false) -> String {
    var random = RandomStream(seed: seed, name: "workloads")
    func pick(_ choices: String...) -> String { choices[random.integer(below: choices.count)] }
    func flag() -> String { pick("true", "false") }
    let mechanisms = {
      "\"synchronous_load\": \(flag()), \"synchronous_save\": \(flag()), \"layerwise\": \(flag()), "
        + "\"hold_until_sent\": \(flag())"
    }
    let crash = {
      let worker = "\"worker\": \(pick("0", "1"))"
      return pick(
        "{\"kind\": \"node_crash\", \(worker), \"at_s\": \(pick("0.5", "2")), "
          + "\"return_after_s\": \(pick("0.1", "1"))}",
        "{\"kind\": \"link_down\", \"link\": \"nic\", \(worker), \"at_s\": 1, \"for_s\": 0.5}",
        "")
    }
    return """
      {"name": "random", "seed": \(seed), "model": "\(pick("llama-3.1-8b", "qwen3-8b"))",
       "rack": {"preset": "\(pick("tract-testbed", "h100-rack"))",
         "prefill": {"count": \(pick("1", "2", "3"))}, "decode": {"count": \(pick("1", "2", "3"))},
         "nic": {"gpudirect": \(flag()), "hol_coupling": \(pick("0", "0.5", "1"))}},
       "engine": {"block_tokens": \(pick("8", "16", "32")), "watermark": \(pick("0", "0.01", "0.1")),
         "max_batched_tokens": \(pick("512", "2048", "8192")),
         "max_sequences": \(pick("2", "16", "256")),
         "gpu_memory_utilization": \(pick("0.9", "0.5", "0.45"))},
       "router": "\(pick("round_robin", "least_loaded", "random", "session_affinity", "kv_aware"))",
       "systems": ["nixl", "ideal", {"base": "aggregated", "hbm_prefix_cache": \(flag())},
         {"base": "lmcache", "cache_gib": \(pick("0.1", "1", "8")),
          "block_tokens": \(pick("16", "64", "256")), \(mechanisms())},
         {"base": "tract", \(pick(
            #""cache_gib": 1"#, #""cache_gib": 2"#, #""cache_gib": 8"#,
            // Waiting for whole prompts needs a pool for those of all workers.
            #""cache_gib": 8, "ready_wait": "whole_prompt""#)),
          "block_tokens": \(pick("16", "64", "100")), \(mechanisms()),
          "write_batch_blocks": \(pick("1", "16", "100")), "poll_us": \(pick("0.2", "1", "50"))},
         {"base": "mooncake", "cache_gib": \(pick("0.1", "1", "8")),
          "block_tokens": \(pick("16", "64", "100")), "transfer_tokens": \(pick("16", "64")),
          "placement": "\(pick("local", "random"))", "rpc_threads": \(pick("1", "4")),
          "read_lease_ms": \(pick("0", "100", "5000")), "eviction_ratio": \(pick("0.01", "0.5")),
          "synchronous_save": \(flag()), "hold_until_sent": \(flag())},
         {"base": "beluga", "cache_gib": \(pick("1", "2", "8")),
          "block_tokens": \(pick("16", "64", "100")), "copy_method": "\(pick("kernel", "dma"))",
          \(mechanisms()), "rpc_key_us": \(pick("0.08", "2"))},
         {"base": "tract-nocache", "cache_gib": \(pick("1", "8"))}],
       "traffic": {"kind": "synthetic", "input_tokens": \(pick("50", "700", "4000")),
         "input_tokens_std": \(pick("0", "30")), "output_tokens": \(pick("1", "20", "200")),
         "output_tokens_std": \(pick("0", "5")), "unique_tokens": \(pick("1", "40")),
         "prefix_groups": \(pick("1", "5", "100")), "arrivals": \(pick(
           #"{"process": "poisson", "rate_rps": 5}"#, #"{"process": "poisson", "rate_rps": 50}"#,
           #"{"process": "gamma", "rate_rps": 5, "burstiness": 0.2}"#,
           #"{"process": "closed_loop", "concurrency": 10}"#,
           #"{"process": "deterministic", "rate_rps": 3}"#))},
       "stop": {"requests": \(pick("1", "30", "100"))}, "faults": [\(faults ? crash() : "")]}
      """
  }
}
