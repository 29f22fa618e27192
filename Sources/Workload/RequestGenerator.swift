// The requests that a workload offers.

import EventKernel

extension RequestStream {
  /// The requests that `workload` offers, the same for every system.
  /// - Parameter traceMemory: bytes up to which a trace is held in memory and not read again by each
  ///   run; those whose sessions wait for answers are held anyway.
  /// - Throws: what is wrong with a trace, all lines in one pass.
  public static func generate(
    for workload: Workload, traceMemory: Int = 256 << 20
  ) throws(WorkloadError) -> RequestStream {
    let arrivals = workload.traffic.arrivals
    let count = workload.stop.requests ?? 0
    switch workload.traffic.source {
    case .fixed(let input, let output):
      try checkSize(workload, tokens: Double(input), blockTokens: fixedBlockTokens)
      return try drawn(.fixed(input: input, output: output), fixedBlockTokens, workload)
    case .synthetic(let spec):
      // Half of the prompts are longer than the mean, few by more than four deviations.
      try checkSize(
        workload, tokens: spec.inputTokens + 4 * spec.inputTokensDeviation,
        blockTokens: spec.blockTokens)
      return try drawn(.synthetic(spec), spec.blockTokens, workload)
    case .trace(let spec):
      let content = try TraceFile.content(
        spec, limit: workload.stop.requests, arrivals, memory: traceMemory)
      switch content {
      case .held(let trace):
        try checkWarmup(trace.rows.count, spec, workload)
        return try stamped(
          try replayed(trace, spec, arrivals, file: spec.path, seed: workload.seed), workload)
      case .passing(let passage):
        try checkWarmup(passage.count, spec, workload)
        guard passage.span(arrivals) <= spanLimit else { throw tooLong(spec.path) }
        return try open(
          { .passing(passage, $0) }, count: passage.count, passage.blockTokens, workload)
      }
    case .sessions(let spec):
      let stream = try sessions(spec, count: count, arrivals: arrivals, seed: workload.seed)
      guard stream.count == count else { throw tooLarge(workload) }
      return try stamped(stream, workload)
    }
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

  private static func drawn(
    _ prompts: PromptLaw.Prompts, _ blockTokens: Int, _ workload: Workload
  ) throws(WorkloadError) -> RequestStream {
    let law = PromptLaw(prompts: prompts, blockTokens: blockTokens)
    return try open(
      { .drawn(law, $0) }, count: workload.stop.requests ?? 0, blockTokens, workload)
  }

  /// A stream that holds no requests.
  private static func open(
    _ content: (ArrivalLaw) -> Content, count: Int, _ blockTokens: Int, _ workload: Workload
  ) throws(WorkloadError) -> RequestStream {
    let law = ArrivalLaw(
      count: count, arrivals: workload.traffic.arrivals, seed: workload.seed)
    var stream = RequestStream(blockTokens: blockTokens, requests: [])
    stream.concurrency = users(law.arrivals)
    stream.content = content(law)
    // Where the mean is far below the limit the sum of so many gaps is below it; and if it were
    // not, the run would say so.
    if law.meanSpan > spanLimit / 8 { try checkSpan(law, workload) }
    return stream
  }

  private static func checkWarmup(
    _ count: Int, _ spec: Traffic.TraceSpec, _ workload: Workload
  ) throws(WorkloadError) {
    guard count <= workload.stop.warmupRequests else { return }
    throw WorkloadError([
      Problem(
        file: spec.path, line: 0, path: "",
        message: "has \(count) requests, all of them warm-up; lower stop.warmup_requests")
    ])
  }

  /// The same requests with arrivals of a process, where none are recorded.
  private static func stamped(
    _ stream: RequestStream, _ workload: Workload
  ) throws(WorkloadError) -> RequestStream {
    var clock = ArrivalClock(workload.traffic.arrivals, seed: workload.seed)
    guard clock.isDrawn else { return stream }
    var requests = stream.requests
    for index in requests.indices { clock.stamp(&requests[index]) }
    guard clock.time.seconds <= spanLimit else { throw tooSlow(workload, requests.count) }
    return RequestStream(
      blockTokens: stream.blockTokens, requests: requests,
      concurrency: users(workload.traffic.arrivals) ?? stream.concurrency)
  }

  private static func users(_ arrivals: Traffic.Arrivals) -> Int? {
    if case .closedLoop(let users, _) = arrivals { users } else { nil }
  }

  private static func checkSpan(
    _ law: ArrivalLaw, _ workload: Workload
  ) throws(WorkloadError) {
    var clock = ArrivalClock(law.arrivals, seed: law.seed)
    var request = OfferedRequest(arrival: .zero, inputTokens: 1, outputTokens: 1, promptIDs: [])
    for _ in 0..<law.count {
      clock.stamp(&request)
      guard clock.time.seconds <= spanLimit else { throw tooSlow(workload, law.count) }
    }
  }

  private static func tooSlow(_ workload: Workload, _ count: Int) -> WorkloadError {
    WorkloadError([
      Problem(
        file: workload.file, line: 0, path: "$.traffic.arrivals.rate_rps",
        message: "\(count) requests take more than \(Int(spanLimit)) s to arrive")
    ])
  }
}

extension ArrivalLaw {
  /// Expected seconds until the last arrival; 0 in a closed loop.
  fileprivate var meanSpan: Double {
    switch arrivals {
    case .poisson(let rate), .gamma(let rate, _), .deterministic(let rate): Double(count) / rate
    case .recorded, .sessions, .closedLoop: 0
    }
  }
}
