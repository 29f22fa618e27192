// The `systems` part of a workload file: which mechanisms each base has, and their defaults.

import JSONText
import Rack

extension SystemKind {
  /// Parameters a system of this kind understands, beside `base` and `name`.
  public var parameters: [String] {
    switch self {
    case .aggregated: ["hbm_prefix_cache"]
    case .ideal: ["block_tokens"]
    case .nixl: ["block_tokens", "launch_ms", "hold_until_sent"]
    case .lmcache:
      [
        "block_tokens", "transfer_tokens", "cache_gib", "launch_ms", "copy_method",
        "copy_launch_us", "copy_call_us", "synchronous_load", "synchronous_save",
        "hold_until_sent", "layerwise",
      ]
    case .mooncake:
      [
        "block_tokens", "transfer_tokens", "cache_gib", "launch_ms", "copy_method",
        "copy_launch_us", "copy_call_us", "transfer_engine", "synchronous_save",
        "hold_until_sent", "rpc_us", "rpc_key_us", "rpc_threads", "placement", "read_lease_ms",
        "eviction_ratio", "high_watermark",
      ]
    case .beluga:
      [
        "block_tokens", "transfer_tokens", "cache_gib", "copy_method", "copy_launch_us",
        "copy_call_us", "synchronous_load", "synchronous_save", "hold_until_sent", "layerwise",
        "rpc_us", "rpc_key_us", "rpc_threads",
      ]
    case .tract, .tractNoCache:
      [
        "block_tokens", "cache_gib", "copy_method", "copy_launch_us", "copy_call_us",
        "synchronous_load", "synchronous_save", "hold_until_sent", "layerwise",
        "write_batch_blocks", "ready_wait", "poll_us", "lease_ms",
      ]
    }
  }
}

extension WorkloadDecoder {
  func systems(_ root: ObjectReader, capacity rack: RackSpec?) -> [SystemSpec] {
    guard let node = root.node("systems") else {
      root.report("systems", "is missing; e.g. [\"nixl\", \"tract\"]")
      return []
    }
    guard case .array(let elements) = node.value, !elements.isEmpty else {
      root.report("systems", "expected an array of at least one system, found \(node.value.kind)")
      return []
    }
    var systems: [SystemSpec] = []
    for (index, element) in elements.enumerated() {
      let path = "$.systems[\(index)]"
      guard let system = system(element, path: path, rack: rack) else { continue }
      if systems.contains(where: { $0.name == system.name }) {
        log.add(
          line: element.line, path: path,
          "a system named \"\(system.name)\" stands there already; give this one another \"name\"")
      }
      systems.append(system)
    }
    return systems
  }

  private func system(_ node: JSONNode, path: String, rack: RackSpec?) -> SystemSpec? {
    if case .string(let name) = node.value {
      guard let base = SystemKind(rawValue: name) else {
        unknownBase(node, path, name)
        return nil
      }
      return defaults(base, name: name)
    }
    let reader = ObjectReader(node, path: path, line: node.line, log: log)
    guard let baseName = reader.requiredString("base") else {
      reader.finish()
      return nil
    }
    guard let base = SystemKind(rawValue: baseName) else {
      unknownBase(node, "\(path).base", baseName)
      return nil
    }
    var system = defaults(base, name: reader.string("name", default: baseName))
    for key in base.parameters { read(key, reader, &system) }
    if !reader.has("transfer_tokens") { system.transferTokens = system.blockTokens }
    reader.finish()
    check(system, reader, rack)
    return system
  }

  private func unknownBase(_ node: JSONNode, _ path: String, _ name: String) {
    let bases = SystemKind.allCases.map(\.rawValue).joined(separator: ", ")
    log.add(line: node.line, path: path, "unknown system \"\(name)\"; there are \(bases)")
  }

  /// A system as its base defines it.
  ///
  /// LMCache's vLLM connector waits for loads before the step that needs them; saves go to a
  /// background thread. TraCT's paper does not say; its loads are taken as asynchronous. Both
  /// choices are assumed and can be switched. Blocks are of 64 tokens everywhere, so that systems
  /// compare; LMCache's own default are chunks of 256.
  func defaults(_ base: SystemKind, name: String) -> SystemSpec {
    let calls = base == .mooncake ? "mooncake" : "beluga"
    return SystemSpec(
      name: name, base: base, blockTokens: 64, transferTokens: 64, cacheBytes: 48 << 30,
      launchSeconds: catalogue.software(base == .mooncake ? "mooncake_vllm_launch" : "nixl_launch"),
      transferEngine: base == .mooncake ? catalogue.transferEngine("mooncake-te") : nil,
      copy: GPUCopySpec(
        method: .kernel, launchSeconds: catalogue.software("gpu_copy_launch"),
        callSeconds: catalogue.software("gpu_copy_call")),
      synchronousLoad: base == .lmcache, synchronousSave: false, holdUntilSent: true,
      layerwise: false, hbmPrefixCache: false,
      writeBatchBlocks: Int(catalogue.software("write_batch")), readyWait: .block,
      pollSeconds: catalogue.software("store_poll"),
      leaseSeconds: catalogue.software("store_lease"),
      rpcSeconds: catalogue.software("\(calls)_rpc"),
      rpcKeySeconds: catalogue.software("\(calls)_rpc_key"),
      rpcThreads: Int(catalogue.software("\(calls)_rpc_threads")), placement: .local,
      readLeaseSeconds: catalogue.software("mooncake_read_lease"),
      evictionRatio: catalogue.software("mooncake_eviction_ratio"),
      highWatermark: catalogue.software("mooncake_high_watermark"))
  }

