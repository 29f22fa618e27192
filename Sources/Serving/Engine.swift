// The engine scheduler: continuous batching with vLLM's semantics, one step at a time.

import EventKernel
import Rack

/// One model replica: its queues, its paged KV memory and the step it is running.
///
/// Semantics follow vLLM's V1 scheduler: running sequences first, in order of admission, each
/// with as many tokens as the step's budget leaves (chunked prefill); then waiting sequences in
/// order of arrival while budget, batch slots and free blocks last. A running sequence that finds
/// no free block preempts the sequence admitted last, which loses its KV and is recomputed.
struct Engine {
  /// One sequence's share of a step.
  struct Work {
    var sequence: SequenceID
    var newTokens: Int
  }

  let host: Int
  let kernels: EngineKernels
  let blockTokens: Int
  let totalBlocks: Int
  let watermarkBlocks: Int
  var freeBlocks: Int
  var waiting = RequestQueue()
  /// Sequences whose KV has come in, to be scheduled before `waiting`.
  var ready = RequestQueue()
  var running: [SequenceID] = []
  /// The step under way; empty when idle.
  var batch: [Work] = []
  /// A step is under way, or one is held back by synchronous transfers.
  var stepping = false
  /// Synchronous loads the step under way still waits for.
  var pendingLoads = 0
  /// Whether the GPU works on the step under way.
  var computing = false
  /// The step under way, and those like it that will follow.
  var run = StepRun()
  /// Whether the batch holds all that runs and the next plan, if nothing else happens, holds the same.
  var isSteady = false
  /// Whether the GPU work of the step under way has ended (layer-wise loads may still run).
  var computeEnded = false
  /// Synchronous saves that hold back the next step.
  var pendingSaves = 0
  /// Whether its host is up and, in the store, a member.
  var isUp = true
  /// Marked for a scheduling attempt once the current event is handled.
  var dirty = false
  /// GPU time of all steps, whole steps from their begin on.
  var busy = SimDuration.zero
  var energy: EngineEnergy
  var steps = 0
  /// GPU memory block by block, if full blocks can be found again; blocks that nobody uses count as
  /// free all the same.
  var prefixCache: BlockPool?
  /// Prompt tokens of all sequences given to this engine and not retired: the routers' load.
  var outstandingTokens = 0

  init(
    host: Int, pool: WorkerPool, kernels: EngineKernels, blockTokens: Int, totalBlocks: Int,
    watermarkBlocks: Int
  ) {
    self.host = host
    self.kernels = kernels
    self.blockTokens = blockTokens
    self.totalBlocks = totalBlocks
    self.freeBlocks = totalBlocks
    self.watermarkBlocks = watermarkBlocks
    energy = EngineEnergy(pool)
  }

  /// A replica of the same kind with nothing in its memory.
  init(replacing old: Engine) {
    host = old.host
    kernels = old.kernels
    blockTokens = old.blockTokens
    totalBlocks = old.totalBlocks
    freeBlocks = old.totalBlocks
    watermarkBlocks = old.watermarkBlocks
    energy = old.energy
  }

  /// The span of the step under way that is still to come.
  private func rest(at now: SimTime) -> SimDuration {
    computing && !computeEnded && run.stepEnds > now ? run.stepEnds - now : .zero
  }

  /// GPU time until now; of the step under way, what has passed.
  func busy(at now: SimTime) -> SimDuration { busy - rest(at: now) }

  /// Energy of steps until now; of the step under way, what has passed.
  func energy(at now: SimTime) -> EngineEnergy {
    let rest = rest(at: now)
    return rest > .zero ? energy.without(share: rest.seconds / run.span.seconds) : energy
  }

  func blocks(forTokens tokens: Int) -> Int { (tokens + blockTokens - 1) / blockTokens }
}

/// What steps cost on the replicas of one pool.
struct EngineKernels {
  let model: StepTimeModel
  /// Nil if steps that only decode have no exact form.
  let decodeSteps: DecodeSteps?

  init(_ model: StepTimeModel, _ pool: WorkerPool, overheadSeconds: Double) {
    self.model = model
    decodeSteps = DecodeSteps(model, pool, overheadSeconds: overheadSeconds)
  }
}

/// A first-in first-out queue that also takes back preempted sequences at its head.
struct RequestQueue {
  private var storage: [SequenceID] = []
  private var head = 0

  var isEmpty: Bool { head == storage.count }
  var count: Int { storage.count - head }

  subscript(position: Int) -> SequenceID { storage[head + position] }

  mutating func append(_ id: SequenceID) { storage.append(id) }

  mutating func prepend(_ id: SequenceID) {
    if head > 0 {
      head -= 1
      storage[head] = id
    } else {
      storage.insert(id, at: 0)
    }
  }

  /// Removes the given element, if it is there.
  /// - Complexity: O(count).
  mutating func remove(_ id: SequenceID) {
    guard let place = storage[head...].firstIndex(of: id) else { return }
    remove(at: place - head)
  }

  /// Removes the element at `position`, keeping the order of the others.
  /// - Complexity: O(1) at the head, else O(count).
  mutating func remove(at position: Int) {
    guard position == 0 else {
      storage.remove(at: head + position)
      return
    }
    head += 1
    if head > 1024, head * 2 > storage.count {
      storage.removeFirst(head)
      head = 0
    }
  }
}
