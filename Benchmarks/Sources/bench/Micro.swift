// Single parts: what one operation of each costs.

import CAllocations
import EventKernel
import Foundation
import Rack
import Report
import Serving
import Workload

enum Micro {
  private static var all: [(name: String, body: () -> BenchResult)] {
    [
      ("queue_hold_100", { queueHold(100) }),
      ("queue_hold_10k", { queueHold(10_000) }),
      ("queue_hold_1m", { queueHold(1_000_000) }),
      ("flow_rerating_10", { flows(10) }),
      ("flow_rerating_100", { flows(100) }),
      ("flow_rerating_1k", { flows(1000) }),
      ("flow_rerating_10k", { flows(10_000) }),
      ("step_time_decode", { stepTime(prefill: 0) }),
      ("step_time_mixed", { stepTime(prefill: 1024) }),
      ("index_lookup", { store("index_lookup", per: StoreBench.batch) { $0.lookUp($1) } }),
      ("pin_unpin", { store("pin_unpin", per: StoreBench.batch) { $0.pin($1) } }),
      ("put_evict", { store("put_evict", per: StoreBench.batch) { bench, _ in bench.put() } }),
      ("lock_step", { store("lock_step", per: 1) { $0.passLock($1) ? 1 : 0 } }),
      ("store_operations", { storeProbe() }),
      ("json_lines_out", { jsonLines() }),
    ]
  }

  /// Runs the benchmarks whose names begin with `filter`.
  static func run(filter: String?, _ report: (BenchResult) -> Void) {
    for (name, body) in all where name.hasPrefix(filter ?? "") { report(body()) }
  }

  /// Least CPU time of several repetitions, in nanoseconds per operation.
  private static func measure(_ name: String, operations: Int, _ body: () -> Void) -> BenchResult {
    var (best, allocations) = (Double.infinity, Int.max)
    for _ in 0..<7 {
      let (begin, before) = (processorSeconds(), tract_allocations())
      body()
      best = min(best, processorSeconds() - begin)
      allocations = min(allocations, tract_allocations() - before)
    }
    let nanoseconds = best * 1e9 / Double(operations)
    return BenchResult(
      name: name,
      figures: [
        ("ns", (nanoseconds * 100).rounded() / 100),
        ("allocations", (Double(allocations) / Double(operations) * 1000).rounded() / 1000),
      ])
  }

  /// The hold model: the next event is taken and put back at a random later time.
  private static func queueHold(_ pending: Int) -> BenchResult {
    var queue = EventQueue<Int32>()
    var draws = DrawStream(seed: 1, name: "hold")
    for event in 0..<pending {
      queue.push(Int32(event), at: SimTime(picoseconds: Int64(draws.integer(below: 1 << 30))))
    }
    let operations = 1_000_000
    return measure("queue_hold_\(pending)", operations: operations) {
      for _ in 0..<operations {
        let (time, event) = queue.pop()!
        queue.push(event, at: time + SimDuration(picoseconds: Int64(draws.bits() >> 34)))
      }
    }
  }

  /// Flows between the ports of 32 hosts: each completion starts another flow, and shares anew.
  private static func flows(_ concurrent: Int) -> BenchResult {
    var network = FluidNetwork()
    let ports = (0..<64).map {
      network.addResource(name: "port\($0)", bytesPerSecond: 50e9)
    }
    var draws = DrawStream(seed: 1, name: "flows")
    func start(_ network: inout FluidNetwork, at now: SimTime) {
      let path = [ports[draws.integer(below: 32)], ports[32 + draws.integer(below: 32)]]
      _ = network.start(
        bytes: 1_000_000 + draws.integer(below: 100_000_000), path: path, tag: 0, at: now)
    }
    for _ in 0..<concurrent { start(&network, at: .zero) }
    let operations = max(1000, 100_000 / concurrent)
    return measure("flow_rerating_\(concurrent)", operations: operations) {
      for _ in 0..<operations {
        let time = network.nextCompletion!
        _ = network.popCompletion(at: time)
        start(&network, at: time)
      }
    }
  }

  private static func stepTime(prefill: Int) -> BenchResult {
    let catalogue = Catalogue.builtIn
    let model = StepTimeModel(
      gpu: catalogue.gpu("h100-sxm")!, model: catalogue.model("llama-3.1-8b")!, tensorParallel: 1,
      weights: .bf16, kv: .bf16)!
    var sum = 0.0
    let operations = 100_000
    let result = measure(
      "step_time_" + (prefill > 0 ? "mixed" : "decode"), operations: operations
    ) {
      for context in 0..<operations {
        var batch = StepTimeModel.Batch(window: model.window)
        batch.addDecode(sequences: 32, contextTokens: 32 * 1024 + context)
        if prefill > 0 { batch.addPrefill(tokens: prefill, cached: 0) }
        batch.sampledSequences = 33
        sum += model.stepSeconds(batch)
      }
    }
    precondition(sum > 0)
    return result
  }

  /// One operation of the store at a time, in nanoseconds for each hash or lock.
  private static func store(
    _ name: String, per count: Int, _ body: (inout StoreBench, Int) -> Int
  ) -> BenchResult {
    var bench = StoreBench()
    let rounds = 32_768 / count
    return measure(name, operations: rounds * count) {
      for round in 0..<rounds {
        let done = body(&bench, round)
        precondition(done == count, "\(name): \(done) of \(count)")
      }
    }
  }

  /// Lock handovers, allocations, look-ups and pins of eight nodes in virtual time.
  private static func storeProbe() -> BenchResult {
    let setting = StoreProbe.Setting(
      nodes: 8, locks: 64, bulkLoad: 0, seed: 1, pollSeconds: 1e-6)
    let cxl = Catalogue.builtIn.cxl("niagara-2.0")!
    let begin = processorSeconds()
    let probe = StoreProbe(cxl, setting)
    let seconds = processorSeconds() - begin
    let operations = probe.store.reduce(0) { $0 + $1.samples.count }
    return BenchResult(
      name: "store_operations",
      figures: [("ns", (seconds * 1e9 / Double(operations)).rounded())])
  }

  private static func jsonLines() -> BenchResult {
    let text = """
      {"name": "lines", "model": "llama-3.1-8b", "rack": {"preset": "h100-rack"},
       "systems": ["nixl"], "traffic": {"kind": "static", "input_tokens": 1024,
       "output_tokens": 16, "arrivals": {"process": "poisson", "rate_rps": 20}},
       "stop": {"requests": 2000}}
      """
    do {
      let workload = try WorkloadFile.decode(Array(text.utf8), name: "lines", folder: "")
      let comparison = try Comparison(workload, jobs: 1)
      var bytes = 0
      let result = measure("json_lines_out", operations: 2000) {
        bytes += ReportFiles.requests(comparison).utf8.count
      }
      precondition(bytes > 0)
      return result
    } catch {
      fatalError("\(error)")
    }
  }
}
