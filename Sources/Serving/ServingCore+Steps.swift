// Steps of an engine: how long they take, how many go by in one event, and what they credit.
//
// While a batch only decodes and nothing else changes, its steps differ by a constant, so a run of
// them is one event. Whatever might change the next step cuts the run to the step under way;
// whatever looks at an engine first lets it catch up. Step ends come before all else at an instant,
// in order of engines, so that it is plain which have passed. The figures are those of the same
// steps one by one (`isExact`).

import EventKernel
import Rack

/// Steps of one batch, one after the other.
struct StepRun {
  /// Time of the step under way.
  var span = SimDuration.zero
  /// By how much each step takes longer than the one before.
  var growth = SimDuration.zero
  /// Steps left, the one under way included.
  var left = 0
  /// When the step under way ends, and when the last one does.
  var stepEnds = SimTime.zero
  var ends = SimTime.zero

  /// Time of the first `count` steps left.
  func time(of count: Int) -> SimDuration { span * count + growth * (count * (count - 1) / 2) }

  /// When the step `count` after the one under way ends.
  func end(after count: Int) -> SimTime {
    stepEnds + span * count + growth * (count * (count + 1) / 2)
  }

  /// Steps that have ended at `time`, the last one left out.
  func passed(at time: SimTime) -> Int {
    guard left > 1, stepEnds <= time else { return 0 }
    // As if all took as long as the one under way: too many, if at all.
    var count = min(left - 1, 1 + Int((time - stepEnds).picoseconds / span.picoseconds))
    if growth > .zero {
      // Roughly, then exactly.
      let (a, b) = (Double(growth.picoseconds) / 2, Double(span.picoseconds))
      let c = Double((time - stepEnds).picoseconds)
      let root = (((a + b) * (a + b) + 4 * a * c).squareRoot() - (a + b)) / (2 * a)
      count = min(count, 2 + Int(root))
    }
    while end(after: count - 1) > time { count -= 1 }
    return count
  }
}

extension ServingCore {
  /// Begins the planned step, and as many after it as will be alike.
  mutating func beginSteps(of engine: Int, aggregated: Bool) {
    var run = StepRun()
    run.left = 1
    if let batch = decodeBatch(of: engine, aggregated: aggregated) {
      let kernels = engines[engine].kernels
      let cost = kernels.decodeSteps!.cost(
        sequences: engines[engine].batch.count, context: batch.context,
        windowContext: batch.windowContext, kernels.model)
      run.span = SimDuration(picoseconds: cost.time)
      run.growth = SimDuration(picoseconds: batch.growth.time)
      if engines[engine].isSteady, !isExact {
        run.left = stepsWithBlocks(engine, atMost: batch.steps)
      }
      engines[engine].energy.begin(
        work: cost.energy, growth: batch.growth.energy, span: run.span)
    } else {
      run.span = beginMixed(engine)
    }
    run.stepEnds = now + run.span
    run.ends = now + run.time(of: run.left)
    engines[engine].run = run
    engines[engine].busy += run.span
    engines[engine].steps += 1
    queue.push(.computeEnded(engine: Int32(engine)), at: run.ends, rank: UInt16(engine))
  }

  /// A batch in which every sequence computes the one token that it lacks.
  private struct DecodeBatch {
    var context = 0
    var windowContext = 0
    var growth = DecodeSteps.Cost(time: 0, energy: 0)
    /// Steps until a sequence ends, or the growth changes.
    var steps = Int.max
  }

  private func decodeBatch(of engine: Int, aggregated: Bool) -> DecodeBatch? {
    guard let window = engines[engine].kernels.decodeSteps?.window else { return nil }
    var batch = DecodeBatch()
    var growing = 0
    for place in engines[engine].batch.indices {
      let work = engines[engine].batch[place]
      let context = self[work.sequence].computed + 1
      guard work.newTokens == 1, context > 1, context == self[work.sequence].tokens else {
        return nil
      }
      batch.context += context
      let steps =
        aggregated || work.sequence.side == .decode
        ? records[work.sequence.request].outputTokens - self[work.sequence].emitted : 1
      batch.steps = min(batch.steps, steps)
      guard window < .max else { continue }
      batch.windowContext += min(context, window)
      guard context < window else { continue }
      growing += 1
      batch.steps = min(batch.steps, window - context + 1)
    }
    batch.growth = engines[engine].kernels.decodeSteps!.growth(
      tokens: engines[engine].batch.count, windowTokens: growing)
    return batch
  }

  /// A step by the whole formula or table, its time rounded once.
  private mutating func beginMixed(_ engine: Int) -> SimDuration {
    let kernels = engines[engine].kernels
    var batch = StepTimeModel.Batch(window: kernels.model.window)
    for work in engines[engine].batch {
      let sequence = self[work.sequence]
      if work.newTokens == 1 && sequence.computed > 0 {
        batch.addDecode(contextTokens: sequence.computed + 1)
      } else {
        batch.addPrefill(tokens: work.newTokens, cached: sequence.computed)
      }
      if sequence.computed + work.newTokens == sequence.tokens { batch.sampledSequences += 1 }
    }
    let seconds = kernels.model.stepSeconds(batch)
    let span = SimDuration.seconds(seconds + workload.engine.stepOverheadSeconds)
    let energy = engines[engine].energy
    engines[engine].energy.begin(
      work: energy.power.workFemtojoules(
        kernels.model.work(batch, seconds: seconds), sharers: energy.sharers), span: span)
    return span
  }

