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
    if engines[engine].prefixCache != nil {
      for _ in 0..<needed {
        blockTables[Int(id.index)].append(engines[engine].prefixCache!.take())
      }
    }
    return true
  }

  /// Gives a waiting sequence the blocks of its first step, of which the engine's prefix cache may
  /// supply the head; false, and nothing changes, if it must wait.
  ///
  /// All its tokens must fit, as by vLLM's default (`scheduler_reserve_full_isl`), though it takes
  /// no more than this step needs, in which it computes at most `budget` tokens.
  mutating func admit(_ id: SequenceID, budget: Int) -> Bool {
    let engine = Int(self[id].engine)
    let tokens = self[id].tokens
    let hit = cachedBlocks(id)
    let needed = engines[engine].blocks(forTokens: tokens) - hit.count + hit.unused
    guard engines[engine].freeBlocks - needed >= spareBlocks(engine) else { return false }
    if engines[engine].prefixCache != nil {
      for place in 0..<hit.count {
        let block = engines[engine].prefixCache!.find(blockName(id.request, place))!
        engines[engine].prefixCache!.use(block)
        blockTables[Int(id.index)].append(block)
      }
      engines[engine].freeBlocks -= hit.unused
      self[id].blocks = hit.count
      self[id].cached = hit.count * engines[engine].blockTokens
      if records[id.request].preemptions == 0 {
        records[id.request].cachedTokens = self[id].cached
      }
    }
    let fits = allocate(id, upTo: min(tokens, self[id].cached + budget), keeping: 0)
    precondition(fits, "a whole sequence fits, but not its first step")
    return true
  }

  /// Blocks that admission leaves free: vLLM's watermark, and none while nothing runs, or a
  /// sequence as large as the memory would wait for ever.
  func spareBlocks(_ engine: Int) -> Int {
    engines[engine].running.isEmpty ? 0 : engines[engine].watermarkBlocks
  }

  /// How many blocks at a sequence's head the prefix cache holds, and how many of these are free
  /// until it takes them. The block of its last token is never one: that token must be computed.
  private func cachedBlocks(_ id: SequenceID) -> (count: Int, unused: Int) {
    guard let cache = engines[Int(self[id].engine)].prefixCache else { return (0, 0) }
    let limit = (self[id].tokens - 1) / workload.engine.blockTokens
    var (count, unused) = (0, 0)
    while count < limit, let block = cache.find(blockName(id.request, count)) {
      if cache.isFree(block) { unused += 1 }
      count += 1
    }
    return (count, unused)
  }

  /// Names the blocks that a sequence fills with its next `tokens` tokens.
  ///
  /// As in vLLM they can be found as soon as they are scheduled: whoever takes them runs in the
  /// same step or later, after they are written.
  mutating func nameFilledBlocks(_ id: SequenceID, adding tokens: Int) {
    let engine = Int(self[id].engine)
    guard engines[engine].prefixCache != nil else { return }
    let size = engines[engine].blockTokens
    for place in self[id].computed / size..<(self[id].computed + tokens) / size {
      nameBlock(id, place)
    }
  }

  mutating func nameBlock(_ id: SequenceID, _ place: Int) {
    let block = blockTables[Int(id.index)][place]
    engines[Int(self[id].engine)].prefixCache!.name(block, blockName(id.request, place))
  }

  /// Gives a sequence's blocks back; named ones can still be found.
  mutating func releaseBlocks(_ id: SequenceID) {
    let engine = Int(self[id].engine)
    if engines[engine].prefixCache == nil {
      engines[engine].freeBlocks += self[id].blocks
    } else {
      engines[engine].freeBlocks += engines[engine].prefixCache!.release(
        blockTables[Int(id.index)])
      blockTables[Int(id.index)] = []
    }
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
    nameFilledBlocks(id, adding: tokens)
    engines[engine].batch.append(Engine.Work(sequence: id, newTokens: tokens))
  }

  /// Takes sequences that have done their part out of the running batch.
  mutating func dropHeld(from engine: Int) {
    var kept = 0
    for place in engines[engine].running.indices {
      let id = engines[engine].running[place]
      guard self[id].status != .held else { continue }
      engines[engine].running[kept] = id
      kept += 1
    }
    engines[engine].running.removeLast(engines[engine].running.count - kept)
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
