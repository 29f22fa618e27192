// Steps that only decode, in whole picoseconds and femtojoules: so many of them add up without rounding.

import EventKernel

/// Time and energy of steps in which each of n sequences computes one token over its context:
/// `fixed(n) + perToken · Σ context + perWindowToken · Σ min(context, window)`.
///
/// It is `StepTimeModel`'s formula, each coefficient rounded once. A class, for what it has worked out
/// serves all engines of a pool; not for several threads.
public final class DecodeSteps {
  /// Time, picoseconds, and energy above idle, femtojoules.
  public struct Cost: Sendable {
    public var time: Int64
    public var energy: Int128

    public init(time: Int64, energy: Int128) {
      self.time = time
      self.energy = energy
    }
  }

  /// For each token of context more.
  private let perToken, perWindowToken: Cost
  /// Tokens that layers with a sliding window see.
  public let window: Int
  private let overheadSeconds: Double
  private let power: GPUPower
  private let sharers: Int
  /// By number of sequences, as far as asked for; nil where not.
  private var fixed: ContiguousArray<Cost?> = []

  /// Nothing if `model` does not follow the formula alone, or is a pipeline, whose time is the lesser
  /// of two: then a step's time is rounded as a whole.
  /// - Parameter overheadSeconds: what a step costs beside its kernels.
  public init?(_ model: StepTimeModel, _ pool: WorkerPool, overheadSeconds: Double) {
    guard let growth = model.decodeGrowth else { return nil }
    let power = pool.gpu.power
    let sharers = pool.tensorParallel
    func cost(_ seconds: Double) -> Cost {
      let work = StepWork(computeSeconds: 0, memorySeconds: seconds)
      return Cost(
        time: SimDuration.seconds(seconds).picoseconds,
        energy: power.workFemtojoules(work, sharers: sharers))
    }
    perToken = cost(growth.perToken)
    perWindowToken = cost(growth.perWindowToken)
    window = model.window
    self.overheadSeconds = overheadSeconds
    self.power = power
    self.sharers = sharers
  }

  /// A step over `context` tokens in all, of which layers with a window see `windowContext`.
  public func cost(
    sequences: Int, context: Int, windowContext: Int, _ model: StepTimeModel
  ) -> Cost {
    while fixed.count <= sequences { fixed.append(nil) }
    let start: Cost
    if let known = fixed[sequences] {
      start = known
    } else {
      start = fixedCost(sequences, model)
      fixed[sequences] = start
    }
    let growth = growth(tokens: context, windowTokens: windowContext)
    return Cost(time: start.time + growth.time, energy: start.energy + growth.energy)
  }

  /// What so many tokens of context more cost.
  public func growth(tokens: Int, windowTokens: Int) -> Cost {
    Cost(
      time: perToken.time * Int64(tokens) + perWindowToken.time * Int64(windowTokens),
      energy: perToken.energy * Int128(tokens) + perWindowToken.energy * Int128(windowTokens))
  }

  private func fixedCost(_ sequences: Int, _ model: StepTimeModel) -> Cost {
    let batch = model.decode(sequences: sequences, context: 0)
    let seconds = model.stepSeconds(batch)
    return Cost(
      time: SimDuration.seconds(seconds + overheadSeconds).picoseconds,
      energy: power.workFemtojoules(model.work(batch, seconds: seconds), sharers: sharers))
  }
}
