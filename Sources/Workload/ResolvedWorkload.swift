// A workload written back as a file, every default filled in.

import JSONText
import Rack

/// The file that decodes to a given workload.
public enum ResolvedWorkload {
  private static func number(_ value: Double, _ scale: Double) -> JSONValue {
    // Twelve digits: enough to be exact for catalogue figures, and free of binary residue.
    let scaled = value * scale
    guard scaled != 0, scaled.isFinite else { return .number(scaled) }
    var digits = 1.0
    while abs(scaled) * digits < 1e11, digits < 1e15 { digits *= 10 }
    return .number((scaled * digits).rounded() / digits)
  }

  public static func json(_ workload: Workload) -> JSONValue {
    var members: [(key: String, value: JSONNode)] = [
      ("name", JSONNode(.string(workload.name))),
      ("seed", JSONNode(.integer(Int(workload.seed)))),
      ("model", JSONNode(.string(workload.model.name))),
      ("weight_format", JSONNode(.string(workload.weightFormat.rawValue))),
      ("kv_format", JSONNode(.string(workload.kvFormat.rawValue))),
      ("rack", JSONNode(rack(workload.rack))), ("engine", JSONNode(engine(workload.engine))),
      ("systems", JSONNode(.list(workload.systems.map(system)))),
      ("baseline", JSONNode(.string(workload.baseline))),
      ("router", JSONNode(.string(workload.router.rawValue))),
      ("traffic", JSONNode(traffic(workload.traffic))), ("stop", JSONNode(stop(workload.stop))),
      ("series_interval_ms", JSONNode(number(workload.seriesIntervalSeconds, 1e3))),
    ]
    if workload.router == .kvAware {
      members.append(("kv_router", JSONNode(kvRouter(workload.kvRouter))))
    }
    if let slo = workload.slo { members.append(("slo", JSONNode(level(slo)))) }
    if let prices = workload.prices { members.append(("prices", JSONNode(list(prices)))) }
    members.append(("faults", JSONNode(.list(workload.faults.map(fault)))))
    return .object(members)
  }

  private static func pool(_ pool: WorkerPool) -> JSONValue {
    var members: [(key: String, value: JSONNode)] = [
      ("count", JSONNode(.integer(pool.count))), ("gpu", JSONNode(.string(pool.gpu.name))),
      ("tensor_parallel", JSONNode(.integer(pool.tensorParallel))),
      ("pipeline_parallel", JSONNode(.integer(pool.pipelineParallel))),
      ("expert_parallel", JSONNode(.bool(pool.expertParallel))),
    ]
    let power = pool.gpu.power
    let watts: JSONValue = .object([
      "idle_w": .number(power.idle), "compute_w": .number(power.compute),
      "memory_w": .number(power.memory), "limit_w": .number(power.limit),
    ])
    members.append(("power", JSONNode(watts)))
    if let table = pool.stepTimes {
      members.append(("step_times", JSONNode(.string(table.file))))
    }
    return .object(members)
  }

