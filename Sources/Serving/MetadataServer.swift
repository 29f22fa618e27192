// Calls to a central metadata server: the way there, its queue, the way back.

import EventKernel
import Rack
import TractStore
import Workload

/// A call under way.
struct MetadataCall {
  enum Purpose {
    case lookup
    case putStart
    case putEnd
    case get
    case release
  }

  var purpose: Purpose
  var request: Int
  /// The request's attempt that began it.
  var attempt: Int32
  /// The calling host.
  var host: Int
  var keys: [BlockHash]
  var sent: SimTime
  fileprivate var stage = Stage.underWay

  fileprivate enum Stage {
    case underWay
    case queued
    /// Served; neither answered nor finished.
    case served
    case answering
  }
}

/// A server on a host of its own that never fails (assumed), with first-in first-out threads.
///
/// A call of n keys is n small messages posted at once: it occupies one thread for n times the
/// time of a key, and its answer leaves when the last is served. A lone call of one key takes
/// `rpcSeconds`, of which `rpcKeySeconds` at the server and half of the rest on either way.
struct MetadataServer: ~Copyable {
  /// What carries the calls.
  enum Transport {
    /// Lines in CXL memory: slower as the caller's path is loaded, silent while it is down.
    case cxl
    /// The network, whose small messages do not wait for bulk data (assumed); silent while the
    /// caller's interface is down.
    case network
  }

  /// What has become of a call.
  enum Step {
    /// Its turn at the server: the server's state changes now; `answer` or `finish` must follow.
    case served(MetadataCall)
    /// The caller has the answer.
    case answered(MetadataCall)
    case underWay
  }

  private let transport: Transport
  private let keySeconds: SimDuration
  private let wayPicoseconds: Double
  private var server: FIFOServer
  private var calls = Slab<MetadataCall>()
  /// Lookups and put-starts answered, and the time they took; what else happened to the cache is its
  /// owner's to count.
  var use = StoreUse()

  init(_ transport: Transport, _ system: SystemSpec) {
    self.transport = transport
    keySeconds = .seconds(system.rpcKeySeconds)
    wayPicoseconds = (system.rpcSeconds - system.rpcKeySeconds) / 2 * 1e12
    server = FIFOServer(threads: system.rpcThreads)
  }

  mutating func call(
    _ purpose: MetadataCall.Purpose, _ keys: [BlockHash], request: Int, worker: Int,
    _ core: inout ServingCore
  ) {
    let host = core.engines[worker].host
    core.began(request)
    let slot = calls.add(
      MetadataCall(
        purpose: purpose, request: request, attempt: core.faults.attempts[request], host: host,
        keys: keys, sent: core.now))
    core.schedule(.store(process: Int32(slot)), at: arrival(host: host, &core))
  }

  /// When a small message that leaves now is at the other end.
  private func arrival(host: Int, _ core: inout ServingCore) -> SimTime {
    switch transport {
    case .cxl:
      let start = core.faults.cxlStall(host: host, at: core.now) ?? core.now
      let load = core.fabric.cxlLoad(host: host, in: &core.network)
      let factor =
        core.workload.rack.cxl.loadedLatency.factor(at: load) * core.faults.cxlLatencyFactor
      return start + .nearest(wayPicoseconds * factor)
    case .network:
      let start = core.faults.nicStall(host: host, at: core.now) ?? core.now
      return start + .nearest(wayPicoseconds)
    }
  }

  /// Moves a call on.
  mutating func step(_ slot: Int, _ core: inout ServingCore) -> Step {
    switch calls[slot].stage {
    case .underWay:
      calls[slot].stage = .queued
      let service = keySeconds * max(1, calls[slot].keys.count)
      core.schedule(
        .store(process: Int32(slot)), at: server.admit(service: service, at: core.now))
      return .underWay
    case .queued:
      calls[slot].stage = .served
      return .served(calls[slot])
    case .served: preconditionFailure("nobody has answered this call")
    case .answering:
      let call = calls[slot]
      calls[slot].keys = []
      calls.remove(slot)
      count(call, core)
      core.finished(call.request)
      return .answered(call)
    }
  }

  /// The caller does not wait for an answer.
  mutating func finish(_ slot: Int, _ core: inout ServingCore) {
    precondition(calls[slot].stage == .served)
    core.finished(calls[slot].request)
    calls[slot].keys = []
    calls.remove(slot)
  }

  /// The server answers.
  mutating func answer(_ slot: Int, _ core: inout ServingCore) {
    precondition(calls[slot].stage == .served)
    calls[slot].stage = .answering
    core.schedule(
      .store(process: Int32(slot)), at: arrival(host: calls[slot].host, &core))
  }

  private mutating func count(_ call: MetadataCall, _ core: borrowing ServingCore) {
    let seconds = (core.now - call.sent).seconds
    switch call.purpose {
    case .lookup:
      use.lookups += 1
      use.lookupSecondsTotal += seconds
      use.lookupSecondsMax = max(use.lookupSecondsMax, seconds)
    case .putStart:
      use.reservations += 1
      use.reserveSecondsTotal += seconds
      use.reserveSecondsMax = max(use.reserveSecondsMax, seconds)
    case .putEnd, .get, .release: break
    }
  }
}
