// What connectors ask about a request's prompt, and the rate of RDMA.

import Rack
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

  /// Hashes of the blocks a cache may supply: full ones, leaving one token to compute.
  func cacheableHashes(_ request: Int) -> [BlockHash] {
    hashes(
      request, blockTokens: system.blockTokens,
      count: (records[request].inputTokens - 1) / system.blockTokens)
  }

  /// Hashes of the first `tokens` of the prompt in full blocks of the engine's own size.
  func engineBlockHashes(_ request: Int, tokens: Int) -> [BlockHash] {
    let size = workload.engine.blockTokens
    return hashes(request, blockTokens: size, count: tokens / size)
  }

  private func hashes(_ request: Int, blockTokens: Int, count: Int) -> [BlockHash] {
    BlockHashing.hashes(
      of: stream.requests[request], idTokens: stream.blockTokens, blockTokens: blockTokens,
      count: count)
  }

  /// Bytes/s at which the RDMA engine passes this system's descriptors.
  ///
  /// One descriptor is one block's keys or values of one layer on one rank; ranks post apart.
  var rdmaRate: Double {
    let ranks = workload.rack.prefill.tensorParallel
    let descriptorBytes =
      kvBytesPerToken * system.blockTokens / (2 * workload.model.layers * ranks)
    return workload.rack.rdmaEngine.rate(descriptorBytes: Double(descriptorBytes)) * Double(ranks)
  }
}
