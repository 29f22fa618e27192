// AIPerf's console table and JSON object of metrics.

import EventKernel
import JSONText
import Serving
import Workload

/// A comparison as NVIDIA AIPerf reports one, by its definitions: the inter token latency is one
/// value a request, (request latency - TTFT) / (output tokens - 1).
///
/// Time to second token is left out, which runs do not record; no token is of reasoning, so that
/// the first output token is the first token.
public enum AIPerfFormat {
  /// One row: of a distribution over requests, or of a single value.
  private struct Metric {
    var tag: String
    var title: String
    var unit: String
    /// Ascending.
    var samples: [Double]
    var isScalar = false
    /// Whether AIPerf's console shows it.
    var isShown = true
  }

  /// The console table, once for each system.
  public static func table(_ comparison: Comparison) -> String {
    systems(comparison).map { system, metrics in
      let columns = ["Metric", "avg", "min", "max", "p99", "p90", "p50", "std"]
      let rows = metrics.filter(\.isShown).map { metric in
        ["\(metric.title) (\(metric.unit))"] + cells(metric)
      }
      let width = columns.indices.map { column in
        ([columns] + rows).map { $0[column].count }.max() ?? 0
      }
      func rule(_ left: String, _ fill: String, _ middle: String, _ right: String) -> String {
        left + width.map { String(repeating: fill, count: $0 + 2) }.joined(separator: middle)
          + right
      }
      func line(_ cells: [String], _ bar: String) -> String {
        bar
          + zip(cells, width).map { " \(ComparisonTable.padLeft($0, $1)) " }.joined(separator: bar)
          + bar
      }
      let title = "tract-sim \(system) | LLM Metrics"
      let indent = max(0, (width.reduce(width.count * 3 + 1, +) - title.count) / 2)
      let lines = [
        String(repeating: " ", count: indent) + title, rule("┏", "━", "┳", "┓"),
        line(columns, "┃"), rule("┡", "━", "╇", "┩"),
      ]
      return (lines + rows.map { line($0, "│") } + [rule("└", "─", "┴", "┘")])
        .joined(separator: "\n") + "\n"
    }.joined(separator: "\n")
  }

  private static func cells(_ metric: Metric) -> [String] {
    let samples = metric.samples
    let average = grouped(Statistics.mean(samples))
    if metric.isScalar { return [average] + Array(repeating: "N/A", count: 6) }
    return [average, grouped(samples.first ?? .nan), grouped(samples.last ?? .nan)]
      + [0.99, 0.9, 0.5].map { grouped(Statistics.quantile(sorted: samples, $0)) }
      + [grouped(Statistics.populationDeviation(samples))]
  }

