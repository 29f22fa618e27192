// A rack as resolved from a workload file: workers, links and shared memory, all in SI units.

/// Everything about the hardware that a run needs; every number resolved, nothing looked up later.
public struct RackSpec: Hashable, Sendable {
  /// Prefill workers; each stands in a host of its own.
  public var prefill: WorkerPool
  /// Decode workers; each stands in a host of its own.
  public var decode: WorkerPool
  public var host: HostSpec
  public var nic: NICSpec
  public var pcie: PCIeSpec
  public var dram: DRAMSpec
  public var cxl: CXLSpec
  /// The law by which RDMA transfers pay per descriptor.
  public var rdmaEngine: TransferEngineSpec

  public init(
    prefill: WorkerPool, decode: WorkerPool, host: HostSpec, nic: NICSpec, pcie: PCIeSpec,
    dram: DRAMSpec, cxl: CXLSpec, rdmaEngine: TransferEngineSpec
  ) {
    self.prefill = prefill
    self.decode = decode
    self.host = host
    self.nic = nic
    self.pcie = pcie
    self.dram = dram
    self.cxl = cxl
    self.rdmaEngine = rdmaEngine
  }

  public var hostCount: Int { prefill.count + decode.count }
}

/// A number of identical workers.
public struct WorkerPool: Hashable, Sendable {
  public var count: Int
  public var gpu: GPUSpec
  /// GPUs that share one model replica by tensor parallelism.
  public var tensorParallel: Int
  /// Groups of `tensorParallel` GPUs that each hold a run of the layers.
  public var pipelineParallel: Int
  /// Whether experts stand whole on single ranks, so that tokens travel to them.
  public var expertParallel: Bool
  /// Measured step times that go before the formula; nil without.
  public var stepTimes: StepTimeTable?

  public init(
    count: Int, gpu: GPUSpec, tensorParallel: Int, pipelineParallel: Int = 1,
    expertParallel: Bool = false, stepTimes: StepTimeTable? = nil
  ) {
    self.count = count
    self.gpu = gpu
    self.tensorParallel = tensorParallel
    self.pipelineParallel = pipelineParallel
    self.expertParallel = expertParallel
    self.stepTimes = stepTimes
  }

  /// GPUs of one replica.
  public var gpuCount: Int { tensorParallel * pipelineParallel }
}

/// One host's network interface; send and receive are apart.
public struct NICSpec: Hashable, Sendable {
  /// Of the catalogue's entry that the figures start from.
  public var name: String
  /// Bytes/s out of the host.
  public var txBandwidth: Double
  /// Bytes/s into the host.
  public var rxBandwidth: Double
  /// One-way latency through NIC and switch, seconds.
  public var latencySeconds: Double
  /// Whether the NIC reads and writes GPU memory itself; if not, host DRAM is the staging area.
  public var gpuDirect: Bool
  /// The way through DRAM; matters without GPUDirect only.
  public var staging: StagingSpec
  /// How far a flow that is blocked beyond the sender's NIC holds up the NIC's other flows: 0 not at
  /// all, 1 as one first-in-first-out queue does.
  public var headOfLineCoupling: Double
  /// Watts while it moves nothing, and energy of each byte at each NIC on top of that.
  public var idleWatts: Double
  public var joulesPerByte: Double

  public init(
    name: String, txBandwidth: Double, rxBandwidth: Double, latencySeconds: Double, gpuDirect: Bool,
    staging: StagingSpec, headOfLineCoupling: Double = 0, idleWatts: Double, joulesPerByte: Double
  ) {
    self.name = name
    self.txBandwidth = txBandwidth
    self.rxBandwidth = rxBandwidth
    self.latencySeconds = latencySeconds
    self.gpuDirect = gpuDirect
    self.staging = staging
    self.headOfLineCoupling = headOfLineCoupling
    self.idleWatts = idleWatts
    self.joulesPerByte = joulesPerByte
  }
}

/// The PCIe link of one GPU.
public struct PCIeSpec: Hashable, Sendable {
  /// Bytes/s of both directions together, as a multiple of one direction alone.
  ///
  /// 2 would be a perfect duplex; nvbandwidth measures 2 × 19 / 26 GB/s on Gen4 x16.
  public var duplexFactor: Double

  public init(duplexFactor: Double) { self.duplexFactor = duplexFactor }
}

