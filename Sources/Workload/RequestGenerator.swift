// The requests of a run: lengths and prompts from one set of streams, arrivals from another.

import EventKernel

extension RequestStream {
  /// The requests that `workload` offers, the same for every system.
  /// - Throws: what is wrong with a trace, all lines in one pass.
  public static func generate(for workload: Workload) throws(WorkloadError) -> RequestStream {
    var stream: RequestStream
    switch workload.traffic.source {
    case .fixed(let input, let output):
      stream = fixed(count: workload.stop.requests ?? 0, input: input, output: output)
    case .synthetic(let spec):
      stream = synthetic(count: workload.stop.requests ?? 0, spec, seed: workload.seed)
    case .trace(let spec):
      stream = try TraceFile.read(spec, limit: workload.stop.requests)
      guard stream.requests.count > workload.stop.warmupRequests else {
        throw WorkloadError([
          Problem(
            file: spec.path, line: 0, path: "",
            message: "has \(stream.requests.count) requests, all of them warm-up; "
              + "lower stop.warmup_requests")
        ])
      }
      if case .recorded = workload.traffic.arrivals {
        stream.replay(spec, seed: workload.seed)
      }
    }
    stream.arrive(workload.traffic.arrivals, seed: workload.seed)
    return stream
  }

  private static func fixed(count: Int, input: Int, output: Int) -> RequestStream {
    let blockTokens = 64
    let ids = (input + blockTokens - 1) / blockTokens
    return RequestStream(
      blockTokens: blockTokens,
      requests: (0..<count).map { request in
        OfferedRequest(
          arrival: .zero, inputTokens: input, outputTokens: output,
          promptIDs: PromptIDs(request: request, count: ids))
      })
  }

  private static func synthetic(
    count: Int, _ spec: Traffic.SyntheticSpec, seed: UInt64
  ) -> RequestStream {
    var lengths = RandomStream(seed: seed, name: "lengths")
    var prefixes = RandomStream(seed: seed, name: "prefixes")
    var requests: [OfferedRequest] = []
    requests.reserveCapacity(count)
    for request in 0..<count {
      func tokens(_ mean: Double, _ deviation: Double) -> Int {
        max(1, Int(lengths.normal(mean: mean, deviation: deviation).rounded()))
      }
      let input = tokens(spec.inputTokens, spec.inputTokensDeviation)
      let output = tokens(spec.outputTokens, spec.outputTokensDeviation)
      let unique = min(input, tokens(spec.uniqueTokens, spec.uniqueTokensDeviation))
      let group = prefixes.integer(below: spec.prefixGroups)
      // A block belongs to the group only if all its tokens do.
      let shared = (input - unique) / spec.blockTokens
      let ids = (input + spec.blockTokens - 1) / spec.blockTokens
      requests.append(
        OfferedRequest(
          arrival: .zero, inputTokens: input, outputTokens: output,
          promptIDs: PromptIDs(
            request: request, count: ids, group: group, sharedCount: shared)))
    }
    return RequestStream(blockTokens: spec.blockTokens, requests: requests)
  }

  /// Recorded times, sped up and smeared.
  private mutating func replay(_ spec: Traffic.TraceSpec, seed: UInt64) {
    var smear = RandomStream(seed: seed, name: "smear")
    let origin = requests.first?.arrival ?? .zero
    for index in requests.indices {
      let offset = (requests[index].arrival - origin).seconds
      let spread = spec.smearSeconds > 0 ? smear.uniform() * spec.smearSeconds : 0
      requests[index].arrival = .zero + .seconds((offset + spread) / spec.speedup)
    }
    // Equal times keep the trace's order.
    let order = requests.indices.sorted {
      (requests[$0].arrival, $0) < (requests[$1].arrival, $1)
    }
    requests = order.map { requests[$0] }
  }

  private mutating func arrive(_ arrivals: Traffic.Arrivals, seed: UInt64) {
    var random = RandomStream(seed: seed, name: "arrivals")
    var time = SimTime.zero
    for index in requests.indices {
      let gap: Double
      switch arrivals {
      case .recorded: return
      case .closedLoop(let limit):
        concurrency = limit
        return
      case .poisson(let rate): gap = random.exponential(mean: 1 / rate)
      case .gamma(let rate, let shape):
        gap = random.gamma(shape: shape, scale: 1 / (rate * shape))
      case .deterministic(let rate): gap = 1 / rate
      }
      time = time + .seconds(gap)
      requests[index].arrival = time
    }
  }
}
