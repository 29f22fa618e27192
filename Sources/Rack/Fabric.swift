// The rack's links as directed capacities, and the paths that transfers take over them.

import EventKernel

/// Resources and paths of a rack in a fluid network.
///
/// Hosts are numbered: prefill workers first, then decode workers. Every direction of every hop is
/// a capacity of its own; a PCIe link and the CXL devices have a third one for both directions
/// together, since they slow each other down.
public struct Fabric: Sendable {
  /// One host's directed capacities.
  public struct Host: Sendable {
    public var gpuToHost, hostToGPU, pcieDuplex: FluidNetwork.ResourceID
    public var dramRead, dramWrite: FluidNetwork.ResourceID
    public var nicTx, nicRx: FluidNetwork.ResourceID
    public var adapterRead, adapterWrite: FluidNetwork.ResourceID
    public var dmaRead, dmaWrite: FluidNetwork.ResourceID
  }

  public let hosts: [Host]
  /// All CXL devices together: blocks are interleaved over them.
  public let cxlRead, cxlWrite, cxlDuplex: FluidNetwork.ResourceID
  /// One-way latency of the network.
  public let rdmaLatency: SimDuration
  private let gpuDirect: Bool
  private let toDRAM: [[FluidNetwork.ResourceID]]
  private let fromDRAM: [[FluidNetwork.ResourceID]]
  private let toCXL: [[FluidNetwork.ResourceID]]
  private let fromCXL: [[FluidNetwork.ResourceID]]

  /// Adds the rack's capacities to `network`.
  public init(_ rack: RackSpec, into network: inout FluidNetwork) {
    var hosts: [Host] = []
    for index in 0..<rack.hostCount {
      let pool = index < rack.prefill.count ? rack.prefill : rack.decode
      func add(_ name: String, _ bytesPerSecond: Double) -> FluidNetwork.ResourceID {
        network.addResource(name: "host\(index)_\(name)", bytesPerSecond: bytesPerSecond)
      }
      // One link for each of a replica's GPUs.
      let pcie = pool.gpu.pcieBandwidth * Double(pool.tensorParallel)
      hosts.append(
        Host(
          gpuToHost: add("pcie_d2h", pcie), hostToGPU: add("pcie_h2d", pcie),
          pcieDuplex: add("pcie_duplex", pcie * rack.pcie.duplexFactor),
          dramRead: add("dram_read", rack.dram.readBandwidth),
          dramWrite: add("dram_write", rack.dram.writeBandwidth),
          nicTx: add("nic_tx", rack.nic.txBandwidth),
          nicRx: add("nic_rx", rack.nic.rxBandwidth),
          adapterRead: add("cxl_adapter_read", rack.cxl.adapterReadBandwidth),
          adapterWrite: add("cxl_adapter_write", rack.cxl.adapterWriteBandwidth),
          dmaRead: add("cxl_dma_read", rack.cxl.gpuDMABandwidth),
          dmaWrite: add("cxl_dma_write", rack.cxl.gpuDMABandwidth)))
    }
    let devices = Double(rack.cxl.devices)
    let cxlRead = network.addResource(
      name: "cxl_device_read", bytesPerSecond: rack.cxl.deviceReadBandwidth * devices)
    let cxlWrite = network.addResource(
      name: "cxl_device_write", bytesPerSecond: rack.cxl.deviceWriteBandwidth * devices)
    let cxlDuplex = network.addResource(
      name: "cxl_device_duplex",
      bytesPerSecond: max(rack.cxl.deviceReadBandwidth, rack.cxl.deviceWriteBandwidth)
        * rack.cxl.deviceDuplexFactor * devices)
    self.hosts = hosts
    self.cxlRead = cxlRead
    self.cxlWrite = cxlWrite
    self.cxlDuplex = cxlDuplex
    rdmaLatency = .seconds(rack.nic.latencySeconds)
    gpuDirect = rack.nic.gpuDirect
    toDRAM = hosts.map { [$0.gpuToHost, $0.pcieDuplex, $0.dramWrite] }
    fromDRAM = hosts.map { [$0.dramRead, $0.hostToGPU, $0.pcieDuplex] }
    toCXL = hosts.map {
      [$0.gpuToHost, $0.pcieDuplex, $0.dmaWrite, $0.adapterWrite, cxlWrite, cxlDuplex]
    }
    fromCXL = hosts.map {
      [cxlRead, cxlDuplex, $0.adapterRead, $0.dmaRead, $0.hostToGPU, $0.pcieDuplex]
    }
  }

  public func gpuToDRAM(host: Int) -> [FluidNetwork.ResourceID] { toDRAM[host] }
  public func dramToGPU(host: Int) -> [FluidNetwork.ResourceID] { fromDRAM[host] }
  public func gpuToCXL(host: Int) -> [FluidNetwork.ResourceID] { toCXL[host] }
  public func cxlToGPU(host: Int) -> [FluidNetwork.ResourceID] { fromCXL[host] }

  /// GPU to GPU over the network.
  ///
  /// Without GPUDirect the bytes are staged in both hosts' DRAM, in chunks and so pipelined: one
  /// flow that loads PCIe once and DRAM twice on either side.
  public func rdmaPath(from source: Int, to target: Int) -> [FluidNetwork.ResourceID] {
    let (a, b) = (hosts[source], hosts[target])
    if gpuDirect {
      return [a.gpuToHost, a.pcieDuplex, a.nicTx, b.nicRx, b.hostToGPU, b.pcieDuplex]
    }
    return [
      a.gpuToHost, a.pcieDuplex, a.dramWrite, a.dramRead, a.nicTx,
      b.nicRx, b.dramWrite, b.dramRead, b.hostToGPU, b.pcieDuplex,
    ]
  }

  /// From another host's DRAM into a GPU over the network; staged as in `rdmaPath` without GPUDirect.
  public func remoteDRAMToGPU(from source: Int, to target: Int) -> [FluidNetwork.ResourceID] {
    let (a, b) = (hosts[source], hosts[target])
    let staging = gpuDirect ? [] : [b.dramWrite, b.dramRead]
    return [a.dramRead, a.nicTx, b.nicRx] + staging + [b.hostToGPU, b.pcieDuplex]
  }

  /// From a GPU into another host's DRAM over the network.
  public func gpuToRemoteDRAM(from source: Int, to target: Int) -> [FluidNetwork.ResourceID] {
    let (a, b) = (hosts[source], hosts[target])
    let staging = gpuDirect ? [] : [a.dramWrite, a.dramRead]
    return [a.gpuToHost, a.pcieDuplex] + staging + [a.nicTx, b.nicRx, b.dramWrite]
  }

  /// Utilisation of the busiest hop between a host's CPU and shared memory, 0…1: what the
  /// loaded latency of its small accesses depends on.
  public func cxlLoad(host: Int, in network: inout FluidNetwork) -> Double {
    var load = 0.0
    load = max(load, network.utilisation(of: hosts[host].adapterRead))
    load = max(load, network.utilisation(of: hosts[host].adapterWrite))
    load = max(load, network.utilisation(of: cxlRead))
    load = max(load, network.utilisation(of: cxlWrite))
    load = max(load, network.utilisation(of: cxlDuplex))
    return min(1, load)
  }
}