  /// The file's `rack`.
  public static func rack(_ rack: RackSpec) -> JSONValue {
    let gb = 1e-9
    let gib = 1.0 / 1_073_741_824
    let picojoules = 1 / 8e-12
    return .object([
      "prefill": pool(rack.prefill), "decode": pool(rack.decode),
      "host": .object([
        "idle_w": .number(rack.host.idleWatts), "active_w": .number(rack.host.activeWatts),
        "pcie_pj_per_bit": number(rack.host.pcieJoulesPerByte, picojoules),
      ]),
      "nic": .object([
        "tx_gbps": number(rack.nic.txBandwidth, gb), "rx_gbps": number(rack.nic.rxBandwidth, gb),
        "latency_us": number(rack.nic.latencySeconds, 1e6),
        "gpudirect": .bool(rack.nic.gpuDirect),
        "staging_kib": number(Double(rack.nic.staging.chunkBytes), 1.0 / 1024),
        "staging_copy_us": number(rack.nic.staging.copySeconds, 1e6),
        "hol_coupling": .number(rack.nic.headOfLineCoupling),
        "idle_w": .number(rack.nic.idleWatts),
        "pj_per_bit": number(rack.nic.joulesPerByte, picojoules),
      ]),
      "pcie": pcie(rack),
      "dram": .object([
        "read_gbps": number(rack.dram.readBandwidth, gb),
        "write_gbps": number(rack.dram.writeBandwidth, gb),
        "capacity_gib": number(Double(rack.dram.capacityBytes), gib),
        "latency_ns": number(rack.dram.latencySeconds, 1e9),
        "pj_per_bit": number(rack.dram.joulesPerByte, picojoules),
      ]),
      "cxl": .object([
        "devices": .integer(rack.cxl.devices),
        "capacity_gib": number(Double(rack.cxl.capacityBytes), gib),
        "device_read_gbps": number(rack.cxl.deviceReadBandwidth, gb),
        "device_write_gbps": number(rack.cxl.deviceWriteBandwidth, gb),
        "device_duplex_factor": .number(rack.cxl.deviceDuplexFactor),
        "port_gbps": number(rack.cxl.portBandwidth, gb),
        "interleave_kib": number(Double(rack.cxl.interleaveBytes), 1.0 / 1024),
        "adapter_read_gbps": number(rack.cxl.adapterReadBandwidth, gb),
        "adapter_write_gbps": number(rack.cxl.adapterWriteBandwidth, gb),
        "gpu_dma_gbps": number(rack.cxl.gpuDMABandwidth, gb),
        "latency_ns": number(rack.cxl.latencySeconds, 1e9),
        "loaded_latency": .string(rack.cxl.loadedLatency.name),
        "pipelined_read_ns": number(rack.cxl.pipelinedReadSeconds, 1e9),
        "pipelined_write_ns": number(rack.cxl.pipelinedWriteSeconds, 1e9),
        "idle_w": .number(rack.cxl.idleWatts),
        "pj_per_bit": number(rack.cxl.joulesPerByte, picojoules),
      ]),
      "rdma_engine": .object([
        "descriptor_ns": number(rack.rdmaEngine.descriptorSeconds, 1e9),
        "bandwidth_gbps": number(rack.rdmaEngine.bandwidth, gb),
        "exponent": .number(rack.rdmaEngine.exponent),
      ]),
    ])
  }

  /// `gpu_gbps` sets both pools, so it stands only where they agree.
  private static func pcie(_ rack: RackSpec) -> JSONValue {
    var members: [(key: String, value: JSONNode)] = [
      ("duplex_factor", JSONNode(.number(rack.pcie.duplexFactor)))
    ]
    if rack.prefill.gpu.pcieBandwidth == rack.decode.gpu.pcieBandwidth {
      members.append(("gpu_gbps", JSONNode(number(rack.prefill.gpu.pcieBandwidth, 1e-9))))
    }
    return .object(members)
  }

  private static func engine(_ engine: EngineSpec) -> JSONValue {
    .object([
      "block_tokens": .integer(engine.blockTokens),
      "max_batched_tokens": .integer(engine.maxBatchedTokens),
      "max_sequences": .integer(engine.maxSequences),
      "gpu_memory_utilization": .number(engine.gpuMemoryUtilization),
      "watermark": .number(engine.watermark),
      "step_overhead_ms": number(engine.stepOverheadSeconds, 1e3),
      "frontend_ms": number(engine.frontendSeconds, 1e3),
    ])
  }

  private static func kvRouter(_ router: KVRouterSpec) -> JSONValue {
    .object([
      "overlap_weight": .number(router.overlapWeight),
      "temperature": .number(router.temperature), "memory_s": .number(router.memorySeconds),
    ])
  }

