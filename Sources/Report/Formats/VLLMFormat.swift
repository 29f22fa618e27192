// The layout that `vllm bench serve` prints.

import Workload

/// A comparison as vLLM's serving benchmark would print it.
public enum VLLMFormat {
  /// The block, once for each system.
  ///
  /// The peak of output tokens a second is left out: runs do not record when each token came.
  public static func text(_ comparison: Comparison) -> String {
    comparison.metrics.map { system in
      func line(_ label: String, _ key: String, _ decimals: Int = 2) -> String {
        let value = Decimals.text(system[key] ?? .nan, decimals)
        return ComparisonTable.pad(label, 40) + " " + value
      }
      func section(_ title: String, _ name: String, _ short: String) -> [String] {
        [
          centred(title, "-"), line("Mean \(short) (ms):", "mean_\(name)_ms"),
          line("Median \(short) (ms):", "median_\(name)_ms"),
          line("P99 \(short) (ms):", "p99_\(name)_ms"),
        ]
      }
      var lines = [
        "system: \(system.system)", centred(" Serving Benchmark Result ", "="),
        line("Successful requests:", "completed", 0), line("Failed requests:", "failed", 0),
        line("Benchmark duration (s):", "duration"),
        line("Total input tokens:", "total_input_tokens", 0),
        line("Total generated tokens:", "total_output_tokens", 0),
        line("Request throughput (req/s):", "request_throughput"),
      ]
      if system["request_goodput"] != nil {
        lines.append(line("Request goodput (req/s):", "request_goodput"))
      }
      lines += [
        line("Output token throughput (tok/s):", "output_throughput"),
        line("Peak concurrent requests:", "max_concurrent_requests", 0),
        line("Total token throughput (tok/s):", "total_token_throughput"),
      ]
      lines += section("Time to First Token", "ttft", "TTFT")
      lines += section("Time per Output Token (excl. 1st token)", "tpot", "TPOT")
      lines += section("Inter-token Latency", "itl", "ITL")
      lines += section("End-to-end Latency", "e2el", "E2EL")
      lines += [
        centred("KV transfer and cache", "-"),
        line("Prefix cache hit ratio (tokens):", "prefix_cache_reused_ratio", 4),
        line("Mean prefill KV read (ms):", "mean_prefill_kv_read_ms"),
        line("Mean decode KV read (ms):", "mean_decode_kv_read_ms"),
        line("P99 decode KV read (ms):", "p99_decode_kv_read_ms"),
        String(repeating: "=", count: 50),
      ]
      return lines.map(ComparisonTable.trimmed).joined(separator: "\n") + "\n"
    }.joined(separator: "\n")
  }

  /// How requests were offered, where a rate or a concurrency was set.
  private static func setting(_ arrivals: Traffic.Arrivals) -> [String] {
    func line(_ label: String, _ value: String) -> String {
      ComparisonTable.pad(label, 40) + " " + value
    }
    switch arrivals {
    case .closedLoop(let concurrency, _):
      return [line("Maximum request concurrency:", "\(concurrency)")]
    case .poisson(let rate), .gamma(let rate, _), .deterministic(let rate):
      return [line("Request rate configured (RPS):", Decimals.text(rate, 2))]
    case .sessions(let sessions):
      return sessions.concurrency.map { [line("Maximum request concurrency:", "\($0)")] } ?? []
    case .recorded: return []
    }
  }

  private static func centred(_ title: String, _ fill: String) -> String {
    let left = (50 - title.count) / 2
    return String(repeating: fill, count: left) + title
      + String(repeating: fill, count: 50 - left - title.count)
  }
}
