// Which worker a request goes to.

import EventKernel
import Foundation
import TractStore
import Workload

/// What routers know of a request.
struct RoutedRequest {
  /// Names its conversation.
  var session: UInt64
  /// Tokens of its prompt.
  var tokens: Int
  /// The prompt's full blocks, at the engine's block size; empty if the router does not ask.
  var blocks: [BlockHash] = []
}

/// Assigns requests to the engines of one pool.
struct Router {
  let kind: RouterKind
  /// Engine indices of the pool.
  let pool: Range<Int>
  private let spec: KVRouterSpec
  private var next = 0
  private var draws: DrawStream
  /// Of each worker of the pool, until when it is believed to have a block (kv_aware).
  private var believed: [[BlockHash: SimTime]]
  /// Beliefs in order of their end, to be forgotten.
  private var ends: [(time: SimTime, place: Int, hash: BlockHash)] = []
  private var firstEnd = 0

  /// - Parameter name: names the pool's random stream.
  init(kind: RouterKind, spec: KVRouterSpec, pool: Range<Int>, seed: UInt64, name: String) {
    self.kind = kind
    self.pool = pool
    self.spec = spec
    draws = DrawStream(seed: seed, name: "router-\(name)")
    believed = Array(repeating: [:], count: pool.count)
  }

  /// The engine for the request, of those that are up; ties go to the lowest index. Nil if none is.
  /// - Complexity: O(pool), and for `kv_aware` O(pool · blocks).
  mutating func choose(among engines: [Engine], for request: RoutedRequest, at now: SimTime)
    -> Int?
  {
    switch kind {
    case .roundRobin:
      for _ in pool {
        let engine = pool.lowerBound + next
        next = (next + 1) % pool.count
        if engines[engine].isUp { return engine }
      }
      return nil
    case .random:
      let up = pool.filter { engines[$0].isUp }
      return up.isEmpty ? nil : up[draws.integer(below: up.count)]
    case .leastLoaded: return least(engines) { Double(engines[$0].outstandingTokens) }
    case .sessionAffinity:
      // Rendezvous hashing: only sessions of a worker that goes down move.
      return least(engines) { engine in
        let name = BlockHashing.mixed(request.session, UInt64(engine), 0x524F_5554_4552)
        return Double(name.hi >> 11)
      }
    case .kvAware: return kvAware(engines, request, now)
    }
  }

  private func least(_ engines: [Engine], _ cost: (Int) -> Double) -> Int? {
    var best: (engine: Int, cost: Double)?
    for engine in pool where engines[engine].isUp {
      let cost = cost(engine)
      if cost < best?.cost ?? .infinity { best = (engine, cost) }
    }
    return best?.engine
  }

  // MARK: By prefixes

  /// What a worker would have to do for the request and for others, in blocks: Dynamo's cost,
  /// weight · (prompt tokens given to the worker and not retired + those of this prompt that it is
  /// not believed to have) / block + blocks in use.
  private func cost(_ engine: Engine, _ request: RoutedRequest, place: Int, _ now: SimTime)
    -> Double
  {
    let hits = request.blocks.firstIndex { believed[place][$0] ?? .zero <= now }
    let overlap = (hits ?? request.blocks.count) * engine.blockTokens
    let tokens = Double(engine.outstandingTokens + request.tokens - overlap)
    return spec.overlapWeight * tokens / Double(engine.blockTokens)
      + Double(engine.totalBlocks - engine.freeBlocks)
  }

  private mutating func kvAware(
    _ engines: [Engine], _ request: RoutedRequest, _ now: SimTime
  ) -> Int? {
    forget(at: now)
    let costs = pool.map {
      engines[$0].isUp ? cost(engines[$0], request, place: $0 - pool.lowerBound, now) : .infinity
    }
    let cheapest = least(engines) { costs[$0 - pool.lowerBound] }
    let place = spec.temperature > 0 ? softmax(costs) : cheapest.map { $0 - pool.lowerBound }
    guard let chosen = place else { return nil }
    let end = now + .seconds(spec.memorySeconds)
    for hash in request.blocks {
      believed[chosen][hash] = end
      ends.append((end, chosen, hash))
    }
    return pool.lowerBound + chosen
  }

  /// Draws a worker with probability proportional to exp(−cost / (largest cost · temperature)).
  private mutating func softmax(_ costs: [Double]) -> Int? {
    let finite = costs.filter(\.isFinite)
    guard let largest = finite.max(), let smallest = finite.min() else { return nil }
    let scale = max(largest, .leastNormalMagnitude) * spec.temperature
    let weights = costs.map { $0.isFinite ? exp((smallest - $0) / scale) : 0 }
    var rest = draws.uniform() * weights.reduce(0, +)
    for (place, weight) in weights.enumerated() where weight > 0 {
      rest -= weight
      if rest < 0 { return place }
    }
    return weights.lastIndex { $0 > 0 }
  }

  private mutating func forget(at now: SimTime) {
    while firstEnd < ends.count, ends[firstEnd].time <= now {
      let end = ends[firstEnd]
      if believed[end.place][end.hash] == end.time { believed[end.place][end.hash] = nil }
      firstEnd += 1
    }
    if firstEnd > 4096, firstEnd * 2 > ends.count {
      ends.removeFirst(firstEnd)
      firstEnd = 0
    }
  }

  /// A worker's host is gone, and what it had.
  mutating func forget(worker: Int) {
    if pool.contains(worker) { believed[worker - pool.lowerBound] = [:] }
  }
}