/// One host's DRAM.
public struct DRAMSpec: Hashable, Sendable {
  /// Of the catalogue's entry that the figures start from.
  public var name: String
  public var readBandwidth: Double
  public var writeBandwidth: Double
  public var capacityBytes: Int
  /// Idle latency of one load, seconds: what a copy out of it waits for first.
  public var latencySeconds: Double
  /// Of each byte read or written.
  public var joulesPerByte: Double

  public init(
    name: String, readBandwidth: Double, writeBandwidth: Double, capacityBytes: Int,
    latencySeconds: Double, joulesPerByte: Double
  ) {
    self.name = name
    self.readBandwidth = readBandwidth
    self.writeBandwidth = writeBandwidth
    self.capacityBytes = capacityBytes
    self.latencySeconds = latencySeconds
    self.joulesPerByte = joulesPerByte
  }
}

/// The rack's CXL shared memory: devices behind a switch, one adapter per host.
public struct CXLSpec: Hashable, Sendable {
  /// Of the catalogue's entry that the figures start from.
  public var name: String
  public var devices: Int
  /// Capacity of the whole pool, bytes.
  public var capacityBytes: Int
  /// Bytes/s one device can be read at, and written at.
  public var deviceReadBandwidth: Double
  public var deviceWriteBandwidth: Double
  /// Bytes/s of reads and writes together, as a multiple of the larger of the two alone: they share
  /// the device's DRAM bus.
  public var deviceDuplexFactor: Double
  /// Bytes/s the switch port of one device passes in either direction.
  public var portBandwidth: Double
  /// Bytes that lie on one device before the next one's begin.
  public var interleaveBytes: Int
  /// Bytes/s one host's adapter (x16 port) passes towards the host, and towards the pool.
  public var adapterReadBandwidth: Double
  public var adapterWriteBandwidth: Double
  /// Bytes/s GPU DMA reaches through the CPU's root complex.
  public var gpuDMABandwidth: Double
  /// Idle latency of one 64 B load from a CPU, seconds.
  public var latencySeconds: Double
  /// Multiplies the idle latency as a function of the load on the busiest hop.
  public var loadedLatency: LoadedLatency
  /// Cost of one more pipelined line after the first: flush + load, seconds.
  public var pipelinedReadSeconds: Double
  /// Cost of one more pipelined line after the first: non-temporal store, seconds.
  public var pipelinedWriteSeconds: Double
  /// Watts of one device that moves nothing, and energy of each byte read or written on top of that.
  public var idleWatts: Double
  public var joulesPerByte: Double

  public init(
    name: String, devices: Int, capacityBytes: Int, deviceReadBandwidth: Double,
    deviceWriteBandwidth: Double,
    deviceDuplexFactor: Double, portBandwidth: Double, interleaveBytes: Int,
    adapterReadBandwidth: Double, adapterWriteBandwidth: Double, gpuDMABandwidth: Double,
    latencySeconds: Double, loadedLatency: LoadedLatency,
    pipelinedReadSeconds: Double, pipelinedWriteSeconds: Double, idleWatts: Double,
    joulesPerByte: Double
  ) {
    self.name = name
    self.devices = devices
    self.capacityBytes = capacityBytes
    self.deviceReadBandwidth = deviceReadBandwidth
    self.deviceWriteBandwidth = deviceWriteBandwidth
    self.deviceDuplexFactor = deviceDuplexFactor
    self.portBandwidth = portBandwidth
    self.interleaveBytes = interleaveBytes
    self.adapterReadBandwidth = adapterReadBandwidth
    self.adapterWriteBandwidth = adapterWriteBandwidth
    self.gpuDMABandwidth = gpuDMABandwidth
    self.latencySeconds = latencySeconds
    self.loadedLatency = loadedLatency
    self.pipelinedReadSeconds = pipelinedReadSeconds
    self.pipelinedWriteSeconds = pipelinedWriteSeconds
    self.idleWatts = idleWatts
    self.joulesPerByte = joulesPerByte
  }

  /// Latency of one line access under load, seconds.
  public func latencySeconds(at load: CXLLoad) -> Double {
    latencySeconds * loadedLatency.factor(at: load)
  }

  /// Devices that `bytes` side by side lie on.
  public func devices(holding bytes: Int) -> Int {
    min(devices, max(1, (bytes + interleaveBytes - 1) / interleaveBytes))
  }
}
