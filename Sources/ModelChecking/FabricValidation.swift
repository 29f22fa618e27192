// The fabric: fluid sharing against other simulators, transfer engines against measurements.

import Rack

extension Validation {
  /// All validations of links, paths and transfer engines.
  static var fabric: [Validation] { [sharingSimGrid] }

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
}
