// The event loop of one run: engines, links and one connector, specialised per connector.

import EventKernel
import Rack

/// A serving system with its connector; generic, so that nothing on the hot path is an existential.
struct ServingModel<C: Connector & ~Copyable>: ~Copyable {
  var core: ServingCore
  var connector: C
  var sampler: Sampler
  private var rates = ObservedRates()

  init(core: consuming ServingCore) {
    connector = C(core: &core)
    self.core = core
    sampler = Sampler(self.core)
  }

  /// Runs until nothing more can happen.
  mutating func run() {
    core.offerFirst()
    core.scheduleFaults()
    core.schedule(.sample, at: .zero)
    while !core.isAbandoned, let (time, event) = core.queue.pop() {
      guard time <= .horizon else {
        core.giveUp(reason: "the run lasts longer than \(Int(SimTime.horizon.seconds)) s")
        return
      }
      handle(event)
      settle()
      if core.mayHandOut {
        core.handOut()
        connector.forget(before: core.records.first)
      }
      if core.isObserved, let observer = core.observer { rates.tell(observer, &core) }
    }
  }

  /// Takes the consequences of an event.
  mutating func settle() {
    if !core.faults.casualties.isEmpty { settleCasualties() }
    while let engine = core.dirtyEngines.popLast() {
      core.engines[engine].dirty = false
      progress(engine)
    }
    core.armNetwork()
  }

  mutating func handle(_ event: ServingEvent) {
    switch event {
    case .arrival(let request):
      core.noteArrival(Int(request))
      if let reason = connector.refusal(Int(request), core) {
        core.fail(Int(request), reason: reason)
      } else {
        core.arrive(Int(request), aggregated: C.aggregated)
      }
    case .computeEnded(let engine):
      core.stepEvents += 1
      computeEnded(Int(engine))
    case .network(let version):
      guard core.isCurrent(networkVersion: version) else { return }
      while let transfer = core.endedTransfer() { connector.transferEnded(transfer, &core) }
    case .launched(let transfer):
      core.launch(Int(transfer))
    case .store(let process):
      connector.storeStep(process: Int(process), &core)
    case .lockManager(let seat, let version):
      connector.lockManagerStep(seat: Int(seat), version: version, &core)
    case .tick(let node, let life):
      connector.tick(node: Int(node), life: Int(life), &core)
    case .fault(let index, let ends):
      core.catchUpAll()
      if ends { end(fault: Int(index)) } else { begin(fault: Int(index)) }
    case .retry(let request):
      connector.retry(Int(request), &core)
    case .sample:
      core.catchUpAll()
      sampler.sample(&core)
      if core.unfinished > 0 { core.schedule(.sample, at: core.now + sampler.interval) }
    }
  }

  // MARK: One engine

  /// Moves an engine on: ends its step, begins its compute, or plans the next step.
  private mutating func progress(_ engine: Int) {
    guard core.engines[engine].isUp else { return }
    if core.engines[engine].stepping {
      guard core.engines[engine].pendingLoads == 0 else { return }
      if core.engines[engine].computeEnded {
        finishStep(engine)
      } else if !core.engines[engine].computing {
        beginCompute(engine)
        return
      } else {
        core.cutRun(of: engine)
        return
      }
    }
    guard core.engines[engine].pendingSaves == 0 else { return }
    plan(engine)
    guard !core.engines[engine].batch.isEmpty else { return }
    core.engines[engine].stepping = true
    if core.engines[engine].pendingLoads == 0 || core.system.layerwise { beginCompute(engine) }
  }

  private mutating func beginCompute(_ engine: Int) {
    core.engines[engine].computing = true
    core.beginSteps(of: engine, aggregated: C.aggregated)
  }

  private mutating func computeEnded(_ engine: Int) {
    // A crash, or a cut, may have ended the run earlier.
    guard core.engines[engine].computing, core.engines[engine].run.ends == core.now else { return }
    core.catchUp(engine)
    core.engines[engine].computeEnded = true
    core.noteProgress()
    core.markDirty(engine)
  }

  /// Credits a finished step to its sequences.
  private mutating func finishStep(_ engine: Int) {
    let batch = core.engines[engine].batch
    let span = core.engines[engine].run.span
    core.engines[engine].batch.removeAll(keepingCapacity: true)
    core.engines[engine].stepping = false
    core.engines[engine].computing = false
    core.engines[engine].computeEnded = false
    if core.isObserved { core.observer?.step(core.observed(batch, of: engine, span: span)) }
    var leavers = false
    var steadyDecodes = 0
    for work in batch {
      let id = work.sequence
      let request = id.request
      core[id].computed += work.newTokens
      let sequence = core[id]
      let decoding = sequence.emitted > 0 || id.side == .decode
      if decoding {
        core.records[request].decode.compute += span
      } else {
        core.records[request].prefill.compute += span
      }
      guard sequence.computed == sequence.tokens else { continue }
      if id.side == .prefill && sequence.emitted == 0 {
        core.records[request].prefillDone = core.now
      }
      if id.side == .prefill && !C.aggregated {
        core[id].status = .held
        leavers = true
      } else {
        if emit(id, stepSpan: span) { steadyDecodes += 1 }
        if core[id].status == .held { leavers = true }
      }
    }
    core.tokenGaps.append(first: span.picoseconds, weight: steadyDecodes)
    guard leavers else { return }
    core.dropHeld(from: engine)
    for work in batch where core[work.sequence].status == .held {
      let request = work.sequence.request
      if work.sequence.side == .prefill && !C.aggregated {
        connector.prefilled(request, &core)
        if !core.system.holdUntilSent && core[work.sequence].status == .held {
          core.releaseEarly(work.sequence)
        }
      } else {
        core.retire(work.sequence)
        core.complete(request)
        connector.finished(request, &core)
      }
    }
  }

