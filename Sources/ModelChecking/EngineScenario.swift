// A scheduling scenario: requests, an engine's limits, and the batch that vLLM forms in each step.

import EventKernel
import Serving
import Workload

/// A small case with the batches that follow from vLLM's rules, written down by hand.
///
/// The rules are those of vLLM's V1 scheduler (vllm/v1/core: sched/scheduler.py,
/// kv_cache_manager.py, block_pool.py) in 2026, with its defaults: first come first served, chunked
/// prefill, `scheduler_reserve_full_isl`, blocks without a name reused first (pull request 42656).
/// What is run against them is the code that whole simulations run.
public struct EngineScenario: Sendable {
  /// One request. Its prompt is a list of texts: `x8 a4` is 8 tokens of text x, then 4 of text a;
  /// prompts share what begins alike.
  public struct Request: Sendable {
    var name: String
    var prompt: String
    var output: Int
    var step: Int

    /// A request that arrives before `step` and generates `output` tokens.
    init(_ name: String, _ prompt: String, output: Int, step: Int = 1) {
      self.name = name
      self.prompt = prompt
      self.output = output
      self.step = step
    }
  }

  /// Short, unique, lower case.
  public var name: String
  /// The rule that it shows.
  public var rule: String
  /// Token budget of a step (`max_num_batched_tokens`).
  var budget = 64
  /// Largest number of running requests (`max_num_seqs`).
  var sequences = 8
  /// KV blocks that requests can use, each of four tokens.
  var blocks = 100
  var watermark = 0.0
  /// Whether prefixes are cached (`enable_prefix_caching`).
  var caching = false
  var requests: [Request]
  /// The batch of each step: `A12 B4 -C` is 12 tokens of A, 4 of B, and C preempted.
  public var expected: [String]

  /// The batches that our scheduler forms, in the words of `expected`.
  public var actual: [String] {
    let stream = RequestStream(
      blockTokens: 1,
      requests: requests.map { request in
        let ids = Self.promptIDs(request.prompt)
        return OfferedRequest(
          arrival: .zero, inputTokens: ids.count, outputTokens: request.output, promptIDs: ids)
      })
    let steps = EngineReplay.steps(
      workload: workload, stream: stream, arrivals: requests.map(\.step), blocks: blocks)
    return steps.map { step in
      (step.shares.map { "\(requests[$0.request].name)\($0.tokens)" }
        + step.preempted.map { "-\(requests[$0].name)" }).joined(separator: " ")
    }
  }

  /// Steps before the first in which ours differs.
  var agreeing: Int {
    let actual = actual
    let count = zip(expected, actual).prefix { $0 == $1 }.count
    return actual.count > expected.count ? min(count, expected.count - 1) : count
  }

  private var workload: Workload {
    let text = """
      {"name": "scenario", "seed": 1, "model": "llama-3.1-8b", "rack": {"preset": "h100-rack"},
       "engine": {"block_tokens": 4, "max_batched_tokens": \(budget),
         "max_sequences": \(sequences), "watermark": \(watermark)},
       "systems": [{"base": "aggregated", "hbm_prefix_cache": \(caching)}],
       "traffic": {"kind": "static", "input_tokens": 1, "output_tokens": 1,
         "arrivals": {"process": "poisson", "rate_rps": 1}},
       "stop": {"requests": 1}}
      """
    do {
      return try WorkloadFile.decode(Array(text.utf8), name: name, folder: "")
    } catch {
      preconditionFailure("scenario \(name) has impossible limits: \(error)")
    }
  }

  /// One id for each token that names it and all before it: a hash of the texts so far.
  private static func promptIDs(_ prompt: String) -> [UInt64] {
    var hash = StableHash.of([])
    return prompt.split(separator: " ").flatMap { piece in
      guard let text = piece.utf8.first, let count = Int(piece.dropFirst()) else {
        preconditionFailure("'\(piece)' is no text with a length")
      }
      return (0..<count).map { _ in
        hash = StableHash.of(CollectionOfOne(text), after: hash)
        return hash
      }
    }
  }
}

extension Validation {
  /// One row a scenario: steps in which the batch is vLLM's, of the steps there are.
  static var engineScenarios: Validation {
    Validation(
      "engine-scenarios", title: "Batches of scheduling scenarios beside vLLM's rules",
      source: "vllm-project/vllm, V1 scheduler, KV cache manager and block pool (2026); by hand",
      unit: "steps", limit: .each(0),
      rows: EngineScenario.all.map {
        Row(
          "\($0.name): \($0.rule)", reference: Double($0.expected.count),
          model: Double($0.agreeing))
      })
  }
}
