// Energy: closed forms of idle and busy runs, the series' integral, the limit.

import EventKernel
import Rack
import Report
import Serving
import Testing
import Workload

private func comparison(_ overrides: [String]) throws -> Comparison {
  try Comparison(
    try WorkloadFile.decode(
      Quickstart.bytes, name: "quickstart", folder: "",
      overrides: (["stop.requests=40", "stop.warmup_requests=0"] + overrides).compactMap {
        WorkloadFile.Override($0)
      }), jobs: 2)
}

private let everySystem =
  "systems=[\"nixl\",\"lmcache\",\"mooncake\",\"beluga\",\"tract-nocache\",\"tract\",\"ideal\","
  + "\"aggregated\"]"

/// One GPU figure for all states, and transfers for nothing: what is left is power times time.
@Test func aRestingRackDrawsIdlePower() throws {
  let flat = "{\"idle_w\":70,\"compute_w\":70,\"memory_w\":70,\"limit_w\":70}"
  let result = try comparison([
    everySystem, "rack.prefill.power=\(flat)", "rack.decode.power=\(flat)", "rack.decode.count=2",
    "rack.host={\"idle_w\":200,\"active_w\":200,\"pcie_pj_per_bit\":0}", "rack.nic.idle_w=10",
    "rack.nic.pj_per_bit=0", "rack.dram.pj_per_bit=0", "rack.cxl.pj_per_bit=0",
    "rack.cxl.idle_w=25", "rack.cxl.devices=2",
  ])
  for (run, metrics) in zip(result.runs, result.metrics) {
    let pool = run.system.base.usesSharedMemory ? 50.0 : 0
    let watts = 3 * (70.0 + 200 + 10) + pool
    let seconds = run.end.seconds
    let name = Comment(rawValue: run.system.name)
    #expect(abs(run.energy.total / (watts * seconds) - 1) < 1e-12, name)
    #expect(run.energy.cxlDevices == pool * seconds, name)
    #expect(try abs(#require(metrics["mean_power_w"]) - watts) < 1e-9, name)
    #expect(try abs(#require(metrics["mean_decode_gpu_power_w"]) - 70) < 1e-9, name)
    let perRequest = try #require(metrics["energy_per_request_j"])
    #expect(abs(perRequest * 40 / (watts * seconds) - 1) < 1e-12, name)
  }
}

/// Prompts that all arrive at once keep the prefill GPU at work until the last is computed: a
/// compute-bound GPU at its limit draws the limit, one that is bound by memory draws as much as the
/// closed form of its weights says.
@Test func aBusyGPUDrawsItsLimit() throws {
  let result = try comparison([
    "systems=[\"ideal\"]", "baseline=ideal", "stop.requests=10", "engine.step_overhead_ms=0",
    "traffic={\"kind\":\"static\",\"input_tokens\":6000,\"output_tokens\":1,"
      + "\"arrivals\":{\"process\":\"deterministic\",\"rate_rps\":1e6}}",
    // Arithmetic alone takes the limit more often than not; so the step's mean is capped.
    "rack.prefill.power={\"idle_w\":50,\"compute_w\":300,\"memory_w\":300,\"limit_w\":300}",
    "rack.host={\"idle_w\":0,\"active_w\":100,\"pcie_pj_per_bit\":0}", "rack.nic.idle_w=0",
  ])
  let run = result.runs[0]
  let busy = try #require(run.resources.first { $0.name == "host0_gpu" }).utilisation
  let work = run.energy.prefillGPUs / run.end.seconds - 50
  // Launches and attention's fixed time draw idle power; all else is work.
  #expect(busy > 0.9)
  #expect(work <= 250 * busy * (1 + 1e-12))
  #expect(work > 0.97 * 250 * busy)
  let decode = try #require(run.resources.first { $0.name == "host1_gpu" }).utilisation
  let hosts = 100 * (busy + decode) * run.end.seconds
  #expect(abs(run.energy.hosts / hosts - 1) < 1e-9)
}

/// A decode step that reads weights and contexts: energy by hand.
@Test func decodeEnergyIsThatOfItsBytes() throws {
  let gpu = try #require(Catalogue.builtIn.gpu("h100-sxm"))
  let shape = try #require(Catalogue.builtIn.model("llama-3.1-8b"))
  let model = try #require(
    StepTimeModel(gpu: gpu, model: shape, tensorParallel: 1, weights: .bf16, kv: .bf16))
  var batch = StepTimeModel.Batch()
  batch.addDecode(sequences: 16, contextTokens: 16 * 2000)
  batch.sampledSequences = 16
  let seconds = model.stepSeconds(batch)
  let work = model.work(batch, seconds: seconds)
  // Linear parameters of a layer and the head, at the rates of the fit.
  let attention = 4096.0 * 48 * 128 + 4096 * 4096
  let layer: Double = attention + 3 * 4096 * 14336
  let head = 128_256.0 * 4096
  let weights = 2 * (32 * layer + head) / (gpu.fit.linearMemory * gpu.memoryBandwidth)
  let contexts =
    32 * 32_000 * 2 * 8 * 128 * 2.0 / (gpu.fit.decodeAttention * gpu.memoryBandwidth)
  let width = 8.0 * 4096 + 2 * 40 * 128 + 3 * 14336
  let elements = 32 * 16 * 2 * width / (0.8 * gpu.memoryBandwidth)
  #expect(abs(work.memorySeconds / (weights + contexts + elements) - 1) < 1e-9)
  let flops = 2 * 16 * (32 * layer + head)
  #expect(
    abs(work.computeSeconds / (flops / (gpu.fit.linearCompute * gpu.peakFlops)) - 1) < 1e-9)
  let joules = Double(gpu.power.workFemtojoules(work, sharers: 1)) * 1e-15
  let expected =
    work.memorySeconds * (gpu.power.memory - gpu.power.idle)
    + work.computeSeconds * (gpu.power.compute - gpu.power.idle)
  #expect(abs(joules / expected - 1) < 1e-12)
  // Two sharers of each layer take twice a sharer's energy.
  let shared = Double(gpu.power.workFemtojoules(work, sharers: 2)) * 1e-15
  #expect(abs(shared / (2 * joules) - 1) < 1e-12)
  #expect(
    gpu.power.limitAboveIdle(gpus: 8)
      == Int128(8 * 1000 * (gpu.power.limit - gpu.power.idle)))
}

