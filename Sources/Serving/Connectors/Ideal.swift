// `ideal`: transfers are free and instant, reuse is perfect: the bound on what any system can win.

import TractStore

/// A rack-wide cache without limit, latency or bandwidth cost.
struct IdealConnector: Connector {
  private var known: Set<BlockHash> = []

  init(core: inout ServingCore) {}

  mutating func prepare(_ request: Int, _ core: inout ServingCore) {
    let hashes = core.cacheableHashes(request)
    let hits = hashes.firstIndex { !known.contains($0) } ?? hashes.count
    core.prepared(request: request, cachedTokens: hits * core.system.blockTokens)
  }

  mutating func prefilled(_ request: Int, _ core: inout ServingCore) {
    known.formUnion(core.fullBlockHashes(request))
    core.handOver(request)
    core.releasePrefill(request)
  }

  mutating func fetch(_ request: Int, _ core: inout ServingCore) {
    core.loaded(SequenceID(request: request, side: .decode))
  }

  mutating func transferEnded(_ transfer: Transfer, _ core: inout ServingCore) {}
}
