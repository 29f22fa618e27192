// The store probe's figures as a table, as JSON and as CSV.

import JSONText
import Rack
import Serving

/// Renders a `StoreProbe`.
public struct StoreProbeReport {
  /// Whose lock manager is shown.
  public enum Manager: String, CaseIterable, Sendable { case ours, paper, both }

  private let device: String
  private let cxl: CXLSpec
  private let setting: StoreProbe.Setting
  private let probe: StoreProbe
  private let managers: [(name: String, title: String, figures: [StoreProbe.Figure])]

  /// Probes the device.
  public init(
    device: String, _ cxl: CXLSpec, _ setting: StoreProbe.Setting, manager: Manager = .both
  ) {
    self.device = device
    self.cxl = cxl
    self.setting = setting
    probe = StoreProbe(cxl, setting)
    managers = [
      ("ours", "the store", probe.store), ("paper", "paper-style manager", probe.paper),
    ].filter { manager == .both || manager.rawValue == $0.0 }
  }

  private var loadFactor: Double { probe.latencySeconds / cxl.latencySeconds }

  public var json: JSONValue {
    func figure(_ figure: StoreProbe.Figure) -> JSONValue {
      .object([
        "samples": .integer(figure.samples.count), "mean_us": .number(figure.mean * 1e6),
        "p99_us": .number(figure.p99 * 1e6),
      ])
    }
    var members: [(key: String, value: JSONNode)] = [
      ("device", JSONNode(.string(device))), ("nodes", JSONNode(.integer(setting.nodes))),
      ("locks", JSONNode(.integer(setting.locks))),
      ("bulk_load", JSONNode(.number(setting.bulkLoad))),
      ("idle_latency_ns", JSONNode(.number(cxl.latencySeconds * 1e9))),
      ("latency_ns", JSONNode(.number(probe.latencySeconds * 1e9))),
      ("poll_us", JSONNode(.number(setting.pollSeconds * 1e6))),
    ]
    for manager in managers {
      let figures = manager.figures.map { ($0.key, JSONNode(figure($0))) }
      members.append((manager.name, JSONNode(.object(figures))))
    }
    return .object(members)
  }

  public var table: String {
    var text =
      "\(device), \(setting.nodes) nodes, \(setting.locks) locks, bulk traffic on "
      + "\(Decimals.text(setting.bulkLoad * 100, 0)) % of the link\n"
      + "one line access \(Decimals.text(probe.latencySeconds * 1e9, 0)) ns, "
      + "\(Decimals.text(loadFactor, 2)) times idle\n\n"
    text += ComparisonTable.pad("microseconds", 34)
    for manager in managers { text += ComparisonTable.padLeft(manager.title, 22) }
    text += "\n" + ComparisonTable.pad("", 34)
    for _ in managers {
      text += ComparisonTable.padLeft("mean", 12) + ComparisonTable.padLeft("P99", 10)
    }
    text += "\n"
    for row in managers.map(\.figures).max(by: { $0.count < $1.count }) ?? [] {
      text += ComparisonTable.pad(row.title, 34)
      for manager in managers {
        let figure = manager.figures.first { $0.key == row.key }
        text +=
          ComparisonTable.padLeft(Decimals.text((figure?.mean ?? .nan) * 1e6, 2), 12)
          + ComparisonTable.padLeft(Decimals.text((figure?.p99 ?? .nan) * 1e6, 2), 10)
      }
      text += "\n"
    }
    return text
  }

  /// One row a figure, with a header.
  public var csv: String {
    var text = "device,nodes,locks,bulk_load,manager,operation,samples,mean_us,p99_us\n"
    for manager in managers {
      for figure in manager.figures {
        let bulk = JSONValue.number(setting.bulkLoad).text(indented: false)
        text +=
          "\(device),\(setting.nodes),\(setting.locks),\(bulk),\(manager.name),\(figure.key),"
          + "\(figure.samples.count),\(Decimals.text(figure.mean * 1e6, 3)),"
          + "\(Decimals.text(figure.p99 * 1e6, 3))\n"
      }
    }
    return text
  }
}
