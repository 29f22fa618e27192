// Scenarios of budget, slots, blocks, preemption and watermark.

extension EngineScenario {
  /// All scenarios.
  public static var all: [EngineScenario] { batching + memory + prefixes }

  /// Token budget and batch slots.
  static var batching: [EngineScenario] {
    [
      EngineScenario(
        name: "prompt-then-tokens", rule: "the prompt's step samples the first token",
        requests: [Request("A", "a8", output: 3)], expected: ["A8", "A1", "A1"]),
      EngineScenario(
        name: "next-step", rule: "who arrives during a step joins the next",
        requests: [Request("A", "a4", output: 2), Request("B", "b4", output: 1, step: 2)],
        expected: ["A4", "A1 B4"]),
      EngineScenario(
        name: "chunks", rule: "a prompt beyond the budget is computed in chunks", budget: 8,
        requests: [Request("A", "a20", output: 2)], expected: ["A8", "A8", "A4", "A1"]),
      EngineScenario(
        name: "rest-of-budget", rule: "the next prompt gets what the budget leaves", budget: 16,
        requests: [Request("A", "a10", output: 2), Request("B", "b10", output: 2)],
        expected: ["A10 B6", "A1 B4", "B1"]),
      EngineScenario(
        name: "running-first", rule: "decodes come before chunks of later prompts", budget: 8,
        requests: [Request("A", "a4", output: 5), Request("B", "b20", output: 1, step: 2)],
        expected: ["A4", "A1 B7", "A1 B7", "A1 B6", "A1"]),
      EngineScenario(
        name: "begun-before-new", rule: "a prompt begun goes on before a new one", budget: 8,
        requests: [Request("A", "a12", output: 1), Request("B", "b4", output: 1, step: 2)],
        expected: ["A8", "A4 B4"]),
      EngineScenario(
        name: "no-overtaking-by-size", rule: "a short prompt waits for the long one before it",
        budget: 8, requests: [Request("A", "a12", output: 2), Request("B", "b4", output: 3)],
        expected: ["A8", "A4 B4", "A1 B1", "B1"]),
      EngineScenario(
        name: "chunk-of-one", rule: "a single token of budget starts a prompt", budget: 8,
        requests: [
          Request("A", "a4", output: 4), Request("B", "b24", output: 1),
          Request("C", "c2", output: 3),
        ],
        expected: ["A4 B4", "A1 B7", "A1 B7", "A1 B6 C1", "C1", "C1", "C1"]),
      EngineScenario(
        name: "budget-of-decodes", rule: "decodes may use up the budget", budget: 2,
        requests: [
          Request("A", "a1", output: 3), Request("B", "b1", output: 3),
          Request("C", "c1", output: 3),
        ],
        expected: ["A1 B1", "A1 B1", "A1 B1", "C1", "C1", "C1"]),
      EngineScenario(
        name: "slots", rule: "no more than max_num_seqs run; who ends makes room at once",
        sequences: 2,
        requests: [
          Request("A", "a4", output: 2), Request("B", "b4", output: 3),
          Request("C", "c4", output: 1),
        ],
        expected: ["A4 B4", "A1 B1", "B1 C4"]),
    ]
  }

  /// Blocks, preemption and watermark.
  static var memory: [EngineScenario] {
    [
      EngineScenario(
        name: "blocks-come-back", rule: "a finished request's blocks serve the next step",
        blocks: 2, requests: [Request("A", "a8", output: 1), Request("B", "b8", output: 1)],
        expected: ["A8", "B8"]),
      EngineScenario(
        name: "head-of-line", rule: "who does not fit holds up those behind it", blocks: 5,
        requests: [
          Request("A", "a12", output: 3), Request("B", "b16", output: 1),
          Request("C", "c4", output: 1),
        ],
        expected: ["A12", "A1", "A1", "B16 C4"]),
      EngineScenario(
        name: "whole-prompt", rule: "admission needs blocks for all tokens, not for one chunk",
        budget: 8, blocks: 5,
        requests: [Request("A", "a8", output: 4), Request("B", "b16", output: 1)],
        expected: ["A8", "A1", "A1", "A1", "B8", "B8"]),
      EngineScenario(
        name: "block-boundary", rule: "decode takes a block with the first token of it", blocks: 3,
        requests: [
          Request("A", "a6", output: 5), Request("B", "b4", output: 1, step: 2),
          Request("C", "c4", output: 1, step: 4),
        ],
        expected: ["A6", "A1 B4", "A1", "A1", "A1", "C4"]),
      EngineScenario(
        name: "preempt-last", rule: "without a block the last admitted is preempted, recomputed",
        blocks: 4, requests: [Request("A", "a8", output: 4), Request("B", "b8", output: 3)],
        expected: ["A8 B8", "A1 -B", "A1", "A1", "B9", "B1"]),
      EngineScenario(
        name: "preempt-itself", rule: "the last admitted preempts itself", blocks: 4,
        requests: [Request("A", "a7", output: 6), Request("B", "b8", output: 3)],
        expected: ["A7 B8", "A1 -B", "A1", "A1", "A1", "A1", "B9", "B1"]),
      EngineScenario(
        name: "preempted-first", rule: "the preempted go before those that wait", blocks: 4,
        requests: [
          Request("A", "a8", output: 3), Request("B", "b8", output: 2),
          Request("C", "c4", output: 1),
        ],
        expected: ["A8 B8", "A1 -B", "A1", "B9 C4"]),
      EngineScenario(
        name: "preempted-order", rule: "of several preempted the first admitted is first again",
        blocks: 5,
        requests: [
          Request("A", "a8", output: 3), Request("B", "b8", output: 2),
          Request("C", "c4", output: 2),
        ],
        expected: ["A8 B8 C4", "A1 -B -C", "A1", "B9 C5"]),
      EngineScenario(
        name: "recompute-in-chunks", rule: "recomputation keeps to the budget", budget: 8,
        blocks: 6, requests: [Request("A", "a8", output: 5), Request("B", "b12", output: 3)],
        expected: ["A8", "A1 B7", "A1 B5", "A1 -B", "A1", "B8", "B5", "B1"]),
      EngineScenario(
        name: "watermark", rule: "admission beside others leaves the watermark free, rounded down",
        blocks: 10, watermark: 0.25,
        requests: [Request("A", "a16", output: 3), Request("B", "b20", output: 1)],
        expected: ["A16", "A1", "A1", "B20"]),
      EngineScenario(
        name: "watermark-exact", rule: "just the watermark left is enough", blocks: 10,
        watermark: 0.25,
        requests: [Request("A", "a16", output: 1), Request("B", "b16", output: 1)],
        expected: ["A16 B16"]),
      EngineScenario(
        name: "watermark-alone", rule: "no watermark while nothing runs", blocks: 4,
        watermark: 0.5, requests: [Request("A", "a16", output: 1), Request("B", "b4", output: 1)],
        expected: ["A16", "B4"]),
      EngineScenario(
        name: "watermark-decode", rule: "running requests may use the watermark", blocks: 4,
        watermark: 0.25, requests: [Request("A", "a12", output: 3), Request("B", "b4", output: 1)],
        expected: ["A12", "A1", "A1", "B4"]),
    ]
  }
}
