// Faults as they happen: workers that are gone, links that change, and what it all costs.

import EventKernel
import Rack
import Workload

/// What the faults of a run cost.
public struct FaultUse: Hashable, Sendable {
  /// Requests that failed because no worker of a role was up.
  public var requestsFailed = 0
  /// Tokens whose KV was computed and then lost with a GPU or an attempt.
  public var tokensLost = 0
  /// Bytes moved for nothing: transfers cut short, and those of attempts that were given up.
  public var bytesLost = 0.0
  /// From each crash of a node until its traces in the store were cleared away, seconds.
  public var recoverySeconds: [Double] = []
  /// Nodes that the lock manager declared dead.
  public var fences = 0
  /// Times that a standby took over from the lock manager.
  public var managerChanges = 0
  /// Store operations that took longer than an eighth of a lease: they waited for the dead.
  public var stalledOperations = 0
  /// The longest store operation, seconds.
  public var longestOperationSeconds = 0.0

  public init() {}
}

/// The state of a run's faults.
struct FaultState: ~Copyable {
  /// A request that cannot go on as it is.
  struct Casualty {
    var request: Int
    var attempt: Int32
    /// Why it fails; nil if it begins anew.
    var reason: String?
  }

  let faults: [Fault]
  var use = FaultUse()
  /// Which faults of links are under way.
  var isActive: [Bool]
  /// The crash that keeps a worker down.
  var downBy: [Int?]
  /// Times each request has been begun anew or given up.
  var attempts = RequestTable<Int32>(0)
  /// Bytes of completed transfers by request and kind, of the present attempt.
  var attemptBytes = RequestTable(0)
  /// The same of attempts that were given up, by kind.
  var lostBytes = [Int](repeating: 0, count: TransferKind.allCases.count)
  /// Bytes of transfers that were cut short although their request went on, by kind.
  var cutBytes = [Int](repeating: 0, count: TransferKind.allCases.count)
  /// To be dealt with once the current event is handled.
  var casualties: [Casualty] = []
  /// Multiplies the latency of line accesses.
  private(set) var cxlLatencyFactor = 1.0
  private var cxlDownUntil: [SimTime]

  var isPresent: Bool { !faults.isEmpty }

  init(_ faults: [Fault], workers: Int) {
    self.faults = faults
    isActive = Array(repeating: false, count: faults.count)
    downBy = Array(repeating: nil, count: workers)
    cxlDownUntil = Array(repeating: .zero, count: workers)
  }

  static func start(_ fault: Fault) -> SimTime { .zero + .seconds(fault.atSeconds) }

  /// When a processor's access to the pool gets through again; nil if it does now.
  func cxlStall(host: Int, at now: SimTime) -> SimTime? {
    cxlDownUntil[host] > now ? cxlDownUntil[host] : nil
  }

  /// When a host's network interface is up again; nil if it is now.
  func nicStall(host: Int, at now: SimTime) -> SimTime? {
    var end: SimTime?
    for (index, fault) in faults.enumerated() where isActive[index] {
      guard case .linkDown(.nic, let worker, let seconds) = fault.kind, worker == host else {
        continue
      }
      end = max(end ?? now, Self.start(fault) + .seconds(seconds))
    }
    return end
  }

  /// Whether a worker that is down will come back.
  func returns(_ worker: Int) -> Bool {
    guard let index = downBy[worker] else { return true }
    return faults[index].forSeconds != nil
  }

  /// The factor of every capacity, by resource; sets what processors see of the pool.
  mutating func linkFactors(_ fabric: Fabric, resources: Int) -> [Double] {
    var factors = Array(repeating: 1.0, count: resources)
    cxlLatencyFactor = 1
    for host in cxlDownUntil.indices { cxlDownUntil[host] = .zero }
    for (index, fault) in faults.enumerated() where isActive[index] {
      switch fault.kind {
      case .nodeCrash, .managerPause: break
      case .cxlDegradation(_, let latency, let bandwidth):
        cxlLatencyFactor *= latency
        for id in fabric.cxlDevices + fabric.hosts.flatMap({ [$0.adapterRead, $0.adapterWrite] }) {
          factors[Int(id.index)] *= bandwidth
        }
      case .linkDown(let link, let worker, let seconds):
        let end = Self.start(fault) + .seconds(seconds)
        let hosts = worker.map { $0..<$0 + 1 } ?? 0..<cxlDownUntil.count
        for id in fabric.resources(of: link, worker: worker) { factors[Int(id.index)] = 0 }
        guard link == .cxl || link == .cxlAdapter else { continue }
        for host in hosts { cxlDownUntil[host] = max(cxlDownUntil[host], end) }
      }
    }
    return factors
  }
}