  private static func system(_ system: SystemSpec) -> JSONValue {
    var all: [String: JSONValue] = [
      "transfer_tokens": .integer(system.transferTokens),
      "rpc_us": number(system.rpcSeconds, 1e6), "rpc_key_us": number(system.rpcKeySeconds, 1e6),
      "rpc_threads": .integer(system.rpcThreads),
      "placement": .string(system.placement.rawValue),
      "read_lease_ms": number(system.readLeaseSeconds, 1e3),
      "eviction_ratio": .number(system.evictionRatio),
      "high_watermark": .number(system.highWatermark),
      "block_tokens": .integer(system.blockTokens),
      "cache_gib": number(Double(system.cacheBytes), 1.0 / 1_073_741_824),
      "launch_ms": number(system.launchSeconds, 1e3),
      "copy_method": .string(system.copy.method.rawValue),
      "copy_launch_us": number(system.copy.launchSeconds, 1e6),
      "copy_call_us": number(system.copy.callSeconds, 1e6),
      "synchronous_load": .bool(system.synchronousLoad),
      "synchronous_save": .bool(system.synchronousSave),
      "hold_until_sent": .bool(system.holdUntilSent), "layerwise": .bool(system.layerwise),
      "hbm_prefix_cache": .bool(system.hbmPrefixCache),
      "write_batch_blocks": .integer(system.writeBatchBlocks),
      "ready_wait": .string(system.readyWait.rawValue),
      "poll_us": number(system.pollSeconds, 1e6),
      "lease_ms": number(system.leaseSeconds, 1e3),
    ]
    all["transfer_engine"] = system.transferEngine.map { .string($0.name) }
    var members: [(key: String, value: JSONNode)] = [
      ("base", JSONNode(.string(system.base.rawValue))),
      ("name", JSONNode(.string(system.name))),
    ]
    for key in system.base.parameters {
      if let value = all[key] { members.append((key, JSONNode(value))) }
    }
    return .object(members)
  }

  private static func traffic(_ traffic: Traffic) -> JSONValue {
    var members: [(key: String, value: JSONNode)]
    switch traffic.source {
    case .fixed(let input, let output):
      members = [
        ("kind", JSONNode(.string("static"))), ("input_tokens", JSONNode(.integer(input))),
        ("output_tokens", JSONNode(.integer(output))),
      ]
    case .synthetic(let spec):
      members = [
        ("kind", JSONNode(.string("synthetic"))),
        ("input_tokens", JSONNode(.number(spec.inputTokens))),
        ("input_tokens_std", JSONNode(.number(spec.inputTokensDeviation))),
        ("output_tokens", JSONNode(.number(spec.outputTokens))),
        ("output_tokens_std", JSONNode(.number(spec.outputTokensDeviation))),
        ("unique_tokens", JSONNode(.number(spec.uniqueTokens))),
        ("unique_tokens_std", JSONNode(.number(spec.uniqueTokensDeviation))),
        ("prefix_groups", JSONNode(.integer(spec.prefixGroups))),
        ("block_tokens", JSONNode(.integer(spec.blockTokens))),
      ]
    case .trace(let spec):
      members = [
        ("kind", JSONNode(.string("trace"))), ("file", JSONNode(.string(spec.path))),
        ("format", JSONNode(.string(spec.format.rawValue))),
        ("speedup", JSONNode(.number(spec.speedup))),
        ("smear_ms", JSONNode(number(spec.smearSeconds, 1e3))),
        ("from_s", JSONNode(.number(spec.fromSeconds))),
      ]
      if let to = spec.toSeconds { members.append(("to_s", JSONNode(.number(to)))) }
      for (key, value) in [("sessions", spec.sessions), ("block_tokens", spec.blockTokens)] {
        if let value { members.append((key, JSONNode(.integer(value)))) }
      }
    case .sessions(let spec):
      members = [
        ("kind", JSONNode(.string("sessions"))),
        ("model", JSONNode(.string(spec.model.rawValue))),
        ("speedup", JSONNode(.number(spec.speedup))),
      ]
    }
    members.append(("arrivals", JSONNode(arrivals(traffic.arrivals))))
    return .object(members)
  }

