// A trace's figures as JSON, as a table and as the curve of hits against capacity.

import JSONText
import Workload

/// Renders `TraceStatistics`.
public struct TraceReport {
  private let trace: TraceStatistics
  /// KV of one token, bytes; nil leaves capacities in blocks.
  private let bytesPerToken: Int?

  public init(_ trace: TraceStatistics, bytesPerToken: Int? = nil) {
    self.trace = trace
    self.bytesPerToken = bytesPerToken
  }

  /// Capacities of the table: tenths of what never evicts.
  private var tenths: [Int] {
    // Short traces have fewer distinct blocks than steps.
    Set((1...10).map { trace.distances.distinct * $0 / 10 }).filter { $0 > 0 }.sorted()
  }

  /// Capacities in 1e9 bytes of KV, and in blocks; none without a model.
  private var gigabytes: [(size: Int, blocks: Int)] {
    guard let bytesPerToken else { return [] }
    return [10, 20, 50, 100, 200, 500, 1000, 2000, 5000].map {
      ($0, $0 * 1_000_000_000 / (bytesPerToken * trace.blockTokens))
    }
  }

  private func ratio(_ ratio: TraceStatistics.HitRatio) -> JSONNode {
    JSONNode(.object(["token": .number(ratio.token), "block": .number(ratio.block)]))
  }

  private func lengths(_ lengths: TraceStatistics.Lengths) -> JSONNode {
    JSONNode(
      .object([
        "mean": .number(lengths.mean), "p50": .number(lengths.p50), "p90": .number(lengths.p90),
        "p99": .number(lengths.p99), "max": .number(lengths.max),
      ]))
  }

  public var json: JSONValue {
    func number(_ value: Double) -> JSONNode { JSONNode(value.isFinite ? .number(value) : .null) }
    var members: [(key: String, value: JSONNode)] = [
      ("requests", JSONNode(.integer(trace.requests))),
      ("sessions", JSONNode(.integer(trace.sessions))),
      ("duration_s", number(trace.durationSeconds)), ("rate_rps", number(trace.ratePerSecond)),
      ("iat_cv", number(trace.interArrivalCV)), ("input_tokens", lengths(trace.input)),
      ("output_tokens", lengths(trace.output)),
      ("block_tokens", JSONNode(.integer(trace.blockTokens))),
      ("distinct_blocks", JSONNode(.integer(trace.distances.distinct))),
      ("hit_ratio_infinite", ratio(trace.infinite)),
      (
        "hit_ratio_by_nodes",
        JSONNode(.object(trace.byNodes.map { ("\($0.nodes)", ratio($0.ratio)) }))
      ),
      (
        "hit_ratio_by_lru_blocks",
        JSONNode(.object(tenths.map { ("\($0)", ratio(trace.distances.ratio(capacity: $0))) }))
      ),
    ]
    if bytesPerToken != nil {
      let values = gigabytes.map {
        ("\($0.size)", ratio(trace.distances.ratio(capacity: $0.blocks)))
      }
      members.append(("hit_ratio_by_lru_gb", JSONNode(.object(values))))
    }
    return .object(members)
  }

  /// One line a capacity, 20 a decade.
  public var csv: String {
    var text = "blocks,tokens,\(bytesPerToken == nil ? "" : "gb,")token_hit_ratio,block_hit_ratio\n"
    for blocks in trace.distances.capacities(perDecade: 20) {
      let tokens = blocks * trace.blockTokens
      let ratio = trace.distances.ratio(capacity: blocks)
      var cells = ["\(blocks)", "\(tokens)"]
      if let bytesPerToken { cells.append(shown(Double(tokens * bytesPerToken) / 1e9)) }
      cells += [shown(ratio.token), shown(ratio.block)]
      text += cells.joined(separator: ",") + "\n"
    }
    return text
  }

  private func shown(_ value: Double) -> String { JSONValue.number(value).text(indented: false) }

  public var table: String {
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
    if trace.sessions > 0 { text += row("sessions", ["\(trace.sessions)"]) }
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
    for blocks in tenths {
      text += row("LRU, \(blocks) blocks", ratio(trace.distances.ratio(capacity: blocks)))
    }
    for (size, blocks) in gigabytes {
      text += row("LRU, \(size) GB", ratio(trace.distances.ratio(capacity: blocks)))
    }
    return text
  }
}
