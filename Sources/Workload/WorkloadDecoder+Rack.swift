// The `rack` part of a workload file: a preset, any part of it replaced or adjusted.

import JSONText
import Rack

extension WorkloadDecoder {
  /// Rates in `_gbps` keys are GB/s: 1e9 bytes per second.
  private static var gb: Double { 1e9 }
  private static var rates: ClosedRange<Double> { 0...1e6 }
  private static var gib: Double { 1_073_741_824 }

  func rack(_ reader: ObjectReader) -> RackSpec? {
    defer { reader.finish() }
    let preset = reader.string("preset", default: "tract-testbed")
    guard var rack = catalogue.rack(preset) else {
      unknown(reader, "preset", preset, catalogue.rackNames)
      return nil
    }
    pool(reader.object("prefill"), .prefill, &rack.prefill)
    pool(reader.object("decode"), .decode, &rack.decode)
    host(reader.object("host"), &rack.host)
    nic(reader.object("nic"), &rack.nic)
    let pcie = reader.object("pcie")
    rack.pcie.duplexFactor = pcie.number(
      "duplex_factor", default: rack.pcie.duplexFactor, in: 1...2)
    if let bandwidth = pcie.optionalNumber("gpu_gbps", in: Self.rates, open: true) {
      rack.prefill.gpu.pcieBandwidth = bandwidth * Self.gb
      rack.decode.gpu.pcieBandwidth = bandwidth * Self.gb
    }
    pcie.finish()
    dram(reader.object("dram"), &rack.dram)
    cxl(reader.object("cxl"), &rack.cxl)
    engine(reader.object("rdma_engine"), &rack.rdmaEngine)
    return rack
  }

  private func unknown(
    _ reader: ObjectReader, _ key: String, _ name: String, _ names: [String]
  ) {
    reader.report(
      key, "unknown name \"\(name)\"; the catalogue has \(names.joined(separator: ", "))")
  }

  private func bandwidth(_ reader: ObjectReader, _ key: String, _ value: inout Double) {
    if let rate = reader.optionalNumber(key, in: Self.rates, open: true) { value = rate * Self.gb }
  }

  private func nanoseconds(_ reader: ObjectReader, _ key: String, _ seconds: inout Double) {
    if let ns = reader.optionalNumber(key, in: 0...1e6, open: true) { seconds = ns * 1e-9 }
  }

  /// Replaces `value` by the entry the section's `preset` names, if it names one.
  private func preset<T>(
    _ reader: ObjectReader, _ section: Catalogue.Section, _ value: inout T,
    _ lookup: (String) -> T?
  ) {
    guard reader.node("preset") != nil else { return }
    let name = reader.string("preset", default: "")
    if let found = lookup(name) {
      value = found
    } else {
      unknown(reader, "preset", name, catalogue.names(in: section))
    }
  }

  private func watts(_ reader: ObjectReader, _ key: String, _ value: inout Double) {
    value = reader.number(key, default: value, in: 0...1e6)
  }

  private func picojoulesPerBit(_ reader: ObjectReader, _ key: String, _ joules: inout Double) {
    if let picojoules = reader.optionalNumber(key, in: 0...1e6) { joules = picojoules * 8e-12 }
  }

  private func pool(
    _ reader: ObjectReader, _ kind: StepTimeTable.Kind, _ pool: inout WorkerPool
  ) {
    defer { reader.finish() }
    pool.count = reader.integer("count", default: pool.count, in: 1...1024)
    let name = reader.string("gpu", default: pool.gpu.name)
    if let gpu = catalogue.gpu(name) {
      pool.gpu = gpu
    } else {
      unknown(reader, "gpu", name, catalogue.names(in: .gpu))
    }
    pool.tensorParallel = reader.integer(
      "tensor_parallel", default: pool.tensorParallel, in: 1...8)
    let sizes = [1] + pool.gpu.allReduce.keys.sorted()
    if !sizes.contains(pool.tensorParallel) {
      let allowed = sizes.map(String.init).joined(separator: ", ")
      reader.report(
        "tensor_parallel",
        "\(pool.gpu.name) has no all-reduce measurement for \(pool.tensorParallel) ranks; "
          + "allowed are \(allowed)")
      pool.tensorParallel = 1
    }
    pool.pipelineParallel = reader.integer(
      "pipeline_parallel", default: pool.pipelineParallel, in: 1...64)
    pool.expertParallel = reader.bool("expert_parallel", default: pool.expertParallel)
    power(reader.object("power"), &pool.gpu.power)
    if reader.has("step_times"), let file = reader.requiredString("step_times") {
      pool.stepTimes = stepTimes(file, kind, reader)
    } else {
      _ = reader.node("step_times")
    }
  }

  /// The table in a file; what is wrong with it is reported at the key that names it.
  private func stepTimes(
    _ file: String, _ kind: StepTimeTable.Kind, _ reader: ObjectReader
  ) -> StepTimeTable? {
    let path = resolved(file)
    let text: [UInt8]
    do {
      text = try AtomicFile.read(path)
    } catch {
      reader.report("step_times", "\(path) cannot be read: \(error.reason)")
      return nil
    }
    do {
      let table = try StepTimeTable(file: path, text: text)
      if !table.rows.contains(where: { $0.kind == kind }) {
        reader.report("step_times", "\(path) has no \(kind) steps, which these workers do")
      }
      return table
    } catch {
      reader.report("step_times", error.description)
      return nil
    }
  }

