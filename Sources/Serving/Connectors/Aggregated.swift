// `aggregated`: one engine does prefill and decode in the same batches; no KV moves.

/// Chunked prefill on every worker; a prefix cache in GPU memory is the engine's own affair.
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
