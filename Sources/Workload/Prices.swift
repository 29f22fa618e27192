// What a rack costs, by what stands in it.

import Rack

/// Prices of components, in whatever currency the file's author thinks; those not given are 0.
public struct Prices: Hashable, Sendable {
  /// A worker's host without what follows.
  public var host: Double
  /// One GPU of the prefill pool, and of the decode pool.
  public var prefillGPU: Double
  public var decodeGPU: Double
  /// One NIC.
  public var nic: Double
  /// One GiB of host DRAM.
  public var dramGiB: Double
  /// One CXL device without its memory, one host's adapter, one GiB of the pool, and the switch.
  public var cxlDevice: Double
  public var cxlAdapter: Double
  public var cxlGiB: Double
  public var cxlSwitch: Double
}

extension SystemKind {
  /// Whether KV travels between hosts by their NICs.
  var usesNetwork: Bool { [.nixl, .lmcache, .mooncake].contains(self) }

  /// Whether KV lies in CXL shared memory.
  var usesPool: Bool { [.beluga, .tractNoCache, .tract].contains(self) }
}

extension Workload {
  /// Price of the rack that `system` needs; nil if the file names no prices.
  ///
  /// NICs count in systems that move KV over them, the CXL parts in those that keep KV there; hosts,
  /// GPUs and DRAM in all.
  public func price(of system: SystemSpec) -> Double? {
    guard let prices else { return nil }
    let gib = 1_073_741_824.0
    let hosts = Double(rack.hostCount)
    var total = hosts * (prices.host + Double(rack.dram.capacityBytes) / gib * prices.dramGiB)
    total += Double(rack.prefill.count * rack.prefill.gpuCount) * prices.prefillGPU
    total += Double(rack.decode.count * rack.decode.gpuCount) * prices.decodeGPU
    if system.base.usesNetwork { total += hosts * prices.nic }
    if system.base.usesPool {
      total += prices.cxlSwitch + hosts * prices.cxlAdapter
      total += Double(rack.cxl.devices) * prices.cxlDevice
      total += Double(rack.cxl.capacityBytes) / gib * prices.cxlGiB
    }
    return total
  }
}
