// What one simulated run of one system leaves behind: facts, not statistics.

import EventKernel
import Workload

/// The life of one request; instants that were never reached are nil.
public struct RequestRecord: Sendable {
  /// Index in order of arrival.
  public var id: Int
  public var arrival: SimTime
  public var inputTokens: Int
  public var outputTokens: Int
  public var outcome: Outcome
  /// Input tokens taken from a cache instead of being computed.
  public var cachedTokens: Int = 0
  public var prefillWorker: Int = -1
  public var decodeWorker: Int = -1
  /// First scheduled by the prefill (or aggregated) engine.
  public var prefillScheduled: SimTime?
  /// Last prompt token computed on the prefill side.
  public var prefillDone: SimTime?
  /// GPU blocks of the prefill side freed.
  public var prefillReleased: SimTime?
  /// Given decode-side GPU blocks.
  public var decodeScheduled: SimTime?
  public var firstToken: SimTime?
  public var finished: SimTime?
  public var prefill = Breakdown()
  public var decode = Breakdown()
  public var preemptions: Int = 0
  /// Times it was begun anew because a fault had taken its KV or its worker. All else here is of
  /// the last attempt.
  public var recomputations: Int = 0
  /// KV bytes that crossed from prefill to decode for this request.
  public var handedOverBytes: Int = 0

  public enum Outcome: Hashable, Sendable {
    case completed
    case failed(reason: String)
  }

  public init(id: Int, arrival: SimTime, inputTokens: Int, outputTokens: Int) {
    self.id = id
    self.arrival = arrival
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
    self.outcome = .failed(reason: "unfinished")
  }
}

/// Where a request's time went on one side, in the paper's four terms.
public struct Breakdown: Hashable, Sendable {
  /// Waiting in the scheduler for resources.
  public var scheduling = SimDuration.zero
  /// Transfer of cached (prefill) or prompt (decode) blocks into the GPU.
  public var kvRead = SimDuration.zero
  /// GPU time of the steps the request took part in.
  public var compute = SimDuration.zero
  /// Publishing or sending new blocks, until GPU memory is freed.
  public var kvWrite = SimDuration.zero

  public init() {}
}

/// How much one resource did.
public struct ResourceUse: Sendable {
  public var name: String
  /// Bytes moved (links), or nil for engines.
  public var bytes: Double?
  /// Share of capacity × time used, 0…1.
  public var utilisation: Double

  public init(name: String, bytes: Double?, utilisation: Double) {
    self.name = name
    self.bytes = bytes
    self.utilisation = utilisation
  }
}

/// Bytes moved for one purpose, e.g. `prefill_to_decode` or `cache_read`.
public struct PathBytes: Hashable, Sendable {
  public var path: String
  public var bytes: Int

  public init(path: String, bytes: Int) {
    self.path = path
    self.bytes = bytes
  }
}

/// The store's own counters over a run, times in seconds.
public struct StoreUse: Hashable, Sendable {
  public var lockAcquisitions = 0
  /// Polls of grant lines; each waiter polls until its set is granted.
  public var lockPolls = 0
  /// Prefix lookups.
  public var lookups = 0
  /// From a prefix lookup's start until its blocks are pinned.
  public var lookupSecondsTotal = 0.0
  public var lookupSecondsMax = 0.0
  /// Batches of blocks reserved, and their time: space, locks and index entries.
  public var reservations = 0
  public var reserveSecondsTotal = 0.0
  public var reserveSecondsMax = 0.0
  /// Lines that nodes fetched from the pool, and wrote to it.
  public var lineReads = 0
  public var lineWrites = 0
  public var blocksHit = 0
  public var blocksPublished = 0
  public var evictions = 0
  public var allocationFailures = 0
  /// Tokens that another request published between this one's lookup and its write.
  public var deduplicatedTokens = 0
  public var pinsAtEnd = 0

  public init() {}
}

/// One row of the utilisation-over-time series.
public struct SeriesRow: Sendable {
  public var seconds: Double
  /// Aligned with `RunResult.seriesColumns`.
  public var values: [Double]

  public init(seconds: Double, values: [Double]) {
    self.seconds = seconds
    self.values = values
  }
}

/// One system's run.
public struct RunResult: Sendable {
  public var system: SystemSpec
  /// In order of their numbers, unless somebody took them while the run went on.
  public var requests: [RequestRecord] = []
  public var presence: Presence
  /// Pooled inter-token latencies, picoseconds.
  public var tokenGaps: SampleRuns
  /// The instant the last request ended.
  public var end: SimTime
  public var resources: [ResourceUse]
  public var bytes: [PathBytes]
  public var energy: EnergyUse
  public var store: StoreUse?
  /// What faults cost; nil if none were planned.
  public var faults: FaultUse?
  public var seriesColumns: [String]
  public var series: [SeriesRow]
  /// Events handled.
  public var events: Int
  /// Steps that the engines have gone through, and how many of these were events of their own: a run of
  /// steps that nothing comes between is one.
  public var steps: Int
  public var stepEvents: Int
  /// Broken conservation laws; empty in a correct simulator.
  public var violations: [String]
}
