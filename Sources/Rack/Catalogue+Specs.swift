// From catalogue entries to the resolved specifications that models use.

extension Catalogue {
  public var rackNames: [String] { racks.keys.sorted() }

  public func gpu(_ name: String) -> GPUSpec? {
    guard let value = reader(.gpu, name) else { return nil }
    return GPUSpec(
      name: name, peakFlops: value("peak_bf16"), fp8Speedup: value("fp8_speedup"),
      memoryBandwidth: value("memory_bandwidth"), memoryBytes: Int(value("memory")),
      pcieBandwidth: value("pcie_bandwidth"),
      power: GPUPower(
        idle: value("idle_power"), compute: value("compute_power"),
        memory: value("memory_power"), limit: value("power_limit")),
      fit: StepTimeFit(
        linearCompute: value("linear_compute"), linearMemory: value("linear_memory"),
        linearExponent: value("linear_exponent"), linearFixedSeconds: value("linear_fixed"),
        prefillAttention: value("prefill_attention"),
        prefillAttentionFixedSeconds: value("prefill_attention_fixed"),
        decodeAttention: value("decode_attention"),
        decodeAttentionFixedSeconds: value("decode_attention_fixed")),
      expertFit: ExpertFit(
        compute: value("expert_compute"), computeFP8: value("expert_compute_fp8"),
        memory: value("expert_memory"), fixedSeconds: value("expert_fixed"),
        trafficBytes: value("expert_traffic")),
      latentFit: LatentFit(
        prefill: value("latent_prefill"), decode: value("latent_decode"),
        fixedSeconds: value("latent_fixed"), trafficBytes: value("latent_traffic")),
      allReduce: allReduce(ofGPU: name),
      allToAllBandwidth: figure(.gpu, name, "all_to_all_bandwidth")?.si)
  }

  public func model(_ name: String) -> ModelSpec? {
    guard let value = reader(.model, name) else { return nil }
    func integer(_ key: String) -> Int { Int(value(key)) }
    func has(_ key: String) -> Bool { figure(.model, name, key) != nil }
    let latent =
      has("latent_kv_rank")
      ? LatentAttention(
        queryRank: integer("latent_query_rank"), kvRank: integer("latent_kv_rank"),
        ropeDimension: integer("rope_dimension"), plainDimension: integer("plain_dimension"),
        valueDimension: integer("value_dimension")) : nil
    let experts =
      has("experts")
      ? Experts(
        count: integer("experts"), active: integer("active_experts"),
        shared: integer("shared_experts"), feedForward: integer("expert_feed_forward"),
        denseLayers: integer("dense_layers")) : nil
    let window =
      has("window")
      ? SlidingWindow(tokens: integer("window"), layers: integer("window_layers")) : nil
    return ModelSpec(
      name: name, layers: integer("layers"), hidden: integer("hidden"), heads: integer("heads"),
      kvHeads: integer("kv_heads"), headDimension: integer("head_dimension"),
      feedForward: integer("feed_forward"), vocabulary: integer("vocabulary"),
      tiedEmbeddings: has("tied_embeddings"), latentAttention: latent, experts: experts,
      slidingWindow: window)
  }

  /// A network interface; GPUDirect is the rack's choice, on unless changed.
  public func nic(_ name: String) -> NICSpec? {
    guard let value = reader(.nic, name) else { return nil }
    return NICSpec(
      name: name, txBandwidth: value("tx_bandwidth"), rxBandwidth: value("rx_bandwidth"),
      latencySeconds: value("latency"), gpuDirect: true,
      staging: StagingSpec(
        chunkBytes: Int(software("staging_chunk")), copySeconds: software("staging_copy")),
      idleWatts: value("idle_power"), joulesPerByte: value("transfer_energy"))
  }

  public func host(_ name: String) -> HostSpec? {
    guard let value = reader(.host, name) else { return nil }
    return HostSpec(
      name: name, idleWatts: value("idle_power"), activeWatts: value("active_power"),
      pcieJoulesPerByte: value("pcie_energy"))
  }

  public func transferEngine(_ name: String) -> TransferEngineSpec? {
    guard let value = reader(.transferEngine, name) else { return nil }
    return TransferEngineSpec(
      name: name, descriptorSeconds: value("descriptor"), bandwidth: value("bandwidth"),
      exponent: value("exponent"))
  }

  public func dram(_ name: String) -> DRAMSpec? {
    guard let value = reader(.dram, name) else { return nil }
    return DRAMSpec(
      name: name, readBandwidth: value("read_bandwidth"), writeBandwidth: value("write_bandwidth"),
      capacityBytes: Int(value("capacity")), latencySeconds: value("latency"),
      joulesPerByte: value("transfer_energy"))
  }

  public func cxl(_ name: String) -> CXLSpec? {
    guard let value = reader(.cxl, name) else { return nil }
    return CXLSpec(
      name: name, devices: Int(value("devices")), capacityBytes: Int(value("capacity")),
      deviceReadBandwidth: value("device_read_bandwidth"),
      deviceWriteBandwidth: value("device_write_bandwidth"),
      deviceDuplexFactor: value("device_duplex_factor"), portBandwidth: value("port_bandwidth"),
      interleaveBytes: Int(value("interleave")),
      adapterReadBandwidth: value("adapter_read_bandwidth"),
      adapterWriteBandwidth: value("adapter_write_bandwidth"),
      gpuDMABandwidth: value("gpu_dma_bandwidth"), latencySeconds: value("latency"),
      loadedLatency: loadedLatency(ofDevice: name),
      pipelinedReadSeconds: software("pipelined_read"),
      pipelinedWriteSeconds: software("pipelined_write"), idleWatts: value("idle_power"),
      joulesPerByte: value("transfer_energy"))
  }

  /// A whole rack by name; nil if there is no such preset.
  public func rack(_ name: String) -> RackSpec? {
    guard let preset = racks[name], let prefill = pool(preset.prefill),
      let decode = pool(preset.decode), let host = host(preset.host), let nic = nic(preset.nic),
      let dram = dram(preset.dram), let cxl = cxl(preset.cxl),
      let engine = transferEngine(preset.transferEngine)
    else { return nil }
    return RackSpec(
      prefill: prefill, decode: decode, host: host, nic: nic,
      pcie: PCIeSpec(duplexFactor: software(preset.pcieDuplex)), dram: dram, cxl: cxl,
      rdmaEngine: engine)
  }

  private func pool(_ pool: Pool) -> WorkerPool? {
    gpu(pool.gpu).map {
      WorkerPool(count: pool.count, gpu: $0, tensorParallel: pool.tensorParallel)
    }
  }

  /// Reads figures of one entry in SI units; nil if there is no such entry.
  private func reader(_ section: Section, _ name: String) -> ((String) -> Double)? {
    guard figures(section, name) != nil else { return nil }
    return { key in
      guard let quantity = figure(section, name, key) else {
        preconditionFailure("the catalogue's \(section.rawValue) '\(name)' has no '\(key)'")
      }
      return quantity.si
    }
  }
}
