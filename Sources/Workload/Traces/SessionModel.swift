// Conversations drawn from measured distributions: the session-branching model and coding agents.

import EventKernel
import Foundation
import JSONText

/// A generator of sessions, with parameters measured on a public trace.
public enum SessionModel: String, CaseIterable, Sendable {
  /// Mooncake's conversation trace.
  case conversation = "mooncake-conversation"
  /// Mooncake's synthetic trace: questions on shared documents.
  case synthetic = "mooncake-synthetic"
  /// Claude Code sessions of kv-cache-tester; a turn follows the end of the one before.
  case agenticCode = "agentic-code"

  /// Draws `count` requests, or fewer where their prompts have more than `blockLimit` blocks.
  ///
  /// Sessions of the first two begin as Poisson processes, one for each class of prompt length.
  /// Each request has a Poisson number of children, each after a lognormal gap; a child keeps a
  /// part of its parent's blocks and adds new ones. Kept parts and additions are drawn
  /// independently. A coding agent's turns append to the prompt before; seldom
  /// they begin anew with tools and system prompt alone (assumed: the trace shows that, not what is left).
  func rows(count: Int, seed: UInt64) -> TraceRows {
    let parameters = Self.parameters
    if let branching = parameters.branching[rawValue] {
      return branching.rows(count: count, seed: seed)
    }
    guard let agentic = parameters.agentic[rawValue] else {
      preconditionFailure("no parameters of \(rawValue)")
    }
    return agentic.rows(count: count, seed: seed)
  }

  private static let parameters = SessionParameters(PackageResources.session_models_json)
}

/// A distribution by its quantiles at a grid of percentiles: linear between them, and logarithmic
/// above the 99th.
private struct QuantileTable {
  let percentiles: [Double]
  let values: [Double]

  func draw(_ random: inout RandomStream) -> Double {
    let percent = random.uniform() * 100
    let upper = percentiles.firstIndex { $0 >= percent } ?? (percentiles.count - 1)
    guard upper > 0 else { return values[0] }
    let (low, high) = (percentiles[upper - 1], percentiles[upper])
    let share = (percent - low) / (high - low)
    let (least, most) = (values[upper - 1], values[upper])
    // Long tails are straight on a logarithmic axis, if anywhere.
    if low >= 99, least > 0 { return least * pow(most / least, share) }
    return least + share * (most - least)
  }
}

/// The committed parameters.
private struct SessionParameters {
  var branching: [String: BranchingModel] = [:]
  var agentic: [String: AgenticModel] = [:]

  init(_ bytes: [UInt8]) {
    guard let root = try? JSONParser.parse(bytes) else {
      preconditionFailure("session-models.json is broken")
    }
    let percentiles = Self.numbers(root["percentiles"])
    let classPercentiles = Self.numbers(root["class_percentiles"])
    for (name, node) in Self.members(root["branching"]) {
      branching[name] = BranchingModel(node, all: percentiles, classes: classPercentiles)
    }
    for (name, node) in Self.members(root["agentic"]) {
      agentic[name] = AgenticModel(node, percentiles)
    }
  }

  static func members(_ node: JSONNode?) -> [(key: String, value: JSONNode)] {
    guard case .object(let members)? = node?.value else {
      preconditionFailure("session-models.json lacks an object")
    }
    return members
  }

  static func elements(_ node: JSONNode?) -> [JSONNode] {
    guard case .array(let elements)? = node?.value else {
      preconditionFailure("session-models.json lacks an array")
    }
    return elements
  }

  static func number(_ node: JSONNode?) -> Double {
    guard let number = node?.value.double else {
      preconditionFailure("session-models.json lacks a number")
    }
    return number
  }

  static func numbers(_ node: JSONNode?) -> [Double] { elements(node).map { number($0) } }

  static func table(_ node: JSONNode?, _ percentiles: [Double]) -> QuantileTable {
    let values = numbers(node)
    precondition(values.count == percentiles.count, "a table of another grid")
    return QuantileTable(percentiles: percentiles, values: values)
  }
}

/// Sessions that branch.
private struct BranchingModel {
  struct Class {
    var rootRate: Double
    var rootBlocks: QuantileTable
    /// By turn; the last is of all later turns.
    var children: [Double]
    var gapLogMean, gapLogDeviation: Double
    var keptShare, newBlocks: QuantileTable
  }

  var blockTokens: Int
  var sharedBlocks: Int
  var output: QuantileTable
  var classes: [Class]

  init(_ node: JSONNode, all: [Double], classes grid: [Double]) {
    typealias P = SessionParameters
    blockTokens = Int(P.number(node["block_tokens"]))
    sharedBlocks = Int(P.number(node["shared_blocks"]))
    output = P.table(node["output_tokens"], all)
    classes = P.elements(node["classes"]).map { node in
      Class(
        rootRate: P.number(node["root_rate_rps"]), rootBlocks: P.table(node["root_blocks"], grid),
        children: P.numbers(node["children_mean_by_turn"]),
        gapLogMean: P.number(node["gap_log_mean"]),
        gapLogDeviation: P.number(node["gap_log_deviation"]),
        keptShare: P.table(node["keep_fraction"], grid),
        newBlocks: P.table(node["new_blocks"], grid))
    }
  }

