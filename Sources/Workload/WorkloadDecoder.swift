// From JSON to a `Workload`: names and rules; traffic, racks and systems have their own files.

import JSONText
import Rack

/// Decodes one workload, reporting into a log.
struct WorkloadDecoder {
  let log: ProblemLog
  let folder: String
  let catalogue = Catalogue.builtIn

  /// Largest values accepted; beyond them integer time or memory would overflow.
  static let countLimit = 100_000_000
  static let tokenLimit = 10_000_000
  static let requestLimit = 10_000_000

  func workload(_ root: JSONNode) -> Workload? {
    let reader = ObjectReader(root, path: "$", line: root.line, log: log)
    _ = reader.node("$schema")
    let name = reader.requiredString("name") ?? ""
    // Baselines are files of this name.
    if name.contains("/") || name.hasPrefix(".") || name.utf8.contains(where: { $0 < 0x20 }) {
      reader.report("name", "must not contain \"/\" or control characters, nor begin with \".\"")
    }
    let seed = reader.integer("seed", default: 1, in: 0...Int.max)
    let model = model(reader)
    let weights = reader.choice("weight_format", default: NumberFormat.bf16)
    let kv = reader.choice("kv_format", default: NumberFormat.bf16)
    let rack = rack(reader.object("rack"))
    let engine = engine(reader.object("engine"), rack)
    let systems = systems(reader, capacity: rack)
    let baseline = reader.string("baseline", default: systems.first?.name ?? "")
    if !systems.isEmpty, !systems.contains(where: { $0.name == baseline }) {
      let names = systems.map { "\"\($0.name)\"" }.joined(separator: ", ")
      reader.report("baseline", "no system is named \"\(baseline)\"; there are \(names)")
    }
    let router = reader.choice("router", default: RouterKind.roundRobin)
    let kvRouter = kvRouter(reader, router)
    let traffic = traffic(reader)
    let stop = stop(reader.object("stop"), traffic: traffic)
    let interval = reader.number("series_interval_ms", default: 1000, in: 1...1e6) / 1e3
    let slo = reader.node("slo") == nil ? nil : serviceLevel(reader.object("slo"))
    let faults = faults(reader, rack: rack)
    let prices = reader.node("prices") == nil ? nil : prices(reader.object("prices"))
    reader.finish()
    guard let model, let rack, let traffic else { return nil }
    let workload = Workload(
      file: log.file, name: name, seed: UInt64(seed), model: model, weightFormat: weights,
      kvFormat: kv,
      rack: rack, engine: engine, systems: systems, baseline: baseline, router: router,
      kvRouter: kvRouter, traffic: traffic, stop: stop, seriesIntervalSeconds: interval,
      slo: slo, faults: faults, prices: prices)
    checkMemory(workload, reader)
    return workload
  }

  /// A path that the file names, relative to the file's folder.
  func resolved(_ path: String) -> String {
    path.hasPrefix("/") || folder.isEmpty ? path : "\(folder)/\(path)"
  }

  private func kvRouter(_ root: ObjectReader, _ router: RouterKind) -> KVRouterSpec {
    let isGiven = root.has("kv_router")
    let reader = root.object("kv_router")
    defer { reader.finish() }
    if isGiven, router != .kvAware {
      root.report(
        "kv_router", "only the router \"kv_aware\" has these; this one is \"\(router.rawValue)\"")
    }
    return KVRouterSpec(
      overlapWeight: reader.number(
        "overlap_weight", default: catalogue.software("kv_router_overlap_weight"), in: 0...1e6),
      temperature: reader.number("temperature", default: 0, in: 0...1e6),
      memorySeconds: reader.number(
        "memory_s", default: catalogue.software("kv_router_memory"), in: 0...1e6))
  }

  // MARK: Model and engine

  private func model(_ reader: ObjectReader) -> ModelSpec? {
    guard let name = reader.requiredString("model") else { return nil }
    guard let model = catalogue.model(name) else {
      let names = catalogue.names(in: .model).joined(separator: ", ")
      reader.report("model", "unknown model \"\(name)\"; the catalogue has \(names)")
      return nil
    }
    return model
  }

