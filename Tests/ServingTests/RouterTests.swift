// Routers by small tables.

import EventKernel
import Rack
import Testing
import TractStore
import Workload

@testable import Serving

@Suite struct RouterTests {
  private var engines: [Engine]
  private static let blocks = (UInt64(0)..<10).map { BlockHash(hi: $0, lo: 1) }

  init() throws {
    let catalogue = Catalogue.builtIn
    let model = try #require(
      StepTimeModel(
        gpu: catalogue.gpu("h100-sxm")!, model: catalogue.model("llama-3.1-8b")!,
        tensorParallel: 1, weights: .bf16, kv: .bf16))
    let pool = WorkerPool(count: 4, gpu: catalogue.gpu("h100-sxm")!, tensorParallel: 1)
    let kernels = EngineKernels(model, pool, overheadSeconds: 0)
    engines = (0..<4).map {
      Engine(
        host: $0, pool: pool, kernels: kernels, blockTokens: 16, totalBlocks: 1000,
        watermarkBlocks: 0)
    }
  }

  private func router(
    _ kind: RouterKind, weight: Double = 1, temperature: Double = 0, pool: Range<Int> = 0..<4,
    name: String = "prefill"
  ) -> Router {
    Router(
      kind: kind,
      spec: KVRouterSpec(overlapWeight: weight, temperature: temperature, memorySeconds: 120),
      pool: pool, seed: 1, name: name)
  }

  private func request(session: UInt64 = 0, blocks: [BlockHash] = blocks) -> RoutedRequest {
    RoutedRequest(session: session, tokens: 160, blocks: blocks)
  }

  @Test func randomIsUniformOverThoseThatAreUp() {
    var engines = engines
    engines[1].isUp = false
    var router = router(.random)
    let chosen = (0..<3000).map { _ in router.choose(among: engines, for: request(), at: .zero)! }
    for (engine, expected) in [(0, 1000), (1, 0), (2, 1000), (3, 1000)] {
      #expect(abs(chosen.count { $0 == engine } - expected) < 120)
    }
    var again = self.router(.random)
    #expect(
      chosen == (0..<3000).map { _ in again.choose(among: engines, for: request(), at: .zero)! })
    var other = self.router(.random, name: "decode")
    #expect(
      chosen != (0..<3000).map { _ in other.choose(among: engines, for: request(), at: .zero)! })
  }

  /// A session stays; with its worker down it moves, and no other session does.
  @Test func sessionsStay() {
    var router = router(.sessionAffinity)
    func workers(_ engines: [Engine]) -> [Int] {
      (UInt64(0)..<200).map {
        router.choose(among: engines, for: request(session: $0), at: .zero)!
      }
    }
    let first = workers(engines)
    #expect(first == workers(engines))
    for engine in 0..<4 { #expect(first.contains(engine)) }
    var fewer = engines
    fewer[2].isUp = false
    for (before, after) in zip(first, workers(fewer)) {
      #expect(before == 2 ? after != 2 : after == before)
    }
  }

  /// Ten blocks to compute against blocks in use and prompt tokens already given, in blocks:
  ///
  /// | case | worker 0 | 1 | 2 | 3 | chosen |
  /// |---|---|---|---|---|---|
  /// | idle, nothing known | 10 | 10 | 10 | 10 | 0 |
  /// | 0 has the prefix | 0 | 10 | 10 | 10 | 0 |
  /// | 0 also has 9 blocks in use | 9 | 10 | 10 | 10 | 0 |
  /// | 0 also has 32 tokens to compute | 11 | 10 | 10 | 10 | 1 |
  /// | 0 and 1 have it; 1 is busy | 11 | 50 | 10 | 10 | 2 |
  @Test func prefixAgainstLoad() {
    var engines = engines
    var router = router(.kvAware)
    func choose() -> Int? { router.choose(among: engines, for: request(), at: .zero) }
    #expect(choose() == 0)
    #expect(choose() == 0)
    engines[0].freeBlocks = 991
    #expect(choose() == 0)
    engines[0].outstandingTokens = 32
    #expect(choose() == 1)
    engines[1].freeBlocks = 950
    #expect(choose() == 2)
  }

  /// Half a prefix counts half, and only from the head.
  @Test func overlapIsAPrefix() {
    var engines = engines
    var router = router(.kvAware, pool: 0..<2)
    engines[1].isUp = false
    _ = router.choose(among: engines, for: request(blocks: Array(Self.blocks[..<5])), at: .zero)
    engines[1].isUp = true
    // Five blocks to compute on worker 0, ten on 1.
    engines[0].freeBlocks = 996
    #expect(router.choose(among: engines, for: request(), at: .zero) == 0)
    engines[0].freeBlocks = 989
    let tail = Array(Self.blocks[5...]) + Array(Self.blocks[..<5])
    #expect(router.choose(among: engines, for: request(blocks: tail), at: .zero) == 1)
  }

  @Test func weightZeroIsLoadAlone() {
    var engines = engines
    var router = router(.kvAware, weight: 0)
    #expect(router.choose(among: engines, for: request(), at: .zero) == 0)
    engines[0].freeBlocks = 999
    #expect(router.choose(among: engines, for: request(), at: .zero) == 1)
  }

  /// After its time, or with the worker's host, a prefix is forgotten.
  @Test func beliefsEnd() {
    var engines = engines
    func start() -> Router {
      var router = self.router(.kvAware)
      _ = router.choose(among: engines, for: request(), at: .zero)
      return router
    }
    var router = start()
    engines[0].freeBlocks = 999
    let late = SimTime.zero + .seconds(119)
    #expect(router.choose(among: engines, for: request(), at: late) == 0)
    router = start()
    #expect(router.choose(among: engines, for: request(), at: .zero + .seconds(120)) == 1)
    router = start()
    router.forget(worker: 0)
    #expect(router.choose(among: engines, for: request(), at: late) == 1)
  }

  /// Costs 10 and 20: at a temperature of 1 the cheaper is chosen with 1 / (1 + exp(−0.5)).
  @Test func temperatureIsASoftmax() {
    var engines = engines
    engines[1].freeBlocks = 990
    var router = router(.kvAware, temperature: 1, pool: 0..<2)
    let chosen = (0..<4000).map { _ in
      router.choose(among: engines, for: request(blocks: []), at: .zero)!
    }
    let share = Double(chosen.count { $0 == 0 }) / 4000
    #expect(abs(share - 0.6225) < 0.03, "\(share)")
  }

  @Test(arguments: RouterKind.allCases) func nobodyIsUp(kind: RouterKind) {
    var engines = engines
    for index in engines.indices { engines[index].isUp = false }
    var router = router(kind)
    #expect(router.choose(among: engines, for: request(), at: .zero) == nil)
    engines[3].isUp = true
    #expect(router.choose(among: engines, for: request(), at: .zero) == 3)
  }
}
