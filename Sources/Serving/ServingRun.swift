// One run of one system: builds the rack, picks the connector, checks what must be conserved.

import EventKernel
import Rack
import Workload

/// Runs systems. Runs share nothing, so several may go on at once.
public enum ServingRun {
  /// Simulates `system` under `workload` offered `stream`, to the last event.
  ///
  /// The result depends on system, workload and stream alone: an observer is told, nothing more.
  /// - Parameter exactSteps: every step of an engine is an event, which is slow and changes nothing
  ///   but `RunResult.events`; observed runs are so always.
  /// - Parameter taker: takes the records in order of their numbers while the run goes on, so that
  ///   they need not be kept; without it they are in the result.
  public static func run(
    system: SystemSpec, workload: Workload, stream: RequestStream, exactSteps: Bool = false,
    observer: (any RunObserver)? = nil, taker: ((RequestRecord) -> Void)? = nil
  ) -> RunResult {
    func run<C: Connector & ~Copyable>(_ connector: C.Type) -> RunResult {
      var kept: [RequestRecord] = []
      var result = Self.run(
        connector, system, workload, stream, exactSteps: exactSteps, observer,
        taker ?? { kept.append($0) })
      result.requests = kept
      return result
    }
    return switch system.base {
    case .aggregated: run(AggregatedConnector.self)
    case .nixl: run(NIXLConnector.self)
    case .lmcache: run(LMCacheConnector.self)
    case .tractNoCache: run(CXLConnector<NoReuse>.self)
    case .tract: run(CXLConnector<RackWideReuse>.self)
    case .mooncake: run(MooncakeConnector.self)
    case .beluga: run(BelugaConnector.self)
    case .ideal: run(IdealConnector.self)
    }
  }

  /// What keeps a system from running at all, in words; nil if nothing does.
  public static func obstacle(_ system: SystemSpec, _ workload: Workload) -> String? {
    let blockBytes = system.blockTokens * workload.kvBytesPerToken
    switch system.base {
    case .lmcache where system.cacheBytes < blockBytes,
      .mooncake where system.cacheBytes < blockBytes, .beluga where system.cacheBytes < blockBytes:
      return "\(system.name): cache_gib holds no block of \(blockBytes) B; raise it"
    case .tract, .tractNoCache:
      return StoreDriver.obstacle(system, workload).map { "\(system.name): \($0)" }
    default: return nil
    }
  }

  private static func run<C: Connector & ~Copyable>(
    _ connector: C.Type, _ system: SystemSpec, _ workload: Workload, _ stream: RequestStream,
    exactSteps: Bool, _ observer: (any RunObserver)?, _ taker: @escaping (RequestRecord) -> Void
  ) -> RunResult {
    var network = FluidNetwork()
    let fabric = Fabric(workload.rack, into: &network)
    let rack = workload.rack
    let pools = [rack.prefill, rack.decode]
    let kernels = pools.map { Self.kernels($0, workload) }
    let engines = (0..<rack.hostCount).map { host in
      let pool = host < rack.prefill.count ? 0 : 1
      return engine(host: host, pool: pools[pool], kernels: kernels[pool], workload)
    }
    let everyone = 0..<rack.hostCount
    var core = ServingCore(
      workload: workload, system: system, stream: stream, network: network, fabric: fabric,
      engines: engines, prefillPool: C.aggregated ? everyone : 0..<rack.prefill.count,
      decodePool: C.aggregated ? everyone : rack.prefill.count..<rack.hostCount,
      taker: taker)
    core.isExact = exactSteps || observer != nil
    core.observer = observer
    observer?.begin(core.setting(aggregated: C.aggregated))
    var model = ServingModel<C>(core: core)
    model.run()
    return result(&model)
  }

  /// What steps cost on a pool's replicas.
  static func kernels(_ pool: WorkerPool, _ workload: Workload) -> EngineKernels {
    guard
      let model = StepTimeModel(
        gpu: pool.gpu, model: workload.model, tensorParallel: pool.tensorParallel,
        weights: workload.weightFormat, kv: workload.kvFormat,
        pipelineParallel: pool.pipelineParallel, expertParallel: pool.expertParallel,
        table: pool.stepTimes)
    else { preconditionFailure("validation let through a division without figures") }
    return EngineKernels(model, pool, overheadSeconds: workload.engine.stepOverheadSeconds)
  }

  /// A worker's engine, with all KV blocks that fit into its memory or with `blocks`.
  static func engine(
    host: Int, pool: WorkerPool, kernels: EngineKernels, _ workload: Workload, blocks: Int? = nil
  ) -> Engine {
    let bytes = MemoryFit.kvBytes(
      pool: pool, model: workload.model, weights: workload.weightFormat,
      utilization: workload.engine.gpuMemoryUtilization,
      reserveBytes: Int(Catalogue.builtIn.software("activation_reserve")))
    let blockBytes = workload.engine.blockTokens * workload.kvBytesPerToken
    let blocks = blocks ?? bytes / blockBytes
    return Engine(
      host: host, pool: pool, kernels: kernels, blockTokens: workload.engine.blockTokens,
      totalBlocks: blocks, watermarkBlocks: Int(workload.engine.watermark * Double(blocks)))
  }

  private static func result<C: Connector & ~Copyable>(_ model: inout ServingModel<C>) -> RunResult
  {
    model.core.handOutRest()
    let (store, problems) = model.connector.close(&model.core)
    return result(&model.core, model.sampler, store, problems)
  }

  private static func result(
    _ core: inout ServingCore, _ sampler: Sampler, _ store: StoreUse?, _ problems: [String]
  ) -> RunResult {
    // A run that was given up is in the middle of things; its requests say why they failed.
    let violations = core.isAbandoned ? [] : Conservation.violations(in: &core) + problems
    let span = max(core.end.seconds, 1e-12)
    var resources = core.engines.enumerated().map { index, engine in
      ResourceUse(
        name: "host\(index)_gpu", bytes: nil, utilisation: engine.busy.seconds / span)
    }
    for id in core.network.resourceIDs {
      let bytes = core.network.bytesMoved(over: id, at: core.now)
      resources.append(
        ResourceUse(
          name: core.network.name(of: id), bytes: bytes,
          utilisation: bytes / (core.network.capacity(of: id) * span)))
    }
    let energy = EnergyUse(&core, at: core.now, span: core.end - .zero)
    return RunResult(
      system: core.system, presence: core.presence, tokenGaps: core.tokenGaps, end: core.end,
      resources: resources,
      bytes: TransferKind.allCases.map {
        PathBytes(path: $0.label, bytes: core.bytesByKind[$0.rawValue])
      },
      energy: energy, store: store, faults: core.faults.isPresent ? core.faults.use : nil,
      seriesColumns: sampler.columns, series: sampler.rows,
      events: core.queue.handled, steps: core.engines.reduce(0) { $0 + $1.steps },
      stepEvents: core.stepEvents, violations: violations)
  }
}
