// `aggregated`: one engine does prefill and decode in the same batches; no KV moves.

import TractStore

/// Chunked prefill on every worker, optionally with a prefix cache in GPU memory.
///
/// Cached blocks live in the engine's own block pool: a block nobody uses stays cached until its
/// place is needed, so the cache never takes memory from running requests.
struct AggregatedConnector: Connector {
  static var aggregated: Bool { true }

  init(core: inout ServingCore) {}

  mutating func prepare(_ request: Int, _ core: inout ServingCore) {
    core.prepared(request: request, cachedTokens: 0)
  }

  mutating func prefilled(_ request: Int, _ core: inout ServingCore) {
    preconditionFailure("an aggregated engine keeps its sequences")
  }

  mutating func fetch(_ request: Int, _ core: inout ServingCore) {
    preconditionFailure("an aggregated engine fetches nothing")
  }

  mutating func transferEnded(_ transfer: Transfer, _ core: inout ServingCore) {}
}