  /// A request to come: a root, or a child with the blocks it keeps.
  private struct Coming {
    var kind: Int
    var turn: Int
    var session: UInt64
    var kept: [UInt64]
    var new: Int
  }

  func rows(count: Int, seed: UInt64) -> TraceRows {
    var starts = RandomStream(seed: seed, name: "session starts")
    var lengths = RandomStream(seed: seed, name: "session lengths")
    var branches = RandomStream(seed: seed, name: "session branches")
    var trace = TraceRows(blockTokens: blockTokens)
    var queue = EventQueue<Coming>()
    var session: UInt64 = 0
    var fresh = UInt64(sharedBlocks)
    func root(_ kind: Int, after time: SimTime) {
      let gap = starts.exponential(mean: 1 / classes[kind].rootRate)
      session += 1
      queue.push(
        Coming(kind: kind, turn: 1, session: session, kept: [], new: 0), at: time + .seconds(gap))
    }
    for kind in classes.indices { root(kind, after: .zero) }
    while trace.rows.count < count, trace.blocks <= RequestStream.blockLimit,
      let (time, coming) = queue.pop()
    {
      let parameters = classes[coming.kind]
      var ids = coming.kept
      var new = coming.new
      if coming.turn == 1 {
        root(coming.kind, after: time)
        ids = (0..<sharedBlocks).map { UInt64($0) }
        new = Int(parameters.rootBlocks.draw(&lengths).rounded()) - sharedBlocks
      }
      for _ in 0..<max(ids.isEmpty ? 1 : 0, new) {
        ids.append(fresh)
        fresh += 1
      }
      trace.append(
        TraceRow(
          line: 0, time: Int128(time.picoseconds),
          inputTokens: (ids.count - 1) * blockTokens + 1 + lengths.integer(below: blockTokens),
          outputTokens: max(1, Int(output.draw(&lengths).rounded())), ids: ids,
          session: coming.session))
      let mean = parameters.children[min(coming.turn, parameters.children.count) - 1]
      for _ in 0..<branches.poisson(mean: mean) {
        let gap = branches.lognormal(
          mean: parameters.gapLogMean, deviation: parameters.gapLogDeviation)
        let share = parameters.keptShare.draw(&lengths)
        let kept = max(sharedBlocks, Int((share * Double(ids.count)).rounded()))
        let child = Coming(
          kind: coming.kind, turn: coming.turn + 1, session: coming.session,
          kept: Array(ids.prefix(kept)), new: Int(parameters.newBlocks.draw(&lengths).rounded()))
        // What would come after the longest trace never comes.
        guard time.seconds + gap < RequestStream.spanLimit else { continue }
        queue.push(child, at: time + .seconds(gap))
      }
    }
    return trace
  }
}

/// Coding agents.
private struct AgenticModel {
  var blockTokens: Int
  var requests, first, system, new, output, thinkSeconds: QuantileTable
  var resetProbability: Double
  /// A prompt that would grow beyond begins anew; fitted, so that prompts have the measured mean.
  var longest: Int

  init(_ node: JSONNode, _ percentiles: [Double]) {
    typealias P = SessionParameters
    func table(_ key: String) -> QuantileTable { P.table(node[key], percentiles) }
    blockTokens = Int(P.number(node["block_tokens"]))
    requests = table("requests_per_session")
    first = table("first_input_tokens")
    system = table("system_tokens")
    new = table("new_tokens")
    output = table("output_tokens")
    thinkSeconds = table("think_time_s")
    resetProbability = P.number(node["reset_probability"])
    longest = Int(P.number(node["restart_above_tokens"]))
  }

  /// Whole sessions one after another, the last one cut at `count`.
  func rows(count: Int, seed: UInt64) -> TraceRows {
    var random = RandomStream(seed: seed, name: "agentic sessions")
    var trace = TraceRows(blockTokens: blockTokens)
    trace.hasClockPerSession = true
    var session: UInt64 = 0
    var fresh: UInt64 = 0
    func tokens(_ table: QuantileTable) -> Int { max(1, Int(table.draw(&random).rounded())) }
    while trace.rows.count < count, trace.blocks <= RequestStream.blockLimit {
      session += 1
      let turns = min(tokens(requests), count - trace.rows.count)
      var input = 0
      var ids: [UInt64] = []
      var seconds = 0.0
      for turn in 0..<turns {
        let added = tokens(new)
        if turn == 0 {
          input = tokens(first)
        } else if input + added > longest || random.uniform() < resetProbability {
          input = tokens(system) + added
          ids = []
        } else {
          // A partial last block is not the next prompt's.
          ids.removeLast(input % blockTokens == 0 ? 0 : 1)
          input += added
        }
        while ids.count < (input + blockTokens - 1) / blockTokens {
          ids.append(fresh)
          fresh += 1
        }
        let think = turn == 0 ? 0 : thinkSeconds.draw(&random)
        seconds += think
        trace.append(
          TraceRow(
            line: 0, time: Int128((seconds * 1e12).rounded()), inputTokens: input,
            outputTokens: tokens(output), ids: ids, session: session,
            thinkSeconds: turn == 0 ? nil : think))
      }
    }
    return trace
  }
}
