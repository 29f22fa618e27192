// Scenarios of prefix caching: what is found, when, and what is lost first.

extension EngineScenario {
  static var prefixes: [EngineScenario] {
    [
      EngineScenario(
        name: "hit", rule: "full blocks of a known prefix are not computed", caching: true,
        requests: [Request("A", "x8 a4", output: 1), Request("B", "x8 b4", output: 1, step: 2)],
        expected: ["A12", "B4"]),
      EngineScenario(
        name: "hit-in-step", rule: "blocks can be found in the step that computes them",
        caching: true,
        requests: [Request("A", "x8 a4", output: 1), Request("B", "x8 b4", output: 1)],
        expected: ["A12 B4"]),
      EngineScenario(
        name: "hit-of-chunk", rule: "a chunk's blocks can be found before the prompt is done",
        budget: 12, caching: true,
        requests: [Request("A", "x20", output: 1), Request("B", "x12 b4", output: 1, step: 2)],
        expected: ["A12", "A8 B4"]),
      EngineScenario(
        name: "odd-chunks", rule: "a block that two chunks fill is found after the second",
        budget: 6, caching: true,
        requests: [Request("A", "x12", output: 1), Request("B", "x12 b2", output: 1, step: 3)],
        expected: ["A6", "A6", "B2"]),
      EngineScenario(
        name: "full-hit", rule: "the last token is computed, and with it its whole block",
        caching: true,
        requests: [Request("A", "x8", output: 1), Request("B", "x8", output: 1, step: 2)],
        expected: ["A8", "B4"]),
      EngineScenario(
        name: "one-token-left", rule: "a hit of all but one token leaves one", caching: true,
        requests: [Request("A", "x8 a1", output: 1), Request("B", "x8 b1", output: 1, step: 2)],
        expected: ["A9", "B1"]),
      EngineScenario(
        name: "partial-block", rule: "a block that is not full is never shared", caching: true,
        requests: [Request("A", "x10", output: 1), Request("B", "x10 b2", output: 1, step: 2)],
        expected: ["A10", "B4"]),
      EngineScenario(
        name: "broken-chain", rule: "after the first miss nothing is found", caching: true,
        requests: [Request("A", "x4 y4", output: 1), Request("B", "z4 y4", output: 1, step: 2)],
        expected: ["A8", "B8"]),
      EngineScenario(
        name: "hits-cost-no-budget", rule: "the budget counts computed tokens only", budget: 8,
        caching: true,
        requests: [Request("A", "x16", output: 1), Request("B", "x16 b8", output: 1, step: 3)],
        expected: ["A8", "A8", "B8"]),
      EngineScenario(
        name: "shared-blocks", rule: "blocks in use by others are shared, not copied", blocks: 6,
        caching: true,
        requests: [Request("A", "x16 a4", output: 3), Request("B", "x16 b4", output: 1)],
        expected: ["A20 B4", "A1", "A1"]),
      EngineScenario(
        name: "hits-take-memory", rule: "a hit that nobody uses takes a free block", blocks: 6,
        caching: true,
        requests: [
          Request("A", "x16", output: 1), Request("B", "b12", output: 4, step: 2),
          Request("C", "x12 c8", output: 1, step: 2),
        ],
        expected: ["A16", "B12", "B1", "B1", "B1", "C12"]),
      EngineScenario(
        name: "oldest-lost-first", rule: "what was released longest ago is lost first", blocks: 6,
        caching: true,
        requests: [
          Request("A", "a8", output: 1), Request("B", "b8", output: 1, step: 2),
          Request("C", "c16", output: 1, step: 3), Request("D", "b8 d1", output: 1, step: 4),
          Request("E", "a8 e1", output: 1, step: 5),
        ],
        expected: ["A8", "B8", "C16", "D1", "E9"]),
      EngineScenario(
        name: "tail-lost-first", rule: "of one request the last block is lost first", blocks: 4,
        caching: true,
        requests: [
          Request("A", "a12", output: 1), Request("B", "b8", output: 1, step: 2),
          Request("C", "a12 c1", output: 1, step: 3),
        ],
        expected: ["A12", "B8", "C5"]),
      EngineScenario(
        name: "release-counts", rule: "age is counted from release, not from the first use",
        blocks: 8, caching: true,
        requests: [
          Request("A", "a8", output: 3), Request("B", "b8", output: 1),
          Request("C", "c20", output: 1, step: 4), Request("D", "a8 d1", output: 1, step: 5),
        ],
        expected: ["A8 B8", "A1", "A1", "C20", "D1"]),
      EngineScenario(
        name: "use-renews", rule: "who is used again is lost later", blocks: 5, caching: true,
        requests: [
          Request("A", "a8", output: 1), Request("B", "b8", output: 1, step: 2),
          Request("C", "a8 c1", output: 1, step: 3), Request("D", "d12", output: 1, step: 4),
          Request("E", "a8 e1", output: 1, step: 5), Request("F", "b8 f1", output: 1, step: 6),
        ],
        expected: ["A8", "B8", "C1", "D12", "E1", "F9"]),
      EngineScenario(
        name: "nameless-first", rule: "blocks without a name are reused before any with one",
        blocks: 4, caching: true,
        requests: [
          Request("A", "a8", output: 1), Request("B", "b5", output: 1, step: 2),
          Request("C", "c2", output: 1, step: 3), Request("D", "a8 d1", output: 1, step: 4),
        ],
        expected: ["A8", "B5", "C2", "D1"]),
      EngineScenario(
        name: "twins", rule: "equal blocks are kept apart: one is lost, the other is found",
        blocks: 4, caching: true,
        requests: [
          Request("A", "x8", output: 1), Request("B", "x8", output: 1, step: 2),
          Request("C", "c8", output: 1, step: 3), Request("D", "x8 d1", output: 1, step: 4),
        ],
        expected: ["A8", "B4", "C8", "D1"]),
      EngineScenario(
        name: "preempted-hit", rule: "the preempted find what is left of their prompt", blocks: 4,
        caching: true, requests: [Request("A", "a8", output: 4), Request("B", "b8", output: 3)],
        expected: ["A8 B8", "A1 -B", "A1", "A1", "B5", "B1"]),
      EngineScenario(
        name: "generated-hit", rule: "the preempted find blocks of generated tokens too",
        blocks: 5, caching: true,
        requests: [Request("A", "a8", output: 7), Request("B", "b3", output: 7)],
        expected: [
          "A8 B3", "A1 B1", "A1 B1", "A1 B1", "A1 B1", "A1 -B", "A1", "B4", "B1",
        ]),
    ]
  }
}