extension Fabric {
  var cxlDevices: [FluidNetwork.ResourceID] {
    [cxlRead, cxlWrite, cxlDuplex, portRead, portWrite]
  }

  /// What a failed link takes away.
  func resources(of link: Fault.Link, worker: Int?) -> [FluidNetwork.ResourceID] {
    guard link != .cxl, let worker else { return cxlDevices }
    let host = hosts[worker]
    return switch link {
    case .cxl: cxlDevices
    case .cxlAdapter: [host.adapterRead, host.adapterWrite]
    case .nic: [host.nicTx, host.nicRx]
    case .pcie: [host.gpuToHost, host.hostToGPU, host.pcieDuplex]
    }
  }
}

extension ServingCore {
  /// Schedules the beginnings of all faults.
  mutating func scheduleFaults() {
    for (index, fault) in faults.faults.enumerated() {
      schedule(.fault(index: Int32(index), ends: false), at: FaultState.start(fault))
    }
  }

  /// A fault of a link begins or ends.
  mutating func setLinkFault(_ index: Int, active: Bool) {
    faults.isActive[index] = active
    let ids = network.resourceIDs
    let factors = faults.linkFactors(fabric, resources: ids.count)
    for id in ids {
      network.setCapacity(
        of: id, to: network.capacity(of: id) * factors[Int(id.index)], at: now)
    }
    noteNetworkChanged()
    noteProgress()
  }

  // MARK: Workers

  /// A worker stops: its queues, its batch and its GPU memory are gone.
  mutating func engineDown(_ worker: Int) {
    prefillRouter.forget(worker: worker)
    let old = engines[worker]
    var engine = Engine(replacing: old)
    engine.isUp = false
    engine.dirty = old.dirty
    engine.steps = old.steps
    // The step under way is cut short.
    engine.busy = old.busy(at: now)
    engine.energy = old.energy(at: now)
    if old.prefixCache != nil { engine.prefixCache = BlockPool(count: old.totalBlocks) }
    engines[worker] = engine
  }

  /// A worker is there again, with nothing in its memory.
  mutating func engineUp(_ worker: Int) {
    engines[worker].isUp = true
    faults.downBy[worker] = nil
    markDirty(worker)
  }

  // MARK: Requests

  func isLive(_ id: SequenceID) -> Bool {
    self[id].status != .idle && self[id].status != .finished
  }

  /// A request's present attempt comes to nothing: it holds nothing any more, anywhere, and its
  /// record begins anew. The connector has given up what it held beforehand.
  mutating func abandon(_ request: Int) {
    cancelTransfers(of: request)
    for side in [Side.prefill, .decode] {
      let id = SequenceID(request: request, side: side)
      guard isLive(id) else { continue }
      let engine = Int(self[id].engine)
      faults.use.tokensLost += self[id].computed
      if engines[engine].isUp {
        precondition(self[id].status != .running, "a running sequence needs nobody else")
        engines[engine].waiting.remove(id)
        retire(id)
      } else if engines[engine].prefixCache != nil {
        blockTables[Int(id.index)] = []
      }
      self[id] = Sequence()
    }
    for kind in TransferKind.allCases.indices {
      let place = request * TransferKind.allCases.count + kind
      faults.lostBytes[kind] += faults.attemptBytes[place]
      faults.use.bytesLost += Double(faults.attemptBytes[place])
      faults.attemptBytes[place] = 0
    }
    let old = records[request]
    records[request] = RequestRecord(
      id: old.id, arrival: old.arrival, inputTokens: old.inputTokens,
      outputTokens: old.outputTokens)
    records[request].preemptions = old.preemptions
    records[request].recomputations = old.recomputations
    faults.attempts[request] += 1
  }

  /// The prefill side is lost, and no longer needed.
  mutating func dropPrefill(_ request: Int) {
    cancelTransfers(of: request, only: .prefillSave)
    let id = SequenceID(request: request, side: .prefill)
    self[id].blocks = 0
    self[id].status = .finished
  }

  /// The request cannot go on: it begins anew, or fails for `reason`, after the current event.
  mutating func lose(_ request: Int, reason: String? = nil) {
    faults.casualties.append(
      FaultState.Casualty(
        request: request, attempt: faults.attempts[request], reason: reason))
  }

  /// Fails a request for which no worker is up.
  mutating func failWithoutWorker(_ request: Int, reason: String) {
    faults.use.requestsFailed += 1
    fail(request, reason: reason)
  }
}
