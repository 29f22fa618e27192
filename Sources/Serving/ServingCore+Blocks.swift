// Paged GPU memory: allocation, preemption, release.

import EventKernel

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
    return true
  }

  /// Takes the blocks of the sequence admitted last and sends it back to the head of the queue.
  ///
  /// Its KV is lost: it computes prompt and generated tokens anew (vLLM's recomputation).
  mutating func preemptLast(_ engine: Int) {
    let id = engines[engine].running.removeLast()
    engines[engine].freeBlocks += self[id].blocks
    self[id].blocks = 0
    self[id].computed = 0
    self[id].loads = false
    self[id].status = .prepared
    records[id.request].preemptions += 1
    engines[engine].waiting.prepend(id)
    self[id].enqueued = now
  }

  /// Frees the prefill blocks though the KV has not left: the `hold_until_sent: false` ablation.
  mutating func releaseEarly(_ id: SequenceID) {
    let engine = Int(self[id].engine)
    engines[engine].freeBlocks += self[id].blocks
    self[id].blocks = 0
    markDirty(engine)
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
