// What a trace looks like: arrivals, lengths and how much of its prompts repeats.

import EventKernel

/// Figures of one trace.
public struct TraceStatistics: Sendable {
  public struct Lengths: Sendable {
    public var mean, p50, p90, p99, max: Double

    init(_ samples: [Int]) {
      let sorted = samples.map(Double.init).sorted()
      mean = Statistics.mean(sorted)
      p50 = Statistics.quantile(sorted: sorted, 0.5)
      p90 = Statistics.quantile(sorted: sorted, 0.9)
      p99 = Statistics.quantile(sorted: sorted, 0.99)
      max = sorted.last ?? .nan
    }
  }

  /// Share of tokens, and of blocks, found in a cache.
  public struct HitRatio: Hashable, Sendable {
    public var token, block: Double
  }

  public var requests: Int
  /// Conversations that the trace names.
  public var sessions: Int
  public var durationSeconds: Double
  public var ratePerSecond: Double
  /// Coefficient of variation of inter-arrival times.
  public var interArrivalCV: Double
  public var input, output: Lengths
  public var infinite: HitRatio
  /// One LRU cache for all, by its capacity.
  public var distances: StackDistances
  /// Tokens per block.
  public var blockTokens: Int
  /// Unbounded caches of their own on each of n nodes, requests routed at random.
  public var byNodes: [(nodes: Int, ratio: HitRatio)]

  /// Measures a stream; prompts are looked up from their head to the first missing block, and all
  /// their blocks are inserted on arrival.
  public init(_ stream: RequestStream, seed: UInt64) {
    let times = stream.requests.map(\.arrival.seconds)
    requests = times.count
    sessions = Set(stream.requests.compactMap(\.session)).count
    durationSeconds = (times.last ?? 0) - (times.first ?? 0)
    ratePerSecond = durationSeconds > 0 ? Double(requests) / durationSeconds : .nan
    let gaps = zip(times.dropFirst(), times).map(-)
    interArrivalCV = Statistics.populationDeviation(gaps) / Statistics.mean(gaps)
    input = Lengths(stream.requests.map(\.inputTokens))
    output = Lengths(stream.requests.map(\.outputTokens))
    byNodes = [1, 2, 4, 8].map {
      ($0, Self.hits(stream, nodes: $0, seed: seed))
    }
    infinite = byNodes[0].ratio
    distances = StackDistances(stream)
    blockTokens = stream.blockTokens
  }

  private static func hits(_ stream: RequestStream, nodes: Int, seed: UInt64) -> HitRatio {
    var routing = RandomStream(seed: seed, name: "routing")
    var caches = Array(repeating: Set<UInt64>(), count: nodes)
    var count = HitCount()
    for request in stream.requests {
      let node = routing.integer(below: nodes)
      let hits =
        request.promptIDs.firstIndex { !caches[node].contains($0) } ?? request.promptIDs.count
      count.add(hits, of: request, blockTokens: stream.blockTokens)
      caches[node].formUnion(request.promptIDs)
    }
    return count.ratio
  }

  private struct HitCount {
    var hitTokens = 0
    var tokens = 0
    var hitBlocks = 0
    var blocks = 0

    mutating func add(_ hits: Int, of request: OfferedRequest, blockTokens: Int) {
      hitTokens += min(hits * blockTokens, request.inputTokens)
      tokens += request.inputTokens
      hitBlocks += hits
      blocks += request.promptIDs.count
    }

    var ratio: HitRatio {
      HitRatio(
        token: Double(hitTokens) / Double(tokens), block: Double(hitBlocks) / Double(blocks))
    }
  }
}