/// Powers, busy shares and rates of the series are means over their interval: they add up to what the
/// report says of the whole run, and none is beyond what the hardware may do.
@Test(arguments: [1000.0, 37, 4321])
func theSeriesAddsUpToTheEnergy(milliseconds: Double) throws {
  let result = try comparison([
    everySystem, "series_interval_ms=\(milliseconds)", "traffic.arrivals.rate_rps=2",
    "faults=[{\"kind\":\"node_crash\",\"worker\":0,\"at_s\":5.3,\"return_after_s\":2}]",
  ])
  #expect(result.violations == [])
  let interval = milliseconds / 1e3
  let power = result.workload.rack.prefill.gpu.power
  for run in result.runs {
    func column(_ name: String) throws -> [Double] {
      let place = try #require(run.seriesColumns.firstIndex(of: name))
      return run.series.map { $0.values[place] }
    }
    let name = Comment(rawValue: run.system.name)
    let last = try #require(run.series.last).seconds
    #expect(last >= run.end.seconds && last < run.end.seconds + interval, name)
    // After the end nothing but idle power is left.
    let idle =
      2 * (power.idle + result.workload.rack.host.idleWatts + result.workload.rack.nic.idleWatts)
      + (run.system.base.usesSharedMemory ? result.workload.rack.cxl.idleWatts : 0)
    let sum = try column("power_w").reduce(0, +) * interval
    let expected = run.energy.total + idle * (last - run.end.seconds)
    #expect(abs(sum / expected - 1) < 1e-9, name)
    let gpus =
      try (column("host0_gpu_power_w") + column("host1_gpu_power_w")).reduce(0, +) * interval
    #expect(
      abs(gpus / (run.energy.gpus + 2 * power.idle * (last - run.end.seconds)) - 1) < 1e-9, name)
    for link in run.resources {
      guard let bytes = link.bytes, bytes > 0 else { continue }
      let moved = try column("\(link.name)_gbps").reduce(0, +) * interval * 1e9
      #expect(abs(moved / bytes - 1) < 1e-9, "\(run.system.name) \(link.name)")
    }
    for worker in 0..<2 {
      let busy = try column("host\(worker)_gpu_busy")
      #expect(busy.allSatisfy { $0 >= 0 && $0 <= 1 + 1e-9 }, name)
      let used = try #require(run.resources.first { $0.name == "host\(worker)_gpu" })
      #expect(abs(busy.reduce(0, +) * interval / (used.utilisation * run.end.seconds) - 1) < 1e-9)
      #expect(
        try column("host\(worker)_gpu_power_w").allSatisfy {
          $0 >= power.idle * (1 - 1e-9) && $0 <= power.limit * (1 + 1e-9)
        }, name)
    }
  }
}

/// Every byte on a metered hop takes its energy, once.
@Test func transfersTakeEnergyByTheByte() throws {
  let none = ["rack.host.pcie_pj_per_bit=0", "rack.dram.pj_per_bit=0", "rack.cxl.pj_per_bit=0"]
  let result = try comparison(
    ["systems=[\"nixl\"]", "baseline=nixl", "rack.nic.pj_per_bit=125"] + none)
  let run = result.runs[0]
  let bytes = Double(try #require(run.bytes.first { $0.path == "prefill_to_decode" }).bytes)
  // 1 nJ a byte at each of two NICs.
  #expect(abs(run.energy.transfers / (2e-9 * bytes) - 1) < 1e-9)
}

@Test func everyGPUDrawsLessAtRest() {
  for name in Catalogue.builtIn.names(in: .gpu) {
    let power = Catalogue.builtIn.gpu(name)!.power
    let name = Comment(rawValue: name)
    #expect(power.idle > 0 && power.idle < power.memory, name)
    #expect(power.memory <= power.compute && power.compute <= power.limit, name)
  }
}

/// The columns of a pool are means over its hosts.
@Test func poolsHaveTheMeansOfTheirHosts() throws {
  let result = try comparison([
    "rack.decode.count=3", "stop.requests=60", "systems=[\"tract\"]", "baseline=tract",
  ])
  let run = result.runs[0]
  func column(_ name: String) throws -> [Double] {
    let place = try #require(run.seriesColumns.firstIndex(of: name))
    return run.series.map { $0.values[place] }
  }
  let pairs = [("pcie_rx_gbps", "pcie_h2d_gbps"), ("pcie_tx_gbps", "pcie_d2h_gbps")]
  for (pool, host) in pairs + [("gpu_power_w", "gpu_power_w"), ("busy", "gpu_busy")] {
    let mean = try column("decode_\(pool)")
    let hosts = try (1...3).map { try column("host\($0)_\(host)") }
    // Decode's GPUs send nothing.
    #expect(mean.contains { $0 > 0 } == (pool != "pcie_tx_gbps"), "\(pool)")
    for row in mean.indices {
      let sum = hosts.reduce(0) { $0 + $1[row] }
      #expect(abs(mean[row] - sum / 3) <= 1e-12 * sum, "\(pool), row \(row)")
    }
    #expect(try column("prefill_\(pool)") == column("host0_\(host)"), "\(pool)")
  }
}
