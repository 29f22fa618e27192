// A workload as resolved: every default filled in, every catalogue name replaced by numbers.

import Rack

/// One validated workload file, ready to run.
public struct Workload: Sendable {
  /// Where it was read from, for messages.
  public var file: String
  public var name: String
  public var seed: UInt64
  public var model: ModelSpec
  public var weightFormat: NumberFormat
  public var kvFormat: NumberFormat
  public var rack: RackSpec
  public var engine: EngineSpec
  public var systems: [SystemSpec]
  /// Name of the system that ratios refer to; one of `systems`.
  public var baseline: String
  public var router: RouterKind
  /// Matters to the router `kv_aware` only.
  public var kvRouter: KVRouterSpec
  public var traffic: Traffic
  public var stop: StopRule
  /// Interval of the utilisation series, seconds.
  public var seriesIntervalSeconds: Double
  public var slo: ServiceLevel?
  /// What goes wrong; empty for most.
  public var faults: [Fault]
  /// What its rack costs; nil if the file does not say.
  public var prices: Prices?

  /// Bytes of KV per token over all layers and ranks.
  public var kvBytesPerToken: Int { model.kvBytesPerToken(elementBytes: kvFormat.bytes) }
}

/// The engine's scheduler settings, named as vLLM names them.
public struct EngineSpec: Hashable, Sendable {
  /// Tokens per KV block (vLLM `block_size`).
  public var blockTokens: Int
  /// Token budget of one step (vLLM `max_num_batched_tokens`).
  public var maxBatchedTokens: Int
  /// Sequences in one batch (vLLM `max_num_seqs`).
  public var maxSequences: Int
  /// Share of GPU memory for weights, activations and KV (vLLM `gpu_memory_utilization`).
  public var gpuMemoryUtilization: Double
  /// Share of KV blocks kept free when a request is admitted beside others (vLLM `watermark`).
  public var watermark: Double
  /// Fixed time of every step beside the kernels, seconds.
  public var stepOverheadSeconds: Double
  /// Time from arrival to the engine's queue: tokenisation, HTTP, routing, seconds.
  public var frontendSeconds: Double
}

/// How requests are given to workers.
public enum RouterKind: String, CaseIterable, Sendable {
  case random
  case roundRobin = "round_robin"
  case leastLoaded = "least_loaded"
  case sessionAffinity = "session_affinity"
  case kvAware = "kv_aware"
}

/// How the router `kv_aware` weighs prefixes against load.
public struct KVRouterSpec: Hashable, Sendable {
  /// Weight of a block to be computed against a block in use.
  public var overlapWeight: Double
  /// Softmax temperature; 0 takes the cheapest worker.
  public var temperature: Double
  /// How long the router believes that a worker has a prefix that was sent there, seconds.
  public var memorySeconds: Double

  public init(overlapWeight: Double, temperature: Double, memorySeconds: Double) {
    self.overlapWeight = overlapWeight
    self.temperature = temperature
    self.memorySeconds = memorySeconds
  }
}

/// The systems that can be compared; `SystemSpec.base` picks one.
public enum SystemKind: String, CaseIterable, Sendable {
  case aggregated, nixl, lmcache, mooncake, beluga
  case tractNoCache = "tract-nocache"
  case tract, ideal

  /// Whether its KV lies in the rack's CXL memory.
  public var usesSharedMemory: Bool {
    switch self {
    case .beluga, .tractNoCache, .tract: true
    case .aggregated, .nixl, .lmcache, .mooncake, .ideal: false
    }
  }
}

/// One system under comparison: a connector and its mechanisms, each switchable.
public struct SystemSpec: Hashable, Sendable {
  public var name: String
  public var base: SystemKind
  /// Tokens per transferred and cached block; a multiple of the engine's block is not required.
  public var blockTokens: Int
  /// Tokens whose keys or values of a layer move as one piece: one RDMA descriptor, one DMA copy.
  public var transferTokens: Int
  /// Capacity of the prefix cache, bytes: per node for `lmcache` and `mooncake`, for the rack for
  /// `tract` and `beluga`.
  public var cacheBytes: Int
  /// Time to launch one RDMA transfer request, seconds (nixl, lmcache, mooncake).
  public var launchSeconds: Double
  /// The law of the system's own transfer engine; nil takes the rack's (mooncake).
  public var transferEngine: TransferEngineSpec?
  /// How blocks are copied between GPU and host or CXL memory.
  public var copy: GPUCopySpec
  /// Whether the engine stalls while cached blocks are loaded into the GPU.
  public var synchronousLoad: Bool
  /// Whether the engine stalls while new blocks are saved.
  public var synchronousSave: Bool
  /// Whether GPU blocks stay allocated on the prefill side until the last byte has left.
  public var holdUntilSent: Bool
  /// Whether a step computes its first layers while synchronous loads bring the later ones.
  public var layerwise: Bool
  /// Whether the engine keeps full prompt blocks in GPU memory that nobody needs otherwise
  /// (aggregated; vLLM's automatic prefix caching).
  public var hbmPrefixCache: Bool
  /// Blocks published together after one KV write (tract).
  public var writeBatchBlocks: Int
  /// What decode waits for before it reads (tract).
  public var readyWait: ReadyWait
  /// Interval between polls of a lock grant or of an entry awaited, seconds (tract).
  public var pollSeconds: Double
  /// Silence after which the store's lock manager takes a node, or a standby the manager, for
  /// dead, seconds (tract); matters with faults only.
  public var leaseSeconds: Double
  /// Round trip of a lone metadata call of one key, and the server's part of it, seconds (mooncake,
  /// beluga).
  public var rpcSeconds: Double
  public var rpcKeySeconds: Double
  /// Threads of the metadata server (mooncake, beluga).
  public var rpcThreads: Int
  /// Which host's DRAM takes a new block (mooncake).
  public var placement: Placement
  /// How long a lookup keeps a block from eviction, seconds (mooncake).
  public var readLeaseSeconds: Double
  /// Share of the blocks that one eviction takes, 0…1 (mooncake).
  public var evictionRatio: Double
  /// Share of the pool in use above which eviction begins, 0…1 (mooncake).
  public var highWatermark: Double
}