  /// Two decimals, thousands apart by commas; "N/A" if there is none.
  private static func grouped(_ value: Double) -> String {
    guard value.isFinite else { return "N/A" }
    let text = Decimals.text(value, 2)
    let parts = text.split(separator: ".").map(String.init)
    guard parts.count == 2, let digits = parts.first else { return text }
    var whole = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { whole += "," }
      whole.append(digit)
    }
    return whole + "." + parts[1]
  }

  /// The members of `profile_export_aiperf.json` that a simulation has, once for each system, one a
  /// line.
  public static func json(_ comparison: Comparison) -> String {
    systems(comparison).map { system, metrics in
      let workload = comparison.workload
      let failures = comparison.metrics.first { $0.system == system }?.failures ?? []
      var members: [(key: String, value: JSONNode)] = [
        ("schema_version", JSONNode(.string("1.4"))),
        (
          "input_config",
          JSONNode(
            .object([
              "generator": .string("tract-sim \(Comparison.version)"),
              "name": .string(workload.name), "system": .string(system),
              "model": .string(workload.model.name), "random_seed": .integer(Int(workload.seed)),
            ]))
        ),
        ("was_cancelled", JSONNode(.bool(false))), ("is_complete", JSONNode(.bool(true))),
        (
          "error_summary",
          JSONNode(
            .list(
              failures.map { failure in
                .object([
                  "error_details": .object(["message": .string(failure.reason)]),
                  "count": .integer(failure.count),
                ])
              }))
        ),
      ]
      members += metrics.map { ($0.tag, JSONNode(object($0))) }
      return JSONValue.object(members).text(indented: false) + "\n"
    }.joined()
  }

  private static func object(_ metric: Metric) -> JSONValue {
    let samples = metric.samples
    var members: [(key: String, value: JSONNode)] = [
      ("unit", JSONNode(.string(metric.unit))),
      ("avg", JSONNode(.number(Statistics.mean(samples)))),
    ]
    guard !metric.isScalar else { return .object(members) }
    for percent in [1, 5, 10, 25, 50, 75, 90, 95, 99] {
      let value = Statistics.quantile(sorted: samples, Double(percent) / 100)
      members.append(("p\(percent)", JSONNode(.number(value))))
    }
    members += [
      ("min", JSONNode(.number(samples.first ?? .nan))),
      ("max", JSONNode(.number(samples.last ?? .nan))),
      ("std", JSONNode(.number(Statistics.populationDeviation(samples)))),
      ("count", JSONNode(.integer(samples.count))),
      ("sum", JSONNode(.number(samples.reduce(0, +)))),
    ]
    return .object(members)
  }

  // MARK: The metrics

  private static func systems(_ comparison: Comparison) -> [(system: String, metrics: [Metric])] {
    zip(comparison.runs, comparison.metrics).map { run, figures in
      (figures.system, metrics(run, figures, comparison.workload))
    }
  }

  private static func metrics(
    _ run: RunResult, _ figures: Metrics, _ workload: Workload
  ) -> [Metric] {
    let done = run.requests.dropFirst(workload.stop.warmupRequests)
      .filter { $0.outcome == .completed }
    func samples(_ value: (RequestRecord) -> Double?) -> [Double] {
      done.compactMap(value).sorted()
    }
    func sum(_ value: (RequestRecord) -> Int) -> Double {
      Double(done.reduce(0) { $0 + value($1) })
    }
    func scalar(
      _ tag: String, _ title: String, _ unit: String, _ value: Double?, isShown: Bool = false
    ) -> [Metric] {
      guard let value else { return [] }
      return [
        Metric(
          tag: tag, title: title, unit: unit, samples: [value], isScalar: true, isShown: isShown)
      ]
    }
    func record(
      _ tag: String, _ title: String, _ unit: String, isShown: Bool = true,
      _ value: (RequestRecord) -> Double?
    ) -> [Metric] {
      [Metric(tag: tag, title: title, unit: unit, samples: samples(value), isShown: isShown)]
    }
    let duration = figures["duration"] ?? .nan
    let input = sum(\.inputTokens)
    let cached = sum(\.cachedTokens)
    let good = figures["request_goodput"].map { ($0 * duration).rounded() }
    let perUser = "tokens/sec/user"
    return record("time_to_first_token", "Time to First Token", "ms", ttft)
      + record("time_to_first_output_token", "Time to First Output Token", "ms", ttft)
      + record("request_latency", "Request Latency", "ms", latency)
      + record("inter_token_latency", "Inter Token Latency", "ms", \.tokenMilliseconds)
      + record("output_token_throughput_per_user", "Output Token Throughput Per User", perUser) {
        $0.tokenMilliseconds.flatMap { $0 > 0 ? 1e3 / $0 : nil }
      }
      + record(
        "e2e_output_token_throughput", "E2E Output Token Throughput", perUser, isShown: false
      ) { r in latency(r).map { Double(r.outputTokens) / $0 * 1e3 } }
      + record(
        "prefill_throughput_per_user", "Prefill Throughput Per User", perUser, isShown: false
      ) { r in ttft(r).map { Double(r.inputTokens) / $0 * 1e3 } }
      + record("output_sequence_length", "Output Sequence Length", "tokens") {
        Double($0.outputTokens)
      }
      + record("input_sequence_length", "Input Sequence Length", "tokens") {
        Double($0.inputTokens)
      }
      + scalar(
        "output_token_throughput", "Output Token Throughput", "tokens/sec",
        figures["output_throughput"], isShown: true)
      + scalar(
        "request_throughput", "Request Throughput", "requests/sec", figures["request_throughput"],
        isShown: true)
      + scalar(
        "goodput", "Goodput", "requests/sec", figures["request_goodput"], isShown: true)
      + scalar("request_count", "Request Count", "requests", Double(done.count), isShown: true)
      + scalar("error_request_count", "Error Request Count", "requests", figures["failed"])
      + scalar("good_request_count", "Good Request Count", "requests", good)
      + scalar(
        "good_request_fraction", "Good Request Fraction", "ratio",
        good.map { $0 / Double(done.count) })
      + scalar("total_isl", "Total Input Sequence Length", "tokens", input)
      + scalar("total_osl", "Total Output Sequence Length", "tokens", sum(\.outputTokens))
      + scalar("input_token_throughput", "Input Token Throughput", "tokens/sec", input / duration)
      + scalar(
        "total_token_throughput", "Total Token Throughput", "tokens/sec",
        figures["total_token_throughput"])
      + scalar("benchmark_duration", "Benchmark Duration", "sec", duration)
      + scalar(
        "usage_prompt_cache_read_tokens", "Prompt Cache Read Tokens", "tokens", cached)
      + scalar(
        "usage_prompt_cache_miss_tokens", "Prompt Cache Miss Tokens", "tokens", input - cached)
  }

  private static func ttft(_ record: RequestRecord) -> Double? {
    record.firstToken.map { ($0 - record.arrival).milliseconds }
  }

  private static func latency(_ record: RequestRecord) -> Double? {
    record.finished.map { ($0 - record.arrival).milliseconds }
  }
}
