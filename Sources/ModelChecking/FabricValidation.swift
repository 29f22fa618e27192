// The fabric: fluid sharing against other simulators, transfer engines against measurements.

import Rack

extension Validation {
  /// All validations of links, paths and transfer engines.
  static var fabric: [Validation] {
    [sharingSimGrid, sharingNS3, pauses(coupling: 0), pauses(coupling: 1)] + transfers
  }

  /// Max-min sharing itself. SimGrid's CM02 model shares in inverse proportion to the latency of a
  /// path, so cases with latencies check weights.
  private static var sharingSimGrid: Validation {
    let traffic = ReferenceTraffic(
      links: ReferenceTable(PackageResources.simgrid_links_csv),
      flows: ReferenceTable(PackageResources.simgrid_flows_csv))
    return Validation(
      "fabric-simgrid", title: "Completion of each flow in \(traffic.cases.count) random networks",
      source: "SimGrid 3.32, CM02 without correction factors; Scripts/references/simgrid.cpp",
      unit: "us from start to end", limit: .each(0.001),
      rows: traffic.rows { $0.latency > .zero ? 1 / $0.latency.seconds : 1 })
  }

  /// Fluid flows beside packets. Each flow pays its first packet's way, then shares what remains of
  /// the links after headers. Nobody can promise a limit: packets queue, fluids do not.
  private static var sharingNS3: Validation {
    let traffic = ReferenceTraffic(
      links: ReferenceTable(PackageResources.ns3_links_csv),
      flows: ReferenceTable(PackageResources.ns3_flows_csv))
    return Validation(
      "fabric-ns3", title: "Completion of transfers of 64 KiB to 16 MiB, fluid against packets",
      source: "ns-3.37, 32 packets of 4 KiB under way a flow, no loss; Scripts/references/ns3.cpp",
      unit: "us from start to end", limit: .none, rows: traffic.rows { _ in 1 })
  }

  /// Hosts that are paused for a flow that is blocked: without coupling, and with as much as there is.
  /// The coupling is not fitted; its limit says how well mean times are met, not single ones.
  private static func pauses(coupling: Double) -> Validation {
    let traffic = ReferenceTraffic(
      links: ReferenceTable(PackageResources.pause_links_csv),
      flows: ReferenceTable(PackageResources.pause_flows_csv))
    return Validation(
      coupling > 0 ? "fabric-pauses-coupled" : "fabric-pauses-fluid",
      title: "Mean completion on lossless Ethernet without congestion control, "
        + "hol_coupling \(Int(coupling))",
      source: "slots of one packet, pauses by ingress; Scripts/references/pause.cpp",
      unit: "us from start to end", limit: coupling > 0 ? .mean(0.05) : .none,
      rows: traffic.means(coupling: coupling))
  }
}