/// What decode waits for before it reads a prompt's blocks from shared memory.
public enum ReadyWait: String, CaseIterable, Sendable {
  /// Each block is read once it is READY, so that writes and reads of a prompt overlap.
  case block
  /// One read when all are. A pool must hold all prompts that are being written.
  case wholePrompt = "whole_prompt"
}

/// Which host's DRAM takes a new block of a pool.
public enum Placement: String, CaseIterable, Sendable {
  /// The writer's own while it has space, then any.
  case local
  case random
}

/// What arrives.
public struct Traffic: Sendable {
  public var source: Source
  public var arrivals: Arrivals

  public enum Source: Sendable {
    /// Every request alike; no two share a prefix.
    case fixed(inputTokens: Int, outputTokens: Int)
    case synthetic(SyntheticSpec)
    case trace(TraceSpec)
    case sessions(SessionSpec)
  }

  /// Lengths drawn from normal distributions, prompts from prefix groups.
  public struct SyntheticSpec: Hashable, Sendable {
    public var inputTokens: Double
    public var inputTokensDeviation: Double
    public var outputTokens: Double
    public var outputTokensDeviation: Double
    /// Tokens at the end of a prompt that no other prompt shares.
    public var uniqueTokens: Double
    public var uniqueTokensDeviation: Double
    /// Number of shared prefixes; each prompt continues one, chosen uniformly.
    public var prefixGroups: Int
    /// Granularity at which prompts are identified, tokens.
    public var blockTokens: Int
  }

  public struct TraceSpec: Hashable, Sendable {
    public var path: String
    public var format: TraceFormat
    /// Divides recorded time gaps between requests, or sessions that wait for their answers.
    public var speedup: Double
    /// Recorded times are spread uniformly over this span, seconds; 0 keeps them.
    public var smearSeconds: Double
    /// Tokens per `hash_ids` entry; nil takes the format's or the file's.
    public var blockTokens: Int?
    /// The part of the trace that counts, seconds from its first request; nil goes to its end.
    public var fromSeconds: Double
    public var toSeconds: Double?
    /// The first sessions that count; nil for all.
    public var sessions: Int?

    public init(
      path: String, format: TraceFormat = .auto, speedup: Double = 1, smearSeconds: Double = 0,
      blockTokens: Int? = nil, fromSeconds: Double = 0, toSeconds: Double? = nil,
      sessions: Int? = nil
    ) {
      self.path = path
      self.format = format
      self.speedup = speedup
      self.smearSeconds = smearSeconds
      self.blockTokens = blockTokens
      self.fromSeconds = fromSeconds
      self.toSeconds = toSeconds
      self.sessions = sessions
    }
  }

  /// Conversations drawn from a model.
  public struct SessionSpec: Hashable, Sendable {
    public var model: SessionModel
    /// Divides the model's time gaps.
    public var speedup: Double

    public init(model: SessionModel, speedup: Double) {
      self.model = model
      self.speedup = speedup
    }
  }

  public enum Arrivals: Hashable, Sendable {
    case poisson(ratePerSecond: Double)
    /// Gamma renewal process; burstiness is the shape, 1 is Poisson, below 1 burstier.
    case gamma(ratePerSecond: Double, burstiness: Double)
    case deterministic(ratePerSecond: Double)
    /// This many users, each with one request at a time and a pause before it, seconds on average.
    case closedLoop(concurrency: Int, thinkSeconds: Double)
    /// As the trace recorded them; rows that record a delay follow the end of the row before.
    case recorded
    /// Sessions whose turns follow one another's ends.
    case sessions(SessionArrivals)
  }

  /// When sessions begin and how long users think; both as recorded where nothing is said.
  public struct SessionArrivals: Hashable, Sendable {
    /// Sessions at a time, the next as one ends.
    public var concurrency: Int?
    /// Sessions a second, as a Poisson process.
    public var ratePerSecond: Double?
    /// Mean of the exponential pause before a turn, seconds.
    public var thinkSeconds: Double?

    /// Whether sessions begin when the trace says.
    var hasRecordedStarts: Bool { concurrency == nil && ratePerSecond == nil }

    public init(concurrency: Int? = nil, ratePerSecond: Double? = nil, thinkSeconds: Double? = nil)
    {
      self.concurrency = concurrency
      self.ratePerSecond = ratePerSecond
      self.thinkSeconds = thinkSeconds
    }
  }
}

/// When a run ends and which requests count.
public struct StopRule: Hashable, Sendable {
  /// Requests offered; nil offers the whole trace.
  public var requests: Int?
  /// The first requests by arrival, left out of every metric.
  public var warmupRequests: Int
}

/// Bounds a request must meet to count towards goodput.
public struct ServiceLevel: Hashable, Sendable {
  public var ttftSeconds: Double?
  public var tpotSeconds: Double?
  public var e2eSeconds: Double?

  /// Whether nothing is bounded.
  public var isEmpty: Bool { ttftSeconds == nil && tpotSeconds == nil && e2eSeconds == nil }
}
