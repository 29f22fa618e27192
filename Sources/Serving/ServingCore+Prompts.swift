// What connectors ask about a request's prompt, and the pieces in which its KV moves.

import TractStore

extension ServingCore {
  /// Full blocks of the prompt, at the system's block size.
  func fullBlocks(_ request: Int) -> Int {
    records[request].inputTokens / system.blockTokens
  }

  /// Hashes of the prompt's full blocks.
  func fullBlockHashes(_ request: Int) -> [BlockHash] {
    hashes(request, blockTokens: system.blockTokens, count: fullBlocks(request))
  }

  /// Hash of one of the prompt's full blocks.
  func fullBlockHash(_ request: Int, _ block: Int) -> BlockHash {
    BlockHashing.hash(
      promptIDs: offered[request].promptIDs, idTokens: stream.blockTokens,
      blockTokens: system.blockTokens, block: block)
  }

  /// Hashes of the blocks a cache may supply: full ones, leaving one token to compute.
  func cacheableHashes(_ request: Int) -> [BlockHash] {
    hashes(
      request, blockTokens: system.blockTokens,
      count: (records[request].inputTokens - 1) / system.blockTokens)
  }

  /// Name of block `place` of a request in the engine's prefix cache. What the request generates
  /// no other request can name, but it finds it again itself after a preemption.
  func blockName(_ request: Int, _ place: Int) -> BlockHash {
    let size = workload.engine.blockTokens
    guard (place + 1) * size <= records[request].inputTokens else {
      return BlockHashing.privateHash(request: request, block: place, attempt: 0)
    }
    return BlockHashing.hash(
      promptIDs: offered[request].promptIDs, idTokens: stream.blockTokens,
      blockTokens: size, block: place)
  }

  /// Hashes of the prompt's full blocks, at the engine's block size.
  func engineBlockHashes(_ request: Int) -> [BlockHash] {
    let size = workload.engine.blockTokens
    return hashes(request, blockTokens: size, count: records[request].inputTokens / size)
  }

  private func hashes(_ request: Int, blockTokens: Int, count: Int) -> [BlockHash] {
    BlockHashing.hashes(
      of: offered[request], idTokens: stream.blockTokens, blockTokens: blockTokens,
      count: count)
  }

  /// Ranks of the prefill pool that hold different KV; of those that hold copies one moves it.
  var postingRanks: Int {
    let ranks = workload.rack.prefill.tensorParallel
    return ranks / workload.model.kvCopies(tensorParallel: ranks)
  }

  /// Bytes of one piece: the keys or the values (or latents) of one layer on one rank, of as many
  /// tokens as the system moves together.
  var pieceBytes: Double {
    let model = workload.model
    let pieces = model.kvTensorsPerLayer * model.layers * postingRanks
    return Double(kvBytesPerToken * system.transferTokens / pieces)
  }
}
