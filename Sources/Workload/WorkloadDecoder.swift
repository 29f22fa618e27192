// From JSON to a `Workload`: names, traffic and rules; racks and systems have their own files.

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

  // MARK: Traffic

  private enum TrafficKind: String, CaseIterable { case fixed = "static", synthetic, trace }
  private enum ArrivalKind: String, CaseIterable {
    case poisson, gamma, deterministic, recorded
    case closedLoop = "closed_loop"
  }

  private func traffic(_ root: ObjectReader) -> Traffic? {
    guard root.has("traffic") else {
      _ = root.node("traffic")
      root.report("traffic", "is missing; say what arrives")
      return nil
    }
    let reader = root.object("traffic")
    defer { reader.finish() }
    let tokens = 1...Self.tokenLimit
    let source: Traffic.Source?
    switch reader.requiredChoice("kind", of: TrafficKind.self) {
    case nil: source = nil
    case .fixed:
      let input = reader.requiredInteger("input_tokens", in: tokens)
      let output = reader.requiredInteger("output_tokens", in: tokens)
      if let input, let output {
        source = .fixed(inputTokens: input, outputTokens: output)
      } else {
        source = nil
      }
    case .synthetic: source = synthetic(reader)
    case .trace:
      let limit = 1e6
      let file = reader.requiredString("file")
      let spec = Traffic.TraceSpec(
        path: file.map(resolved) ?? "",
        speedup: reader.number("speedup", default: 1, in: 0...limit, open: true),
        smearSeconds: reader.number("smear_ms", default: 0, in: 0...limit * 1e3) / 1e3,
        blockTokens: reader.integer("block_tokens", default: 512, in: 1...65_536))
      source = file == nil ? nil : .trace(spec)
    }
    let isTrace = if case .trace = source { true } else { false }
    let arrivals = arrivals(reader, isTrace: isTrace)
    guard let source, let arrivals else { return nil }
    return Traffic(source: source, arrivals: arrivals)
  }

  private func synthetic(_ reader: ObjectReader) -> Traffic.Source? {
    let range = 1...Double(Self.tokenLimit)
    let spread = 0...Double(Self.tokenLimit)
    let input = reader.requiredNumber("input_tokens", in: range)
    let output = reader.requiredNumber("output_tokens", in: range)
    let unique = reader.requiredNumber("unique_tokens", in: range)
    let spec = Traffic.SyntheticSpec(
      inputTokens: input ?? 1,
      inputTokensDeviation: reader.number("input_tokens_std", default: 0, in: spread),
      outputTokens: output ?? 1,
      outputTokensDeviation: reader.number("output_tokens_std", default: 0, in: spread),
      uniqueTokens: unique ?? 1,
      uniqueTokensDeviation: reader.number("unique_tokens_std", default: 0, in: spread),
      prefixGroups: reader.integer("prefix_groups", default: 1, in: 1...Self.countLimit),
      blockTokens: reader.integer("block_tokens", default: 16, in: 1...65_536))
    guard let input, output != nil, let unique else { return nil }
    if unique > input {
      reader.report("unique_tokens", "is more than input_tokens; at most \(Int(input)) are allowed")
    }
    return .synthetic(spec)
  }

  private func arrivals(_ traffic: ObjectReader, isTrace: Bool) -> Traffic.Arrivals? {
    guard traffic.has("arrivals") else {
      _ = traffic.node("arrivals")
      if isTrace { return .recorded }
      traffic.report("arrivals", "is missing; e.g. {\"process\": \"poisson\", \"rate_rps\": 1}")
      return nil
    }
    let reader = traffic.object("arrivals")
    defer { reader.finish() }
    switch reader.requiredChoice("process", of: ArrivalKind.self) {
    case nil: return nil
    case .poisson: return rate(reader).map { .poisson(ratePerSecond: $0) }
    case .deterministic: return rate(reader).map { .deterministic(ratePerSecond: $0) }
    case .gamma:
      let burstiness = reader.number("burstiness", default: 1, in: 0...1e6, open: true)
      return rate(reader).map { .gamma(ratePerSecond: $0, burstiness: burstiness) }
    case .closedLoop:
      return reader.requiredInteger("concurrency", in: 1...Self.countLimit)
        .map { .closedLoop(concurrency: $0) }
    case .recorded:
      if isTrace { return .recorded }
      reader.report("process", "only a trace has recorded arrivals; choose poisson or another")
      return nil
    }
  }

  private func rate(_ reader: ObjectReader) -> Double? {
    reader.requiredNumber("rate_rps", in: 0...1e6, open: true)
  }

  private func stop(_ reader: ObjectReader, traffic: Traffic?) -> StopRule {
    defer { reader.finish() }
    let requests = reader.optionalInteger("requests", in: 1...Self.countLimit)
    let isTrace = if case .trace? = traffic?.source { true } else { false }
    if requests == nil, !isTrace, !reader.has("requests") {
      reader.report("requests", "is missing; only a trace ends by itself")
    }
    let warmup = reader.integer("warmup_requests", default: 0, in: 0...Self.countLimit)
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