  /// The sequence has sampled a token that goes to the client.
  ///
  /// Returns whether its inter-token latency was just this step's span, so that the caller can
  /// count all such sequences at once.
  private mutating func emit(_ id: SequenceID, stepSpan: SimDuration) -> Bool {
    let request = id.request
    let now = core.now
    var steady = false
    if core[id].emitted == 0 {
      core.records[request].firstToken = now
    } else {
      steady = core.note(gap: now - core[id].lastToken, stepSpan: stepSpan)
    }
    core[id].lastToken = now
    core[id].emitted += 1
    if core[id].emitted == core.records[request].outputTokens {
      core[id].status = .held
    } else {
      core[id].tokens += 1
    }
    return steady
  }

  // MARK: The scheduler

  /// Plans the engine's next step, as vLLM's V1 scheduler does.
  private mutating func plan(_ engine: Int) {
    var budget = core.workload.engine.maxBatchedTokens
    let preempted = planRunning(engine, &budget)
    // If all were preempted, no step will come that could call for the next plan: this is it.
    if !preempted || core.engines[engine].batch.isEmpty {
      planReady(engine, &budget)
      planWaiting(engine, &budget)
    }
    if C.preparesAhead { prepareAhead(engine) }
    core.engines[engine].isSteady =
      !preempted && core.engines[engine].pendingLoads == 0
      && core.engines[engine].batch.count == core.engines[engine].running.count
  }

  /// Gives running sequences their tokens; true if one had to be preempted for blocks.
  private mutating func planRunning(_ engine: Int, _ budget: inout Int) -> Bool {
    var preempted = false
    var position = 0
    while position < core.engines[engine].running.count && budget > 0 {
      let id = core.engines[engine].running[position]
      let tokens = min(core[id].tokens - core[id].computed, budget)
      while !core.allocate(id, upTo: core[id].computed + tokens, keeping: 0) {
        preempted = true
        core.preemptLast(engine)
        if position == core.engines[engine].running.count { return true }
      }
      core.nameFilledBlocks(id, adding: tokens)
      core.engines[engine].batch.append(Engine.Work(sequence: id, newTokens: tokens))
      budget -= tokens
      position += 1
    }
    return preempted
  }

  /// Admits sequences whose KV has come in.
  private mutating func planReady(_ engine: Int, _ budget: inout Int) {
    while budget > 0, core.hasBatchSlot(engine), !core.engines[engine].ready.isEmpty {
      let id = core.engines[engine].ready[0]
      let tokens = min(core[id].tokens - core[id].computed, budget)
      guard core.allocate(id, upTo: core[id].computed + tokens, keeping: 0) else { return }
      core.engines[engine].ready.remove(at: 0)
      core.noteScheduled(id)
      core.run(id, tokens: tokens, on: engine)
      budget -= tokens
    }
  }

  /// Admits waiting sequences in order, looking prefixes up as they reach the head.
  private mutating func planWaiting(_ engine: Int, _ budget: inout Int) {
    while budget > 0, core.hasBatchSlot(engine), !core.engines[engine].waiting.isEmpty {
      let id = core.engines[engine].waiting[0]
      prepare(id)
      guard core[id].status == .prepared else { return }
      let asynchronous =
        core[id].loads && (id.side == .decode || !core.system.synchronousLoad)
      if asynchronous {
        // The whole prompt's blocks at once: partly loaded sequences must not starve each other.
        let spare = core.spareBlocks(engine)
        guard core.allocate(id, upTo: core[id].tokens, keeping: spare) else { return }
        core.engines[engine].waiting.remove(at: 0)
        core.noteScheduled(id)
        core[id].status = .loading
        startLoad(id)
        continue
      }
      guard core.admit(id, budget: budget) else { return }
      let tokens = min(core[id].tokens - core[id].cached, budget)
      core.engines[engine].waiting.remove(at: 0)
      core.noteScheduled(id)
      core[id].computed = core[id].cached
      core.run(id, tokens: tokens, on: engine)
      budget -= tokens
      if core[id].loads {
        core.engines[engine].pendingLoads += 1
        startLoad(id)
      }
    }
  }

  private mutating func startLoad(_ id: SequenceID) {
    core[id].loadStarted = core.now
    if id.side == .prefill {
      connector.loadPrefix(id.request, &core)
    } else {
      connector.fetch(id.request, &core)
    }
  }

  private mutating func prepare(_ id: SequenceID) {
    guard core[id].status == .waiting else { return }
    core[id].status = .preparing
    connector.prepare(id.request, &core)
  }

  /// Looks up requests near the head of the queue while the engine works.
  private mutating func prepareAhead(_ engine: Int) {
    for position in 0..<min(ServingConstants.lookupAhead, core.engines[engine].waiting.count) {
      prepare(core.engines[engine].waiting[position])
    }
  }
}
