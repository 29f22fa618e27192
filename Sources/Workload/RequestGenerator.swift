// The requests of a run: lengths and prompts from one set of streams, arrivals from another.

import EventKernel

extension RequestStream {
  /// The requests that `workload` offers, the same for every system.
  /// - Throws: what is wrong with a trace, all lines in one pass.
  public static func generate(for workload: Workload) throws(WorkloadError) -> RequestStream {
    var stream: RequestStream
    let count = workload.stop.requests ?? 0
    switch workload.traffic.source {
    case .fixed(let input, let output):
      try checkSize(workload, tokens: Double(input), blockTokens: fixedBlockTokens)
      stream = fixed(count: count, input: input, output: output)
    case .synthetic(let spec):
      // Half of the prompts are longer than the mean, few by more than four deviations.
      try checkSize(
        workload, tokens: spec.inputTokens + 4 * spec.inputTokensDeviation,
        blockTokens: spec.blockTokens)
      stream = synthetic(count: count, spec, seed: workload.seed)
    case .trace(let spec):
      let trace = try TraceFile.rows(spec, limit: workload.stop.requests)
      guard trace.rows.count > workload.stop.warmupRequests else {
        throw WorkloadError([
          Problem(
            file: spec.path, line: 0, path: "",
            message: "has \(trace.rows.count) requests, all of them warm-up; "
              + "lower stop.warmup_requests")
        ])
      }
      stream = try replayed(
        trace, spec, workload.traffic.arrivals, file: spec.path, seed: workload.seed)
    case .sessions(let spec):
      stream = try sessions(
        spec, count: count, arrivals: workload.traffic.arrivals, seed: workload.seed)
      guard stream.requests.count == count else { throw tooLarge(workload) }
    }
    try stream.arrive(workload)
    return stream
  }

  private static func tooLarge(_ workload: Workload) -> WorkloadError {
    WorkloadError([
      Problem(
        file: workload.file, line: 0, path: "$.stop.requests",
        message:
          "prompts have more than \(blockLimit) blocks in all; take fewer requests, or larger "
          + "traffic.block_tokens")
    ])
  }

  private static func checkSize(
    _ workload: Workload, tokens: Double, blockTokens: Int
  ) throws(WorkloadError) {
    let blocks = (tokens / Double(blockTokens)).rounded(.up) * Double(workload.stop.requests ?? 0)
    guard blocks <= Double(blockLimit) else { throw tooLarge(workload) }
  }

  private static var fixedBlockTokens: Int { 64 }

  private static func fixed(count: Int, input: Int, output: Int) -> RequestStream {
    RequestStream(
      blockTokens: fixedBlockTokens,
      requests: (0..<count).map { request in
        OfferedRequest(
          arrival: .zero, inputTokens: input, outputTokens: output,
          promptIDs: uniqueIDs(request, tokens: input, blockTokens: fixedBlockTokens))
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
          promptIDs: (0..<ids).map {
            $0 < shared ? UInt64(group) << 32 | UInt64($0) : uniqueID(request, $0)
          }))
    }
    return RequestStream(blockTokens: spec.blockTokens, requests: requests)
  }

  /// Arrivals of a process, where none are recorded.
  private mutating func arrive(_ workload: Workload) throws(WorkloadError) {
    var random = RandomStream(seed: workload.seed, name: "arrivals")
    var thinking = RandomStream(seed: workload.seed, name: "think times")
    var time = SimTime.zero
    for index in requests.indices {
      let gap: Double
      switch workload.traffic.arrivals {
      case .recorded, .sessions: return
      case .closedLoop(let users, let mean):
        concurrency = users
        requests[index].pause = .seconds(mean > 0 ? thinking.exponential(mean: mean) : 0)
        continue
      case .poisson(let rate): gap = random.exponential(mean: 1 / rate)
      case .gamma(let rate, let shape):
        gap = random.gamma(shape: shape, scale: 1 / (rate * shape))
      case .deterministic(let rate): gap = 1 / rate
      }
      time = time + .seconds(gap)
      requests[index].arrival = time
    }
    guard time.seconds <= Self.spanLimit else {
      throw WorkloadError([
        Problem(
          file: workload.file, line: 0, path: "$.traffic.arrivals.rate_rps",
          message: "\(requests.count) requests take more than \(Int(Self.spanLimit)) s to arrive")
      ])
    }
  }
}