  private func engine(_ reader: ObjectReader, _ rack: RackSpec?) -> EngineSpec {
    defer { reader.finish() }
    // Fitted on held-out vLLM runs; none was needed on one GPU, and measured steps hold theirs.
    let tensorParallel = rack?.decode.tensorParallel ?? 1
    let isMeasured = rack?.prefill.stepTimes != nil || rack?.decode.stepTimes != nil
    let overhead =
      [2, 4, 8].contains(tensorParallel) && !isMeasured
      ? catalogue.software("step_overhead_tp\(tensorParallel)") * 1e3 : 0
    return EngineSpec(
      blockTokens: reader.integer("block_tokens", default: 16, in: 1...8192),
      maxBatchedTokens: reader.integer(
        "max_batched_tokens", default: 8192, in: 1...Self.tokenLimit),
      maxSequences: reader.integer("max_sequences", default: 256, in: 1...65_536),
      gpuMemoryUtilization: reader.number(
        "gpu_memory_utilization", default: 0.9, in: 0...1, open: true),
      watermark: reader.number("watermark", default: 0, in: 0...0.5),
      stepOverheadSeconds: reader.number("step_overhead_ms", default: overhead, in: 0...1e4) / 1e3,
      frontendSeconds: reader.number("frontend_ms", default: 0, in: 0...1e6) / 1e3)
  }

  /// A rack that cannot hold the model, or a request, is found before anything runs.
  private func checkMemory(_ workload: Workload, _ reader: ObjectReader) {
    let reserve = Int(catalogue.software("activation_reserve"))
    for (name, pool) in [("prefill", workload.rack.prefill), ("decode", workload.rack.decode)] {
      let ranks = pool.tensorParallel
      if workload.model.kvHeads % ranks != 0 && ranks % workload.model.kvHeads != 0
        || workload.model.heads % ranks != 0
      {
        reader.report(
          "rack", "\(name): \(ranks) ranks cannot share \(workload.model.heads) heads evenly")
      }
      if let obstacle = StepTimeModel.obstacle(
        gpu: pool.gpu, model: workload.model, tensorParallel: ranks,
        pipelineParallel: pool.pipelineParallel, expertParallel: pool.expertParallel)
      {
        reader.report("rack", "\(name): \(obstacle)")
      }
      let free = MemoryFit.kvBytes(
        pool: pool, model: workload.model, weights: workload.weightFormat,
        utilization: workload.engine.gpuMemoryUtilization, reserveBytes: reserve)
      let block = workload.engine.blockTokens * workload.kvBytesPerToken
      guard free < block else { continue }
      let needed = workload.model.parameters * workload.weightFormat.bytes
      reader.report(
        "rack",
        "\(name): \(pool.gpuCount) × \(pool.gpu.name) cannot hold \(workload.model.name): weights take "
          + "\(needed / 1_000_000_000) GB; use more tensor_parallel ranks or pipeline_parallel stages, a larger GPU "
          + "or fp8")
    }
  }

  private func stop(_ reader: ObjectReader, traffic: Traffic?) -> StopRule {
    defer { reader.finish() }
    let requests = reader.optionalInteger("requests", in: 1...Self.requestLimit)
    let isTrace = if case .trace? = traffic?.source { true } else { false }
    if requests == nil, !isTrace, !reader.has("requests") {
      reader.report("requests", "is missing; only a trace ends by itself")
    }
    let warmup = reader.integer("warmup_requests", default: 0, in: 0...Self.requestLimit)
    if let requests, warmup >= requests {
      reader.report("warmup_requests", "\(warmup) leaves none of \(requests) requests to measure")
    }
    return StopRule(requests: requests, warmupRequests: warmup)
  }

  private func prices(_ reader: ObjectReader) -> Prices {
    defer { reader.finish() }
    func price(_ key: String) -> Double { reader.number(key, default: 0, in: 0...1e12) }
    return Prices(
      host: price("host"), prefillGPU: price("prefill_gpu"), decodeGPU: price("decode_gpu"),
      nic: price("nic"), dramGiB: price("dram_gib"), cxlDevice: price("cxl_device"),
      cxlAdapter: price("cxl_adapter"), cxlGiB: price("cxl_gib"), cxlSwitch: price("cxl_switch"))
  }

  private func serviceLevel(_ reader: ObjectReader) -> ServiceLevel {
    defer { reader.finish() }
    func seconds(_ key: String) -> Double? {
      reader.optionalNumber(key, in: 0...1e9, open: true).map { $0 / 1e3 }
    }
    return ServiceLevel(
      ttftSeconds: seconds("ttft_ms"), tpotSeconds: seconds("tpot_ms"),
      e2eSeconds: seconds("e2e_ms"))
  }
}
