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
    /// GPU DMA between PCIe and CXL through the CPU's root complex.
    public var dmaRead, dmaWrite: FluidNetwork.ResourceID
  }

  /// A way within one host, or between it and shared memory.
  public enum Way: Int, CaseIterable, Sendable {
    case gpuToDRAM, dramToGPU, gpuToCXL, cxlToGPU
    /// A processor's own streams.
    case cpuToCXL, cxlToCPU
  }

  /// A way over the network, by the memories at its ends.
  public enum NetworkWay: Sendable { case gpuToGPU, dramToGPU, gpuToDRAM }

  /// A transfer over the network.
  public struct NetworkLeg: Sendable {
    /// The capacities it passes.
    public var path: [FluidNetwork.ResourceID]
    /// The most it flows at, bytes/s.
    public var rate: Double
    /// What filling and draining the staging buffers takes, seconds; 0 with GPUDirect.
    public var stagingSeconds: Double
  }

  public let hosts: [Host]
  /// All CXL devices together, their memory and their switch ports: blocks are interleaved over
  /// them.
  public let cxlRead, cxlWrite, cxlDuplex: FluidNetwork.ResourceID
  public let portRead, portWrite: FluidNetwork.ResourceID
  /// Resources that bytes take energy on, and how much, joules a byte. The others of a path are the
  /// same hop seen again.
  public let metered: [(resource: FluidNetwork.ResourceID, joulesPerByte: Double)]
  /// One-way latency of the network.
  public let rdmaLatency: SimDuration
  private let gpuDirect: Bool
  private let staging: StagingSpec
  /// Bytes/s of one GPU's PCIe link, by host.
  private let gpuLinks: [Double]
  private let cxl: CXLSpec
  private let dramLatencySeconds: Double
  /// By host and way.
  private let paths: [[FluidNetwork.ResourceID]]

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
    func addPool(_ name: String, _ bytesPerSecond: Double) -> FluidNetwork.ResourceID {
      network.addResource(
        name: "cxl_\(name)", bytesPerSecond: bytesPerSecond * Double(rack.cxl.devices))
    }
    network.coupleHeadOfLine(at: hosts.map(\.nicTx), coupling: rack.nic.headOfLineCoupling)
    self.hosts = hosts
    cxl = rack.cxl
    cxlRead = addPool("device_read", cxl.deviceReadBandwidth)
    cxlWrite = addPool("device_write", cxl.deviceWriteBandwidth)
    cxlDuplex = addPool(
      "device_duplex",
      max(cxl.deviceReadBandwidth, cxl.deviceWriteBandwidth) * cxl.deviceDuplexFactor)
    portRead = addPool("port_read", cxl.portBandwidth)
    portWrite = addPool("port_write", cxl.portBandwidth)
    metered =
      hosts.flatMap {
        [
          ($0.gpuToHost, rack.host.pcieJoulesPerByte), ($0.hostToGPU, rack.host.pcieJoulesPerByte),
          ($0.dramRead, rack.dram.joulesPerByte), ($0.dramWrite, rack.dram.joulesPerByte),
          ($0.nicTx, rack.nic.joulesPerByte), ($0.nicRx, rack.nic.joulesPerByte),
        ]
      } + [(cxlRead, cxl.joulesPerByte), (cxlWrite, cxl.joulesPerByte)]
    rdmaLatency = .seconds(rack.nic.latencySeconds)
    gpuDirect = rack.nic.gpuDirect
    staging = rack.nic.staging
    gpuLinks = hosts.indices.map {
      ($0 < rack.prefill.count ? rack.prefill : rack.decode).gpu.pcieBandwidth
    }
    dramLatencySeconds = rack.dram.latencySeconds
    let (fromPool, toPool) = ([cxlRead, cxlDuplex, portRead], [portWrite, cxlWrite, cxlDuplex])
    paths = hosts.flatMap { host in
      Way.allCases.map { way in
        switch way {
        case .gpuToDRAM: [host.gpuToHost, host.pcieDuplex, host.dramWrite]
        case .dramToGPU: [host.dramRead, host.hostToGPU, host.pcieDuplex]
        case .gpuToCXL:
          [host.gpuToHost, host.pcieDuplex, host.dmaWrite, host.adapterWrite] + toPool
        case .cxlToGPU:
          fromPool + [host.adapterRead, host.dmaRead, host.hostToGPU, host.pcieDuplex]
        case .cpuToCXL: [host.adapterWrite] + toPool
        case .cxlToCPU: fromPool + [host.adapterRead]
        }
      }
    }
  }

  /// The capacities that a transfer passes.
  public func path(_ way: Way, host: Int) -> [FluidNetwork.ResourceID] {
    paths[host * Way.allCases.count + way.rawValue]
  }

  /// What the first byte waits for beside the launch: the memory it is read from. Writes are
  /// posted.
  public func latency(_ way: Way, host: Int, in network: inout FluidNetwork) -> SimDuration {
    switch way {
    case .gpuToDRAM, .gpuToCXL, .cpuToCXL: .zero
    case .dramToGPU: .seconds(dramLatencySeconds)
    case .cxlToGPU, .cxlToCPU:
      .seconds(cxl.latencySeconds(at: cxlLoad(host: host, in: &network)))
    }
  }

  /// Bytes/s that the devices under `bytes` side by side can do; infinite if these are all devices,
  /// for then the pool's capacities say it.
  public func deviceLimit(_ way: Way, bytes: Int) -> Double {
    let touched = cxl.devices(holding: bytes)
    guard touched < cxl.devices else { return .infinity }
    let device: Double? =
      switch way {
      case .gpuToDRAM, .dramToGPU: nil
      case .gpuToCXL, .cpuToCXL: cxl.deviceWriteBandwidth
      case .cxlToGPU, .cxlToCPU: cxl.deviceReadBandwidth
      }
    return device.map { Double(touched) * min($0, cxl.portBandwidth) } ?? .infinity
  }

  /// A stream's share of a saturated hop against others, in 64 B units.
  ///
  /// The switch serves one request of each stream in turn, so that bandwidth goes by the bytes a
  /// stream has outstanding (MemChannel, measured on an XConn switch).
  public static func weight(requestBytes: Int, outstanding: Int) -> Double {
    Double(requestBytes * outstanding) / 64
  }

  /// A transfer over the network whose pieces are a descriptor of `engine` each; `ranks` post apart.
  ///
  /// Without GPUDirect every GPU at an end stages its bytes in its host's DRAM: chunk by chunk, a
  /// copy and then the NIC, as a pipeline. It flows as fast as its slowest stage and takes one chunk's
  /// time in each of the others more. PCIe is loaded once, DRAM twice.
  public func networkLeg(
    _ way: NetworkWay, from source: Int, to target: Int, pieceBytes: Double,
    engine: TransferEngineSpec, ranks: Int
  ) -> NetworkLeg {
    let (a, b) = (hosts[source], hosts[target])
    let staged = !gpuDirect
    var path: [FluidNetwork.ResourceID]
    var copiers: [Int] = []
    if way == .dramToGPU {
      path = [a.dramRead]
    } else {
      path = [a.gpuToHost, a.pcieDuplex] + (staged ? [a.dramWrite, a.dramRead] : [])
      copiers.append(source)
    }
    path += [a.nicTx, b.nicRx]
    if way == .gpuToDRAM {
      path.append(b.dramWrite)
    } else {
      path += (staged ? [b.dramWrite, b.dramRead] : []) + [b.hostToGPU, b.pcieDuplex]
      copiers.append(target)
    }
    guard staged else {
      let rate = engine.rate(descriptorBytes: pieceBytes) * Double(ranks)
      return NetworkLeg(path: path, rate: rate, stagingSeconds: 0)
    }
    let chunk = min(pieceBytes, Double(staging.chunkBytes))
    let stages =
      copiers.map { staging.copySeconds + chunk / gpuLinks[$0] }
      + [engine.descriptorTime(bytes: chunk)]
    let slowest = stages.max() ?? 0
    return NetworkLeg(
      path: path, rate: chunk / slowest * Double(ranks),
      stagingSeconds: stages.reduce(0, +) - slowest)
  }

  /// The load on the busiest hop between a host's CPU and shared memory: what the latency of its
  /// small accesses depends on.
  public func cxlLoad(host: Int, in network: inout FluidNetwork) -> CXLLoad {
    let adapter = load(hosts[host].adapterRead, hosts[host].adapterWrite, in: &network)
    var pool = load(cxlRead, cxlWrite, in: &network)
    pool.utilisation = max(pool.utilisation, network.utilisation(of: cxlDuplex))
    pool.utilisation = max(pool.utilisation, network.utilisation(of: portRead))
    pool.utilisation = max(pool.utilisation, network.utilisation(of: portWrite))
    var load = adapter.utilisation > pool.utilisation ? adapter : pool
    load.utilisation = min(1, load.utilisation)
    return load
  }

  /// The load on a hop whose directions have capacities of their own.
  private func load(
    _ read: FluidNetwork.ResourceID, _ write: FluidNetwork.ResourceID,
    in network: inout FluidNetwork
  ) -> CXLLoad {
    let (reads, writes) = (network.utilisation(of: read), network.utilisation(of: write))
    guard writes > 0 else { return CXLLoad(utilisation: reads, writeShare: 0) }
    let written = writes * network.capacity(of: write)
    return CXLLoad(
      utilisation: max(reads, writes),
      writeShare: written / (reads * network.capacity(of: read) + written))
  }
}
