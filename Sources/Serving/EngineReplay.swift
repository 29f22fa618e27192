// One engine by itself: the batches that its scheduler forms, step by step.

import EventKernel
import Rack
import Workload

/// Gives requests to one aggregated engine, as whole runs do, and notes every batch.
public enum EngineReplay {
  /// One request's share of a step.
  public struct Share: Hashable, Sendable {
    /// Index in the stream.
    public var request: Int
    public var tokens: Int

    public init(request: Int, tokens: Int) {
      self.request = request
      self.tokens = tokens
    }
  }

  /// What one step computes, and who lost its blocks when it was planned.
  public struct Step: Hashable, Sendable {
    public var shares: [Share]
    public var preempted: [Int]
  }

  /// The steps of an engine with `blocks` KV blocks until all requests of `stream` have ended.
  ///
  /// Request i arrives before step `arrivals[i]` (the first is 1), or earlier if the engine has
  /// nothing else to do; arrival times in the stream do not matter. `workload` gives the engine's
  /// limits and, in its first system, whether prefixes are cached.
  /// - Precondition: `arrivals` is ascending, one for each request.
  public static func steps(
    workload: Workload, stream: RequestStream, arrivals: [Int], blocks: Int
  ) -> [Step] {
    precondition(arrivals.count == stream.count && arrivals == arrivals.sorted())
    let pool = workload.rack.prefill
    var network = FluidNetwork()
    let fabric = Fabric(workload.rack, into: &network)
    var core = ServingCore(
      workload: workload, system: workload.systems[0], stream: stream, network: network,
      fabric: fabric,
      engines: [
        ServingRun.engine(
          host: 0, pool: pool, kernels: ServingRun.kernels(pool, workload), workload,
          blocks: blocks)
      ],
      prefillPool: 0..<1, decodePool: 0..<1)
    core.isExact = true
    var model = ServingModel<AggregatedConnector>(core: core)
    var steps: [Step] = []
    var preemptions = Array(repeating: 0, count: arrivals.count)
    var next = 0
    while true {
      while next < arrivals.count, arrivals[next] <= steps.count + 1 {
        model.core.supply(through: next)
        model.core.arrive(next, aggregated: true)
        next += 1
      }
      if model.core.engines[0].stepping {
        guard let (_, event) = model.core.queue.pop() else {
          preconditionFailure("a step never ends")
        }
        model.handle(event)
      }
      model.settle()
      let engine = model.core.engines[0]
      if engine.steps > steps.count {
        let counts = (0..<next).map { model.core.records[$0].preemptions }
        steps.append(
          Step(
            shares: engine.batch.map {
              Share(request: $0.sequence.request, tokens: $0.newTokens)
            },
            preempted: counts.indices.filter { counts[$0] > preemptions[$0] }))
        preemptions.replaceSubrange(..<next, with: counts)
      } else if !engine.stepping {
        guard next < arrivals.count else { break }
        model.core.supply(through: next)
        model.core.arrive(next, aggregated: true)
        next += 1
      }
    }
    precondition(model.core.engines[0].freeBlocks == blocks, "a block was never given back")
    return steps
  }
}
