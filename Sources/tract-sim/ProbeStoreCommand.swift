// `tract-sim probe store`: what the store's operations cost on a device.

import ArgumentParser
import JSONText
import Rack
import Report
import Serving

struct ProbeStoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "store",
    abstract: "Latency of locks, allocation, lookup and pins in virtual time, microseconds.",
    discussion: """
      Handover runs from the begin of a release to the end of the poll in which the next node \
      sees its grant. Beside the store stands the lock manager of TraCT's paper, which scans every \
      slot of every lock.
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, csv }

  @Option(help: "Nodes that share the pool.") var nodes: Int
  @Option(help: "CXL device of the catalogue, e.g. niagara-2.0.") var device: String
  @Option(help: "Bulk traffic on the link, share of its bandwidth.") var bulkLoad = 0.0
  @Option(help: "Locks that exist; three are the store's own, the others index shards.")
  var locks = 19
  @Option(help: "Lock manager: ours, paper or both.") var manager = StoreProbeReport.Manager.both
  @Option(help: "Seed of pauses between operations.") var seed = 1
  @Option(help: "table, json or csv.") var format = Format.table

  func run() throws {
    let catalogue = Catalogue.builtIn
    guard let cxl = catalogue.cxl(device) else {
      throw ValidationError("unknown device; there are \(catalogue.names(in: .cxl))")
    }
    guard StoreProbe.nodeRange.contains(nodes) else {
      throw ValidationError("--nodes must be \(range(StoreProbe.nodeRange))")
    }
    guard StoreProbe.lockRange.contains(locks) else {
      throw ValidationError("--locks must be \(range(StoreProbe.lockRange))")
    }
    guard (0...1).contains(bulkLoad), seed >= 0 else {
      throw ValidationError("--bulk-load must be 0 to 1, --seed not negative")
    }
    let report = StoreProbeReport(
      device: device, cxl,
      StoreProbe.Setting(
        nodes: nodes, locks: locks, bulkLoad: bulkLoad, seed: UInt64(seed),
        pollSeconds: catalogue.software("store_poll")), manager: manager)
    switch format {
    case .table: print(report.table, terminator: "")
    case .json: print(report.json.text(indented: true))
    case .csv: print(report.csv, terminator: "")
    }
  }

  private func range(_ range: ClosedRange<Int>) -> String {
    "\(range.lowerBound) to \(range.upperBound)"
  }
}

extension StoreProbeReport.Manager: ExpressibleByArgument {}