  /// Steps of the batch that the free blocks last for, one at least: its blocks are taken.
  private func stepsWithBlocks(_ engine: Int, atMost limit: Int) -> Int {
    func fits(_ steps: Int) -> Bool {
      var needed = 0
      for place in engines[engine].batch.indices {
        let id = engines[engine].batch[place].sequence
        needed += engines[engine].blocks(forTokens: self[id].computed + steps) - self[id].blocks
      }
      return needed <= engines[engine].freeBlocks
    }
    if limit == 1 || fits(limit) { return limit }
    var (enough, tooMany) = (1, limit)
    while tooMany - enough > 1 {
      let middle = (enough + tooMany) / 2
      if fits(middle) { enough = middle } else { tooMany = middle }
    }
    return enough
  }

  // MARK: Catching up

  /// Something may change the engine's next step: its run ends with the step under way.
  mutating func cutRun(of engine: Int) {
    catchUp(engine)
    guard engines[engine].run.left > 1 else { return }
    engines[engine].run.left = 1
    engines[engine].run.ends = engines[engine].run.stepEnds
    // The event at the former end finds another end.
    queue.push(
      .computeEnded(engine: Int32(engine)), at: engines[engine].run.ends, rank: UInt16(engine))
  }

  /// Something looks at all engines.
  mutating func catchUpAll() {
    for engine in engines.indices { catchUp(engine) }
  }

  /// Credits the steps of the engine's run that have ended and plans the one under way.
  mutating func catchUp(_ engine: Int) {
    guard engines[engine].run.left > 1 else { return }
    // At this instant engines end steps in their order, and all else comes later.
    let time =
      queue.rank >= UInt16(engine) ? now : SimTime(picoseconds: now.picoseconds - 1)
    let passed = engines[engine].run.passed(at: time)
    guard passed > 0 else { return }
    credit(passed, stepsOf: engine)
    if engines[engine].prefixCache == nil {
      growCounted(engine)
    } else {
      growNamed(engine, steps: passed)
    }
    var run = engines[engine].run
    lastProgress = max(lastProgress, run.end(after: passed - 1))
    engines[engine].steps += passed
    // Those of the step under way are counted in full.
    engines[engine].energy.advance(passed, run)
    engines[engine].busy += run.time(of: passed + 1) - run.span
    run.stepEnds = run.end(after: passed)
    run.span += run.growth * passed
    run.left -= passed
    engines[engine].run = run
  }

  /// Credits whole steps to the batch's sequences: each has sampled a token in each.
  private mutating func credit(_ steps: Int, stepsOf engine: Int) {
    let run = engines[engine].run
    let total = run.time(of: steps)
    let last = run.end(after: steps - 1)
    var steady = 0
    for place in engines[engine].batch.indices {
      let id = engines[engine].batch[place].sequence
      let request = id.request
      if self[id].emitted > 0 {
        records[request].decode.compute += total
        if note(gap: run.stepEnds - self[id].lastToken, stepSpan: run.span) { steady += 1 }
      } else {
        records[request].firstToken = run.stepEnds
        if id.side == .prefill {
          records[request].prefillDone = run.stepEnds
          records[request].prefill.compute += run.span
          records[request].decode.compute += total - run.span
        } else {
          records[request].decode.compute += total
        }
      }
      self[id].computed += steps
      self[id].tokens += steps
      self[id].emitted += steps
      self[id].lastToken = last
    }
    let count = engines[engine].batch.count
    let (span, growth) = (run.span.picoseconds, run.growth.picoseconds)
    if steady == count {
      tokenGaps.append(first: span, step: growth, count: steps, weight: count)
    } else {
      tokenGaps.append(first: span, weight: steady)
      tokenGaps.append(first: span + growth, step: growth, count: steps - 1, weight: count)
    }
  }

  /// Counts a gap between two tokens of a sequence; true if it is the step's span, so that the caller
  /// can count all of these at once.
  mutating func note(gap: SimDuration, stepSpan: SimDuration) -> Bool {
    if gap == stepSpan { return true }
    tokenGaps.append(first: gap.picoseconds)
    return false
  }

  /// Takes the blocks that the plans since have taken, where blocks are counted only.
  private mutating func growCounted(_ engine: Int) {
    for place in engines[engine].batch.indices {
      let id = engines[engine].batch[place].sequence
      let blocks = engines[engine].blocks(forTokens: self[id].computed + 1)
      engines[engine].freeBlocks -= blocks - self[id].blocks
      self[id].blocks = blocks
    }
  }

  /// The same in a prefix cache, in the order of the plans: which blocks they are depends on it.
  private mutating func growNamed(_ engine: Int, steps: Int) {
    let size = engines[engine].blockTokens
    for left in stride(from: steps - 1, through: 0, by: -1) {
      for place in engines[engine].batch.indices {
        let id = engines[engine].batch[place].sequence
        let computed = self[id].computed - left
        if computed % size == 0 {
          let fits = allocate(id, upTo: computed + 1, keeping: 0)
          precondition(fits, "a run of steps ends where blocks do")
        }
        if (computed + 1) % size == 0 { nameBlock(id, computed / size) }
      }
    }
  }
}
