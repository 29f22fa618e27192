// Requests one by one, so that a long run never holds all of them.

import EventKernel

/// When requests arrive: as many as wanted, the same every time.
struct ArrivalLaw: Sendable {
  var count: Int
  var arrivals: Traffic.Arrivals
  var seed: UInt64
}

/// How requests are drawn.
struct PromptLaw: Sendable {
  enum Prompts: Sendable {
    case fixed(input: Int, output: Int)
    case synthetic(Traffic.SyntheticSpec)
  }

  var prompts: Prompts
  var blockTokens: Int
}

/// Goes through a stream once.
public final class RequestSource {
  private enum Content {
    case listed([OfferedRequest])
    case drawn(PromptLaw)
    case replayed(TraceReplay)
  }

  private let content: Content
  private var position = 0
  private var lengths: RandomStream
  private var prefixes: RandomStream
  private var clock: ArrivalClock

  init(_ content: RequestStream.Content) {
    var arrivals = Traffic.Arrivals.recorded
    var seed: UInt64 = 0
    switch content {
    case .listed(let requests): self.content = .listed(requests)
    case .drawn(let prompts, let law):
      self.content = .drawn(prompts)
      (arrivals, seed) = (law.arrivals, law.seed)
    case .passing(let passage, let law):
      self.content = .replayed(TraceReplay(passage, law.arrivals, seed: law.seed))
      (arrivals, seed) = (law.arrivals, law.seed)
    }
    lengths = RandomStream(seed: seed, name: "lengths")
    prefixes = RandomStream(seed: seed, name: "prefixes")
    clock = ArrivalClock(arrivals, seed: seed)
  }

  /// The next request.
  /// - Precondition: the stream has one more.
  public func next() -> OfferedRequest {
    defer { position += 1 }
    switch content {
    case .listed(let requests): return requests[position]
    case .replayed(let replay):
      var request = replay.next()
      clock.stamp(&request)
      return request
    case .drawn(let law):
      var request =
        switch law.prompts {
        case .fixed(let input, let output):
          OfferedRequest(
            arrival: .zero, inputTokens: input, outputTokens: output,
            promptIDs: RequestStream.uniqueIDs(
              position, tokens: input, blockTokens: law.blockTokens))
        case .synthetic(let spec): synthetic(spec)
        }
      clock.stamp(&request)
      return request
    }
  }

  private func synthetic(_ spec: Traffic.SyntheticSpec) -> OfferedRequest {
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
    return OfferedRequest(
      arrival: .zero, inputTokens: input, outputTokens: output,
      promptIDs: (0..<ids).map {
        $0 < shared ? UInt64(group) << 32 | UInt64($0) : RequestStream.uniqueID(position, $0)
      })
  }
}

/// Arrivals of a process, one after the other.
struct ArrivalClock: ~Copyable {
  private let arrivals: Traffic.Arrivals
  private var random: RandomStream
  private var thinking: RandomStream
  private(set) var time = SimTime.zero

  init(_ arrivals: Traffic.Arrivals, seed: UInt64) {
    self.arrivals = arrivals
    random = RandomStream(seed: seed, name: "arrivals")
    thinking = RandomStream(seed: seed, name: "think times")
  }

  /// Whether arrivals are drawn, and not recorded.
  var isDrawn: Bool {
    switch arrivals {
    case .recorded, .sessions: false
    case .closedLoop, .poisson, .gamma, .deterministic: true
    }
  }

  /// Sets when the next request arrives; in a closed loop, the pause before it.
  mutating func stamp(_ request: inout OfferedRequest) {
    let gap: Double
    switch arrivals {
    case .recorded, .sessions: return
    case .closedLoop(_, let mean):
      request.pause = .seconds(mean > 0 ? thinking.exponential(mean: mean) : 0)
      return
    case .poisson(let rate): gap = random.exponential(mean: 1 / rate)
    case .gamma(let rate, let shape):
      gap = random.gamma(shape: shape, scale: 1 / (rate * shape))
    case .deterministic(let rate): gap = 1 / rate
    }
    time = time + .seconds(gap)
    request.arrival = time
  }
}
