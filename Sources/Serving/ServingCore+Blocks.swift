// Paged GPU memory: allocation, sharing, preemption, release.

import EventKernel
import TractStore

extension ServingCore {
  /// Grows a sequence to hold `tokens`; false, and nothing changes, if fewer than `keeping` blocks
  /// would stay free.
  mutating func allocate(_ id: SequenceID, upTo tokens: Int, keeping: Int) -> Bool {
    let engine = Int(self[id].engine)
    let needed = engines[engine].blocks(forTokens: tokens) - self[id].blocks
    guard needed > 0 else { return true }
    guard engines[engine].freeBlocks - needed >= keeping else { return false }
    engines[engine].freeBlocks -= needed
    self[id].blocks += needed
    trimPrefixCache(engine)
    return true
  }

  /// Gives a sequence its first blocks, of which the engine's prefix cache may supply the head;
  /// false, and nothing changes, if fewer than `keeping` blocks would stay free.
  ///
  /// `budget` bounds the tokens it computes in this step.
  mutating func admit(_ id: SequenceID, budget: Int, keeping: Int) -> Bool {
    let engine = Int(self[id].engine)
    guard engines[engine].prefixCache != nil else {
      let tokens = min(self[id].tokens, self[id].cached + budget)
      return allocate(id, upTo: tokens, keeping: keeping)
    }
    let hashes = engineBlockHashes(id.request, tokens: records[id.request].inputTokens - 1)
    let found = Array(hashes.prefix(engines[engine].prefixCache!.prefixLength(hashes)))
    let cached = found.count * engines[engine].blockTokens
    // A cached block that nobody uses is free until now.
    let unused = found.count { !engines[engine].prefixCache!.isPinned($0) }
    let needed =
      engines[engine].blocks(forTokens: min(self[id].tokens, cached + budget)) - found.count
    guard engines[engine].freeBlocks - needed - unused >= keeping else { return false }
    for hash in found { _ = engines[engine].prefixCache!.pin(hash) }
    engines[engine].freeBlocks -= needed + unused
    trimPrefixCache(engine)
    self[id].blocks = found.count + needed
    self[id].cached = cached
    sharedBlocks[id.request] = found
    if records[id.request].preemptions == 0 { records[id.request].cachedTokens = cached }
    return true
  }

  /// The prompt is computed: its full blocks can be found by others, unless equal ones are there.
  mutating func cachePrompt(_ id: SequenceID) {
    let engine = Int(self[id].engine)
    guard engines[engine].prefixCache != nil else { return }
    let hashes = engineBlockHashes(id.request, tokens: records[id.request].inputTokens)
    for hash in hashes[sharedBlocks[id.request].count...]
    where !engines[engine].prefixCache!.contains(hash) {
      // Its place is the sequence's own block, so nothing is evicted for it.
      _ = engines[engine].prefixCache!.insert(hash)
      _ = engines[engine].prefixCache!.pin(hash)
      sharedBlocks[id.request].append(hash)
    }
  }

  /// Cached blocks that nobody uses give way to blocks in use.
  private mutating func trimPrefixCache(_ engine: Int) {
    let free = engines[engine].freeBlocks
    engines[engine].prefixCache?.keepUnpinned(atMost: free)
  }

  /// Gives a sequence's blocks back; shared ones stay cached, and in use while others use them.
  mutating func releaseBlocks(_ id: SequenceID) {
    let engine = Int(self[id].engine)
    var freed = self[id].blocks
    if engines[engine].prefixCache != nil {
      // From the tail, so that a prefix outlives what continues it.
      for hash in sharedBlocks[id.request].reversed() {
        engines[engine].prefixCache!.unpin(hash)
        if engines[engine].prefixCache!.isPinned(hash) { freed -= 1 }
      }
      sharedBlocks[id.request] = []
    }
    engines[engine].freeBlocks += freed
    self[id].blocks = 0
  }

  /// Takes the blocks of the sequence admitted last and sends it back to the head of the queue.
  ///
  /// Its KV is lost: it computes prompt and generated tokens anew (vLLM's recomputation).
  mutating func preemptLast(_ engine: Int) {
    let id = engines[engine].running.removeLast()
    releaseBlocks(id)
    self[id].computed = 0
    self[id].cached = 0
    self[id].loads = false
    self[id].status = .prepared
    records[id.request].preemptions += 1
    engines[engine].waiting.prepend(id)
    self[id].enqueued = now
  }

  /// Frees the prefill blocks though the KV has not left: the `hold_until_sent: false` ablation.
  mutating func releaseEarly(_ id: SequenceID) {
    releaseBlocks(id)
    markDirty(Int(self[id].engine))
  }

  func hasBatchSlot(_ engine: Int) -> Bool {
    engines[engine].running.count < workload.engine.maxSequences
  }

  /// Puts a sequence into the running batch with its first tokens.
  mutating func run(_ id: SequenceID, tokens: Int, on engine: Int) {
    self[id].status = .running
    engines[engine].running.append(id)
    engines[engine].batch.append(Engine.Work(sequence: id, newTokens: tokens))
  }

  /// A sequence leaves a queue: its waiting is over.
  mutating func noteScheduled(_ id: SequenceID) {
    let request = id.request
    let waited = now - self[id].enqueued
    if id.side == .prefill {
      if records[request].prefillScheduled == nil { records[request].prefillScheduled = now }
      records[request].prefill.scheduling += waited
    } else {
      if records[request].decodeScheduled == nil { records[request].decodeScheduled = now }
      records[request].decode.scheduling += waited
    }
  }
}
