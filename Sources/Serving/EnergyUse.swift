// Where a run's energy goes: counted by step in engines, read off the totals of links.

import EventKernel
import Rack

/// Energy of one engine's steps above what its GPUs draw at rest.
///
/// Kept in whole femtojoules, so that steps add up the same one by one and many at a time.
struct EngineEnergy {
  /// Of one of its GPUs.
  let power: GPUPower
  /// GPUs that share each layer, and those of the whole replica.
  let sharers, gpus: Int
  /// Milliwatts above idle that its GPUs may draw.
  private let limit: Int128
  /// Of all steps: whole steps from their begin on.
  private var active: Int128 = 0
  /// Of the step under way, as it is and if nothing limited it.
  private var step: Int128 = 0
  private var work: Int128 = 0
  /// By how much the work grows from one step of a run to the next.
  private var growth: Int128 = 0

  var activeJoules: Double { Double(nearest: active) * 1e-15 }

  init(_ pool: WorkerPool) {
    power = pool.gpu.power
    sharers = pool.tensorParallel
    gpus = pool.gpuCount
    limit = power.limitAboveIdle(gpus: gpus)
  }

  /// Counts the first step of a run: its work in femtojoules, its span, and by how much the work of
  /// each further step is more.
  mutating func begin(work: Int128, growth: Int128 = 0, span: SimDuration) {
    self.work = work
    self.growth = growth
    step = min(work, limit * Int128(span.picoseconds))
    active += step
  }

  /// Counts the `count` steps of the run that follow the step under way, the last of which is now
  /// under way; `run` is before them.
  mutating func advance(_ count: Int, _ run: StepRun) {
    let free = Line(first: work, growth: growth)
    let limited = Line(
      first: limit * Int128(run.span.picoseconds),
      growth: limit * Int128(run.growth.picoseconds))
    active += Line.sumOfLesser(free, limited, 1..<count + 1)
    work = free[count]
    step = min(work, limited[count])
  }

  /// The same without a share of the last step.
  func without(share: Double) -> EngineEnergy {
    var energy = self
    energy.active -= Int128((Double(nearest: step) * share).rounded())
    energy.step = 0
    return energy
  }

  /// Whole numbers that grow by the same from one step to the next.
  private struct Line {
    var first, growth: Int128

    subscript(step: Int) -> Int128 { first + growth * Int128(step) }

    func sum(_ steps: Range<Int>) -> Int128 {
      let (low, high) = (Int128(steps.lowerBound), Int128(steps.upperBound))
      return first * (high - low) + growth * ((high * (high - 1) - low * (low - 1)) / 2)
    }

    /// Of each step the lesser of two lines, summed up.
    static func sumOfLesser(_ a: Line, _ b: Line, _ steps: Range<Int>) -> Int128 {
      guard let last = steps.last else { return 0 }
      let isLess = a[steps.lowerBound] <= b[steps.lowerBound]
      if isLess == (a[last] <= b[last]) { return (isLess ? a : b).sum(steps) }
      // They cross once: `same` is a step as the first one, `other` as the last.
      var (same, other) = (steps.lowerBound, last)
      while other - same > 1 {
        let middle = (same + other) / 2
        if (a[middle] <= b[middle]) == isLess { same = middle } else { other = middle }
      }
      let (lesserFirst, lesserLast) = isLess ? (a, b) : (b, a)
      return lesserFirst.sum(steps.lowerBound..<other) + lesserLast.sum(other..<steps.upperBound)
    }
  }
}

/// Energy of a run by part of the rack, joules.
public struct EnergyUse: Hashable, Sendable {
  /// GPUs of the prefill and of the decode workers, idle and at work.
  public var prefillGPUs = 0.0
  public var decodeGPUs = 0.0
  /// Hosts with their NICs, without their GPUs.
  public var hosts = 0.0
  /// CXL devices at rest; none in systems that keep no KV there.
  public var cxlDevices = 0.0
  /// What moving KV takes on PCIe, DRAM, NICs and CXL devices.
  public var transfers = 0.0

  public var gpus: Double { prefillGPUs + decodeGPUs }
  public var total: Double { gpus + hosts + cxlDevices + transfers }

  public init() {}

  /// What has been used until `now`, with idle power for `span`.
  init(_ core: inout ServingCore, at now: SimTime, span: SimDuration) {
    let rack = core.workload.rack
    for index in core.engines.indices {
      let energy = core.engines[index].energy(at: now)
      let joules =
        Double(energy.gpus) * energy.power.idle * span.seconds + energy.activeJoules
      if index < rack.prefill.count { prefillGPUs += joules } else { decodeGPUs += joules }
      hosts +=
        (rack.host.idleWatts + rack.nic.idleWatts) * span.seconds
        + (rack.host.activeWatts - rack.host.idleWatts)
        * core.engines[index].busy(at: now).seconds
    }
    if core.system.base.usesSharedMemory {
      cxlDevices = rack.cxl.idleWatts * Double(rack.cxl.devices) * span.seconds
    }
    for (resource, joulesPerByte) in core.fabric.metered {
      transfers += joulesPerByte * core.network.bytesMoved(over: resource, at: now)
    }
  }
}
