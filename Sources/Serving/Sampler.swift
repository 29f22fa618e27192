// Utilisation and power over time: one row per interval.

import EventKernel
import Rack

/// Turns running totals into rates per interval.
struct Sampler {
  let interval: SimDuration
  /// Pools first; then the busy share and the power of each worker's GPUs, GB/s of every link, and the
  /// power of the whole rack.
  let columns: [String]
  private(set) var rows: [SeriesRow] = []
  private let links: [FluidNetwork.ResourceID]
  /// Totals at the last row.
  private var lastBusy: [SimDuration]
  private var lastJoules: [Double]
  private var lastBytes: [Double]
  private var lastEnergy = 0.0

  init(_ core: ServingCore) {
    interval = .seconds(core.workload.seriesIntervalSeconds)
    let engines = core.engines.count
    links = core.network.resourceIDs
    lastBusy = Array(repeating: .zero, count: engines)
    lastJoules = Array(repeating: 0, count: engines)
    lastBytes = Array(repeating: 0, count: links.count)
    columns =
      ["prefill_busy", "decode_busy", "prefill_waiting", "decode_waiting", "decode_running"]
      + (0..<engines).flatMap { ["host\($0)_gpu_busy", "host\($0)_gpu_power_w"] }
      + links.map { "\(core.network.name(of: $0))_gbps" } + ["power_w"]
  }

  mutating func sample(_ core: inout ServingCore) {
    let (now, seconds) = (core.now, interval.seconds)
    var workers: [(busy: Double, watts: Double)] = []
    for (index, engine) in core.engines.enumerated() {
      let busy = engine.busy(at: now)
      let joules = engine.energy(at: now).activeJoules
      let rest = Double(engine.energy.gpus) * engine.energy.power.idle
      workers.append(
        ((busy - lastBusy[index]).seconds / seconds, rest + (joules - lastJoules[index]) / seconds))
      lastBusy[index] = busy
      lastJoules[index] = joules
    }
    let (prefill, decode) = (core.prefillRouter.pool, core.decodeRouter.pool)
    var values = [
      prefill.reduce(0) { $0 + workers[$1].busy } / Double(prefill.count),
      decode.reduce(0) { $0 + workers[$1].busy } / Double(decode.count),
      count(prefill, core) { $0.waiting.count }, count(decode, core) { $0.waiting.count },
      count(decode, core) { $0.running.count },
    ]
    for worker in workers { values += [worker.busy, worker.watts] }
    for (position, link) in links.enumerated() {
      let bytes = core.network.bytesMoved(over: link, at: now)
      values.append((bytes - lastBytes[position]) / seconds / 1e9)
      lastBytes[position] = bytes
    }
    let energy = EnergyUse(&core, at: now, span: now - .zero).total
    values.append((energy - lastEnergy) / seconds)
    lastEnergy = energy
    guard now > .zero else { return }
    rows.append(SeriesRow(seconds: now.seconds, values: values))
  }

  private func count(
    _ pool: Range<Int>, _ core: ServingCore, _ value: (Engine) -> Int
  ) -> Double {
    Double(pool.reduce(0) { $0 + value(core.engines[$1]) })
  }
}