  private static func arrivals(_ arrivals: Traffic.Arrivals) -> JSONValue {
    switch arrivals {
    case .poisson(let rate):
      return .object(["process": .string("poisson"), "rate_rps": .number(rate)])
    case .gamma(let rate, let burstiness):
      return .object([
        "process": .string("gamma"), "rate_rps": .number(rate), "burstiness": .number(burstiness),
      ])
    case .deterministic(let rate):
      return .object(["process": .string("deterministic"), "rate_rps": .number(rate)])
    case .closedLoop(let concurrency, let think):
      return .object([
        "process": .string("closed_loop"), "concurrency": .integer(concurrency),
        "think_time_s": .number(think),
      ])
    case .recorded: return .object(["process": .string("recorded")])
    case .sessions(let sessions):
      var members = [(key: "process", value: JSONNode(.string("sessions")))]
      if let users = sessions.concurrency {
        members.append(("concurrency", JSONNode(.integer(users))))
      }
      for (key, value) in [
        ("rate_rps", sessions.ratePerSecond), ("think_time_s", sessions.thinkSeconds),
      ] {
        if let value { members.append((key, JSONNode(.number(value)))) }
      }
      return .object(members)
    }
  }

  private static func stop(_ stop: StopRule) -> JSONValue {
    var members: [(key: String, value: JSONNode)] = []
    if let requests = stop.requests { members.append(("requests", JSONNode(.integer(requests)))) }
    members.append(("warmup_requests", JSONNode(.integer(stop.warmupRequests))))
    return .object(members)
  }

  private static func fault(_ fault: Fault) -> JSONValue {
    let at = ("at_s", JSONNode(.number(fault.atSeconds)))
    func span(_ seconds: Double) -> (String, JSONNode) { ("for_s", JSONNode(.number(seconds))) }
    func kind(_ name: String) -> (String, JSONNode) { ("kind", JSONNode(.string(name))) }
    switch fault.kind {
    case .nodeCrash(let worker, let back):
      let members = [kind("node_crash"), ("worker", JSONNode(.integer(worker))), at]
      return .object(
        members + (back.map { [("return_after_s", JSONNode(.number($0)))] } ?? []))
    case .managerPause(let seconds):
      return .object([kind("manager_pause"), at, span(seconds)])
    case .cxlDegradation(let seconds, let latency, let bandwidth):
      return .object([
        kind("cxl_degradation"), at, span(seconds), ("latency_factor", JSONNode(.number(latency))),
        ("bandwidth_factor", JSONNode(.number(bandwidth))),
      ])
    case .linkDown(let link, let worker, let seconds):
      let members = [kind("link_down"), ("link", JSONNode(.string(link.rawValue)))]
      let place = worker.map { [("worker", JSONNode(.integer($0)))] } ?? []
      return .object(members + place + [at, span(seconds)])
    }
  }

  private static func list(_ prices: Prices) -> JSONValue {
    .object([
      "host": .number(prices.host), "prefill_gpu": .number(prices.prefillGPU),
      "decode_gpu": .number(prices.decodeGPU), "nic": .number(prices.nic),
      "dram_gib": .number(prices.dramGiB), "cxl_device": .number(prices.cxlDevice),
      "cxl_adapter": .number(prices.cxlAdapter), "cxl_gib": .number(prices.cxlGiB),
      "cxl_switch": .number(prices.cxlSwitch),
    ])
  }

  private static func level(_ level: ServiceLevel) -> JSONValue {
    let limits = [
      ("ttft_ms", level.ttftSeconds), ("tpot_ms", level.tpotSeconds), ("e2e_ms", level.e2eSeconds),
    ]
    return .object(
      limits.compactMap { key, limit in limit.map { (key, JSONNode(number($0, 1e3))) } })
  }
}
