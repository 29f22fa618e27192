// Utilisation over time: one row per interval.

import EventKernel
import Rack

/// Turns running totals into rates per interval.
struct Sampler {
  let interval = SimDuration.seconds(1)
  let columns = [
    "prefill_busy", "decode_busy", "prefill_waiting", "decode_waiting", "decode_running",
  ]
  private(set) var rows: [SeriesRow] = []
  private var lastBusy: [Double]
  private var lastBytes: [Double]
  private let links: [FluidNetwork.ResourceID]
  private let linkNames: [String]

  init(engines: Int, network: FluidNetwork) {
    lastBusy = Array(repeating: 0, count: engines)
    links = network.resourceIDs
    linkNames = links.map { network.name(of: $0) }
    lastBytes = Array(repeating: 0, count: links.count)
  }

  /// Column names: pools first, then GB/s of every link.
  var allColumns: [String] { columns + linkNames.map { "\($0)_gbps" } }

  mutating func sample(_ core: inout ServingCore) {
    var values = [
      busy(core.prefillRouter.pool, core), busy(core.decodeRouter.pool, core),
      count(core.prefillRouter.pool, core) { $0.waiting.count },
      count(core.decodeRouter.pool, core) { $0.waiting.count },
      count(core.decodeRouter.pool, core) { $0.running.count },
    ]
    for (engine, _) in lastBusy.enumerated() {
      lastBusy[engine] = core.engines[engine].busy.seconds
    }
    for (position, link) in links.enumerated() {
      let bytes = core.network.bytesMoved(over: link, at: core.now)
      values.append((bytes - lastBytes[position]) / interval.seconds / 1e9)
      lastBytes[position] = bytes
    }
    guard core.now > .zero else { return }
    rows.append(SeriesRow(seconds: core.now.seconds, values: values))
  }

  /// Busy share of a pool; a step counts in full in the interval in which it begins.
  private func busy(_ pool: Range<Int>, _ core: ServingCore) -> Double {
    let total = pool.reduce(0) { $0 + core.engines[$1].busy.seconds - lastBusy[$1] }
    return total / (interval.seconds * Double(pool.count))
  }

  private func count(
    _ pool: Range<Int>, _ core: ServingCore, _ value: (Engine) -> Int
  ) -> Double {
    Double(pool.reduce(0) { $0 + value(core.engines[$1]) })
  }
}