  private func power(_ reader: ObjectReader, _ power: inout GPUPower) {
    watts(reader, "idle_w", &power.idle)
    watts(reader, "compute_w", &power.compute)
    watts(reader, "memory_w", &power.memory)
    watts(reader, "limit_w", &power.limit)
    reader.finish()
    let (least, most) = (min(power.compute, power.memory), max(power.compute, power.memory))
    if power.idle > least || power.limit < most {
      reader.report(
        "",
        "power must rise from idle_w over compute_w and memory_w to limit_w; these are "
          + [power.idle, power.compute, power.memory, power.limit]
          .map { JSONValue.number($0).text(indented: false) }.joined(separator: ", ")
          + " W (a limit that slows steps down is not modelled)")
    }
  }

  private func host(_ reader: ObjectReader, _ host: inout HostSpec) {
    defer { reader.finish() }
    preset(reader, .host, &host, catalogue.host)
    watts(reader, "idle_w", &host.idleWatts)
    watts(reader, "active_w", &host.activeWatts)
    if host.activeWatts < host.idleWatts {
      reader.report("active_w", "is less than idle_w; give both")
    }
    picojoulesPerBit(reader, "pcie_pj_per_bit", &host.pcieJoulesPerByte)
  }

  private func nic(_ reader: ObjectReader, _ nic: inout NICSpec) {
    defer { reader.finish() }
    preset(reader, .nic, &nic, catalogue.nic)
    bandwidth(reader, "tx_gbps", &nic.txBandwidth)
    bandwidth(reader, "rx_gbps", &nic.rxBandwidth)
    nic.latencySeconds =
      reader.number("latency_us", default: nic.latencySeconds * 1e6, in: 0...1e6) / 1e6
    nic.gpuDirect = reader.bool("gpudirect", default: nic.gpuDirect)
    if let size = reader.optionalNumber("staging_kib", in: 0...1e9, open: true) {
      nic.staging.chunkBytes = max(1, Int(size * 1024))
    }
    nic.staging.copySeconds =
      reader.number("staging_copy_us", default: nic.staging.copySeconds * 1e6, in: 0...1e9) / 1e6
    nic.headOfLineCoupling = reader.number(
      "hol_coupling", default: nic.headOfLineCoupling, in: 0...1)
    watts(reader, "idle_w", &nic.idleWatts)
    picojoulesPerBit(reader, "pj_per_bit", &nic.joulesPerByte)
  }

  private func dram(_ reader: ObjectReader, _ dram: inout DRAMSpec) {
    defer { reader.finish() }
    preset(reader, .dram, &dram, catalogue.dram)
    bandwidth(reader, "read_gbps", &dram.readBandwidth)
    bandwidth(reader, "write_gbps", &dram.writeBandwidth)
    if let capacity = reader.optionalNumber("capacity_gib", in: 0...1e6, open: true) {
      dram.capacityBytes = Int(capacity * Self.gib)
    }
    nanoseconds(reader, "latency_ns", &dram.latencySeconds)
    picojoulesPerBit(reader, "pj_per_bit", &dram.joulesPerByte)
  }

  private func cxl(_ reader: ObjectReader, _ cxl: inout CXLSpec) {
    defer { reader.finish() }
    preset(reader, .cxl, &cxl, catalogue.cxl)
    cxl.devices = reader.integer("devices", default: cxl.devices, in: 1...256)
    if let capacity = reader.optionalNumber("capacity_gib", in: 0...1e6, open: true) {
      cxl.capacityBytes = Int(capacity * Self.gib)
    }
    bandwidth(reader, "device_read_gbps", &cxl.deviceReadBandwidth)
    bandwidth(reader, "device_write_gbps", &cxl.deviceWriteBandwidth)
    cxl.deviceDuplexFactor = reader.number(
      "device_duplex_factor", default: cxl.deviceDuplexFactor, in: 1...2)
    bandwidth(reader, "port_gbps", &cxl.portBandwidth)
    if let size = reader.optionalNumber("interleave_kib", in: 0...1e9, open: true) {
      cxl.interleaveBytes = max(1, Int(size * 1024))
    }
    bandwidth(reader, "adapter_read_gbps", &cxl.adapterReadBandwidth)
    bandwidth(reader, "adapter_write_gbps", &cxl.adapterWriteBandwidth)
    bandwidth(reader, "gpu_dma_gbps", &cxl.gpuDMABandwidth)
    nanoseconds(reader, "latency_ns", &cxl.latencySeconds)
    nanoseconds(reader, "pipelined_read_ns", &cxl.pipelinedReadSeconds)
    nanoseconds(reader, "pipelined_write_ns", &cxl.pipelinedWriteSeconds)
    watts(reader, "idle_w", &cxl.idleWatts)
    picojoulesPerBit(reader, "pj_per_bit", &cxl.joulesPerByte)
    let name = reader.string("loaded_latency", default: cxl.loadedLatency.name)
    if let curves = catalogue.loadedLatency(name) {
      cxl.loadedLatency = curves
    } else {
      unknown(reader, "loaded_latency", name, catalogue.loadedLatencyNames)
    }
  }

  private func engine(_ reader: ObjectReader, _ engine: inout TransferEngineSpec) {
    defer { reader.finish() }
    preset(reader, .transferEngine, &engine, catalogue.transferEngine)
    if let ns = reader.optionalNumber("descriptor_ns", in: 0...1e9) {
      engine.descriptorSeconds = ns * 1e-9
    }
    bandwidth(reader, "bandwidth_gbps", &engine.bandwidth)
    engine.exponent = reader.number("exponent", default: engine.exponent, in: 0.1...100)
  }
}
