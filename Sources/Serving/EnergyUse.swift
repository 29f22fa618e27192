// Where a run's energy goes: counted by step in engines, read off the totals of links.

import EventKernel
import Rack

/// Energy of one engine's steps above what its GPUs draw at rest.
struct EngineEnergy {
  /// Of one of its GPUs.
  let power: GPUPower
  /// GPUs that share each layer, and those of the whole replica.
  let sharers, gpus: Int
  /// Of all steps, joules: whole steps from their begin on.
  private(set) var activeJoules = 0.0
  /// Of the step under way, joules.
  private var stepJoules = 0.0

  init(_ pool: WorkerPool) {
    power = pool.gpu.power
    sharers = pool.tensorParallel
    gpus = pool.gpuCount
  }

  /// Counts a step that takes `seconds`, of which kernels take their part.
  mutating func begin(
    _ batch: StepTimeModel.Batch, _ model: StepTimeModel, kernelSeconds: Double, seconds: Double
  ) {
    stepJoules = power.activeJoules(
      model.work(batch, seconds: kernelSeconds), seconds: seconds, sharers: sharers, gpus: gpus)
    activeJoules += stepJoules
  }

  /// The same without a share of the last step.
  func without(share: Double) -> EngineEnergy {
    var energy = self
    energy.activeJoules -= stepJoules * share
    energy.stepJoules = 0
    return energy
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
    for (index, engine) in core.engines.enumerated() {
      let rest = Double(engine.energy.gpus) * engine.energy.power.idle * span.seconds
      let joules = rest + engine.energy(at: now).activeJoules
      if index < rack.prefill.count { prefillGPUs += joules } else { decodeGPUs += joules }
      hosts +=
        (rack.host.idleWatts + rack.nic.idleWatts) * span.seconds
        + (rack.host.activeWatts - rack.host.idleWatts) * engine.busy(at: now).seconds
    }
    if core.system.base.usesSharedMemory {
      cxlDevices = rack.cxl.idleWatts * Double(rack.cxl.devices) * span.seconds
    }
    for (resource, joulesPerByte) in core.fabric.metered {
      transfers += joulesPerByte * core.network.bytesMoved(over: resource, at: now)
    }
  }
}
