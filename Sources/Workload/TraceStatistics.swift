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
  public struct HitRatio: Sendable {
    public var token, block: Double
  }

  public var requests: Int
  public var durationSeconds: Double
  public var ratePerSecond: Double
  /// Coefficient of variation of inter-arrival times.
  public var interArrivalCV: Double
  public var input, output: Lengths
  public var infinite: HitRatio
  /// One LRU cache for all, by capacity in blocks.
  public var byCapacity: [(blocks: Int, ratio: HitRatio)]
  /// Unbounded caches of their own on each of n nodes, requests routed at random.
  public var byNodes: [(nodes: Int, ratio: HitRatio)]

  /// Measures a stream; prompts are looked up from their head to the first missing block, and all
  /// their blocks are inserted on arrival.
  public init(_ stream: RequestStream, seed: UInt64) {
    let times = stream.requests.map(\.arrival.seconds)
    requests = times.count
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
    let distinct = Set(stream.requests.flatMap(\.promptIDs)).count
    // Short traces have fewer distinct blocks than steps.
    let capacities = Set(stride(from: 10, through: 100, by: 10).map { distinct * $0 / 100 })
    byCapacity = capacities.filter { $0 > 0 }.sorted().map {
      ($0, Self.leastRecentlyUsed(stream, capacity: $0))
    }
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

  private static func leastRecentlyUsed(_ stream: RequestStream, capacity: Int) -> HitRatio {
    var lastUse: [UInt64: Int] = [:]
    // Uses in order; one that is not its block's last is stale.
    var uses: [UInt64] = []
    var oldest = 0
    var count = HitCount()
    for request in stream.requests {
      let hits =
        request.promptIDs.firstIndex { lastUse[$0] == nil } ?? request.promptIDs.count
      count.add(hits, of: request, blockTokens: stream.blockTokens)
      for id in request.promptIDs {
        lastUse[id] = uses.count
        uses.append(id)
        while lastUse.count > capacity {
          if lastUse[uses[oldest]] == oldest { lastUse[uses[oldest]] = nil }
          oldest += 1
        }
      }
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
