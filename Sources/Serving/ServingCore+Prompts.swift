// What connectors ask about a request's prompt and about the rates of copies.

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

  /// Name of block `place` of a request in the engine's prefix cache. What the request generates
  /// no other request can name, but it finds it again itself after a preemption.
  func blockName(_ request: Int, _ place: Int) -> BlockHash {
    let size = workload.engine.blockTokens
    guard (place + 1) * size <= records[request].inputTokens else {
      return BlockHashing.privateHash(request: request, block: place, attempt: 0)
    }
    return BlockHashing.hash(
      promptIDs: stream.requests[request].promptIDs, idTokens: stream.blockTokens,
      blockTokens: size, block: place)
  }

  private func hashes(_ request: Int, blockTokens: Int, count: Int) -> [BlockHash] {
    BlockHashing.hashes(
      of: stream.requests[request], idTokens: stream.blockTokens, blockTokens: blockTokens,
      count: count)
  }

  /// Bytes/s at which the RDMA engine passes this system's descriptors.
  ///
  /// One descriptor is one block's keys or values (or latents) of one layer on one rank; ranks post
  /// apart, of those that hold copies of the same KV one.
  var rdmaRate: Double {
    let model = workload.model
    let ranks = workload.rack.prefill.tensorParallel
    let posting = ranks / model.kvCopies(tensorParallel: ranks)
    let descriptorBytes =
      kvBytesPerToken * system.blockTokens / (model.kvTensorsPerLayer * model.layers * posting)
    return workload.rack.rdmaEngine.rate(descriptorBytes: Double(descriptorBytes))
      * Double(posting)
  }

  /// Bytes/s at which per-block copy launches let copies flow.
  var copyRate: Double {
    let launch = system.copyLaunchSeconds
    return launch > 0 ? Double(system.blockTokens * kvBytesPerToken) / launch : .infinity
  }
}
