// A trace's figures as JSON and as a table.

import JSONText
import Workload

/// Renders `TraceStatistics`.
public enum TraceReport {
  private static func ratio(_ ratio: TraceStatistics.HitRatio) -> JSONValue {
    .object(["token": .number(ratio.token), "block": .number(ratio.block)])
  }

  private static func lengths(_ lengths: TraceStatistics.Lengths) -> JSONValue {
    .object([
      "mean": .number(lengths.mean), "p50": .number(lengths.p50), "p90": .number(lengths.p90),
      "p99": .number(lengths.p99), "max": .number(lengths.max),
    ])
  }

  public static func json(_ trace: TraceStatistics) -> JSONValue {
    .object([
      "requests": .integer(trace.requests), "duration_s": .number(trace.durationSeconds),
      "rate_rps": .number(trace.ratePerSecond), "iat_cv": .number(trace.interArrivalCV),
      "input_tokens": lengths(trace.input), "output_tokens": lengths(trace.output),
      "hit_ratio_infinite": ratio(trace.infinite),
      "hit_ratio_by_nodes": .object(
        trace.byNodes.map { ("\($0.nodes)", JSONNode(ratio($0.ratio))) }),
      "hit_ratio_by_lru_blocks": .object(
        trace.byCapacity.map { ("\($0.blocks)", JSONNode(ratio($0.ratio))) }),
    ])
  }

  public static func table(_ trace: TraceStatistics) -> String {
    func row(_ title: String, _ values: [String]) -> String {
      ComparisonTable.pad(title, 34)
        + values.map { ComparisonTable.padLeft($0, 12) }.joined() + "\n"
    }
    func lengths(_ l: TraceStatistics.Lengths) -> [String] {
      [l.mean, l.p50, l.p90, l.p99, l.max].map { Decimals.text($0, 0) }
    }
    func ratio(_ r: TraceStatistics.HitRatio) -> [String] {
      [Decimals.text(r.token, 4), Decimals.text(r.block, 4)]
    }
    var text = row("requests", ["\(trace.requests)"])
    text += row("duration (s)", [Decimals.text(trace.durationSeconds, 1)])
    text += row("rate (requests/s)", [Decimals.text(trace.ratePerSecond, 3)])
    text += row("inter-arrival CV", [Decimals.text(trace.interArrivalCV, 2)])
    text += row("", ["mean", "P50", "P90", "P99", "max"])
    text += row("input tokens", lengths(trace.input))
    text += row("output tokens", lengths(trace.output))
    text += row("", ["token hits", "block hits"])
    text += row("one cache without limit", ratio(trace.infinite))
    for (nodes, value) in trace.byNodes.dropFirst() {
      text += row("\(nodes) nodes, random routing", ratio(value))
    }
    for (blocks, value) in trace.byCapacity { text += row("LRU, \(blocks) blocks", ratio(value)) }
    return text
  }
}
