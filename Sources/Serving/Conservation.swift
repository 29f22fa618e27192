// Laws that a correct run cannot break; a broken one is an internal error, never a result.

import EventKernel

/// Checks of a finished run.
enum Conservation {
  /// Broken laws in words.
  static func violations(in core: inout ServingCore) -> [String] {
    var found: [String] = []
    let unfinished = core.totals.unfinished
    if unfinished > 0 {
      found.append(
        "\(unfinished) requests neither completed nor failed when nothing was left to do")
    }
    for (index, engine) in core.engines.enumerated() where engine.freeBlocks != engine.totalBlocks {
      found.append(
        "worker \(index) ends with \(engine.totalBlocks - engine.freeBlocks) KV blocks taken")
    }
    if core.network.activeFlows > 0 {
      found.append("\(core.network.activeFlows) flows never end")
    }
    found += bytes(in: core)
    found += links(in: &core)
    // Little's law: L = lambda W, to the picosecond and over all requests.
    if core.presence.area != core.totals.residence {
      found.append(
        "Little's law: \(core.presence.area) ps in the system, requests count "
          + "\(core.totals.residence) ps")
    }
    return found
  }

  /// Bytes handed over and loaded are those that hits and prompts imply.
  private static func bytes(in core: borrowing ServingCore) -> [String] {
    var found: [String] = []
    // What attempts that were given up had moved is in no record.
    let moved = zip(core.bytesByKind, core.faults.lostBytes).map { $0 - $1 }
    let handed = moved[TransferKind.handOver.rawValue] + moved[TransferKind.decodeLoad.rawValue]
    let recorded = core.totals.handedOverBytes
    if handed != recorded {
      found.append("\(handed) bytes reached decode, requests count \(recorded)")
    }
    if handed > 0, let record = core.totals.firstUneven {
      let expected = record.inputTokens * core.kvBytesPerToken
      found.append(
        "\(core.totals.unevenHandOvers) requests handed over too much or too little, the first "
          + "(\(record.id)) \(record.handedOverBytes) bytes and not \(expected)")
    }
    let loaded = moved[TransferKind.prefillLoad.rawValue]
    let hits = core.totals.cachedTokens
    // An ideal cache and one in GPU memory move nothing.
    if core.system.base != .ideal, core.system.base != .aggregated,
      loaded != hits * core.kvBytesPerToken
    {
      found.append("\(loaded) bytes loaded for \(hits) cached tokens")
    }
    return found
  }

  /// No link has carried more than its capacity allows.
  private static func links(in core: inout ServingCore) -> [String] {
    var found: [String] = []
    for id in core.network.resourceIDs {
      let bytes = core.network.bytesMoved(over: id, at: core.now)
      let limit = core.network.bytesOffered(by: id, at: core.now)
      if bytes > limit * (1 + 1e-9) + 1 {
        found.append("\(core.network.name(of: id)) carried \(bytes) bytes of at most \(limit)")
      }
    }
    for (index, engine) in core.engines.enumerated() where engine.busy > core.now - .zero {
      found.append("worker \(index) was busy longer than the run")
    }
    return found
  }
}