  private func read(_ key: String, _ reader: ObjectReader, _ system: inout SystemSpec) {
    switch key {
    case "block_tokens":
      system.blockTokens = reader.integer(key, default: system.blockTokens, in: 1...65_536)
    case "transfer_tokens":
      system.transferTokens = reader.integer(key, default: system.transferTokens, in: 1...65_536)
    case "transfer_engine":
      let name = reader.string(key, default: "mooncake-te")
      system.transferEngine = catalogue.transferEngine(name)
      if system.transferEngine == nil {
        let names = catalogue.names(in: .transferEngine).joined(separator: ", ")
        reader.report(key, "unknown name \"\(name)\"; the catalogue has \(names)")
      }
    case "placement": system.placement = reader.choice(key, default: system.placement)
    case "rpc_us":
      system.rpcSeconds =
        reader.number(key, default: system.rpcSeconds * 1e6, in: 0...1e9) / 1e6
    case "rpc_key_us":
      system.rpcKeySeconds =
        reader.number(key, default: system.rpcKeySeconds * 1e6, in: 0...1e9) / 1e6
    case "rpc_threads":
      system.rpcThreads = reader.integer(key, default: system.rpcThreads, in: 1...1024)
    case "read_lease_ms":
      system.readLeaseSeconds =
        reader.number(key, default: system.readLeaseSeconds * 1e3, in: 0...1e9) / 1e3
    case "eviction_ratio":
      system.evictionRatio = reader.number(
        key, default: system.evictionRatio, in: 0...1, open: true)
    case "high_watermark":
      system.highWatermark = reader.number(key, default: system.highWatermark, in: 0...1)
    case "cache_gib":
      if let gib = reader.optionalNumber(key, in: 0...1e6, open: true) {
        system.cacheBytes = Int((gib * 1_073_741_824).rounded())
      }
    case "launch_ms":
      system.launchSeconds =
        reader.number(key, default: system.launchSeconds * 1e3, in: 0...1e6) / 1e3
    case "copy_launch_us":
      system.copy.launchSeconds =
        reader.number(key, default: system.copy.launchSeconds * 1e6, in: 0...1e9) / 1e6
    case "copy_call_us":
      system.copy.callSeconds =
        reader.number(key, default: system.copy.callSeconds * 1e6, in: 0...1e9) / 1e6
    case "copy_method":
      system.copy.method = reader.choice(key, default: system.copy.method)
    case "poll_us":
      system.pollSeconds =
        reader.number(key, default: system.pollSeconds * 1e6, in: 0...1e9, open: true) / 1e6
    case "lease_ms":
      system.leaseSeconds =
        reader.number(key, default: system.leaseSeconds * 1e3, in: 1...1e9) / 1e3
    case "write_batch_blocks":
      system.writeBatchBlocks =
        reader.integer(key, default: system.writeBatchBlocks, in: 1...1_000_000)
    case "ready_wait": system.readyWait = reader.choice(key, default: system.readyWait)
    case "synchronous_load":
      system.synchronousLoad = reader.bool(key, default: system.synchronousLoad)
    case "synchronous_save":
      system.synchronousSave = reader.bool(key, default: system.synchronousSave)
    case "hold_until_sent":
      system.holdUntilSent = reader.bool(key, default: system.holdUntilSent)
    case "hbm_prefix_cache":
      system.hbmPrefixCache = reader.bool(key, default: system.hbmPrefixCache)
    case "layerwise": system.layerwise = reader.bool(key, default: system.layerwise)
    default: preconditionFailure("the parameter \(key) has no reader")
    }
  }

  private func check(_ system: SystemSpec, _ reader: ObjectReader, _ rack: RackSpec?) {
    if system.base.parameters.contains("rpc_us"), system.rpcKeySeconds > system.rpcSeconds {
      reader.report(
        "rpc_key_us", "is more than rpc_us, the round trip it is a part of; at most that is allowed"
      )
    }
    guard let rack else { return }
    let limit: (Int, String)? =
      switch system.base {
      case .lmcache, .mooncake: (rack.dram.capacityBytes, "the host's DRAM")
      case .beluga, .tract, .tractNoCache: (rack.cxl.capacityBytes, "the CXL pool")
      default: nil
      }
    if let (bytes, what) = limit, system.cacheBytes > bytes {
      reader.report(
        "cache_gib",
        "\(system.cacheBytes >> 30) GiB is more than \(what) holds (\(bytes >> 30) GiB)")
    }
  }
}
