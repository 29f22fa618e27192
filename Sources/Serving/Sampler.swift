// Utilisation and power over time: one row per interval.

import EventKernel
import Rack

/// Turns running totals into rates per interval.
struct Sampler {
  /// The time between rows, doubled whenever they have become too many.
  private(set) var interval: SimDuration
  /// Pools first; then the busy share and the power of each worker's GPUs, GB/s of every link, and the
  /// power of the whole rack.
  let columns: [String]
  private(set) var rows: [SeriesRow] = []
  /// Rows that are never reached; an even number.
  private static var rowLimit: Int { 1 << 16 }
  private let links: [FluidNetwork.ResourceID]
  /// Totals at the last row.
  private var lastBusy: [SimDuration]
  private var lastJoules: [Double]
  private var lastBytes: [Double]
  private var lastEnergy = 0.0

  init(_ core: borrowing ServingCore) {
    interval = .seconds(core.workload.seriesIntervalSeconds)
    let engines = core.engines.count
    links = core.network.resourceIDs
    lastBusy = Array(repeating: .zero, count: engines)
    lastJoules = Array(repeating: 0, count: engines)
    lastBytes = Array(repeating: 0, count: links.count)
    columns =
      ["prefill_busy", "decode_busy", "prefill_waiting", "decode_waiting", "decode_running"]
      + ["prefill", "decode"].flatMap {
        ["\($0)_gpu_power_w", "\($0)_pcie_rx_gbps", "\($0)_pcie_tx_gbps"]
      }
      + (0..<engines).flatMap { ["host\($0)_gpu_busy", "host\($0)_gpu_power_w"] }
      + links.map { "\(core.network.name(of: $0))_gbps" } + ["power_w"]
  }

  mutating func sample(_ core: inout ServingCore) {
    let (now, seconds) = (core.now, interval.seconds)
    var workers: [(busy: Double, watts: Double)] = []
    for index in core.engines.indices {
      let busy = core.engines[index].busy(at: now)
      let joules = core.engines[index].energy(at: now).activeJoules
      let rest =
        Double(core.engines[index].energy.gpus) * core.engines[index].energy.power.idle
      workers.append(
        ((busy - lastBusy[index]).seconds / seconds, rest + (joules - lastJoules[index]) / seconds))
      lastBusy[index] = busy
      lastJoules[index] = joules
    }
    var rates = Array(repeating: 0.0, count: links.count)
    for link in links {
      let bytes = core.network.bytesMoved(over: link, at: now)
      rates[Int(link.index)] = (bytes - lastBytes[Int(link.index)]) / seconds / 1e9
      lastBytes[Int(link.index)] = bytes
    }
    let pools = [core.prefillRouter.pool, core.decodeRouter.pool]
    var values = pools.map { pool in Self.mean(pool) { workers[$0].busy } }
    values += pools.map { Self.count($0, core) { $0.waiting.count } }
    values.append(Self.count(pools[1], core) { $0.running.count })
    for pool in pools {
      values += [
        Self.mean(pool) { workers[$0].watts / Double(core.engines[$0].energy.gpus) },
        Self.mean(pool) { rates[Int(core.fabric.hosts[$0].hostToGPU.index)] },
        Self.mean(pool) { rates[Int(core.fabric.hosts[$0].gpuToHost.index)] },
      ]
    }
    for worker in workers { values += [worker.busy, worker.watts] }
    values += links.map { rates[Int($0.index)] }
    let energy = EnergyUse(&core, at: now, span: now - .zero).total
    values.append((energy - lastEnergy) / seconds)
    lastEnergy = energy
    guard now > .zero else { return }
    rows.append(SeriesRow(seconds: now.seconds, values: values))
    if rows.count == Self.rowLimit { thin() }
  }

  /// Makes one row of two, their mean, so that integrals over time stay what they are.
  private mutating func thin() {
    rows = stride(from: 1, to: rows.count, by: 2).map { place in
      SeriesRow(
        seconds: rows[place].seconds,
        values: zip(rows[place - 1].values, rows[place].values).map { ($0 + $1) / 2 })
    }
    interval = interval * 2
  }

  private static func mean(_ pool: Range<Int>, _ value: (Int) -> Double) -> Double {
    pool.reduce(0) { $0 + value($1) } / Double(pool.count)
  }

  private static func count(
    _ pool: Range<Int>, _ core: borrowing ServingCore, _ value: (Engine) -> Int
  ) -> Double {
    Double(pool.reduce(0) { $0 + value(core.engines[$1]) })
  }
}
