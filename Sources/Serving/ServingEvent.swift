// What can happen in a serving system; one enum, dispatched by a switch.

import EventKernel

/// An event of the serving model.
enum ServingEvent {
  /// A request reaches the first engine's queue.
  case arrival(request: Int32)
  /// The GPU work of the step under way has ended.
  case computeEnded(engine: Int32)
  /// A flow may have ended; stale unless `version` is the network's latest.
  case network(version: UInt32)
  /// A transfer's launch and latency are over: its bytes begin to flow.
  case launched(transfer: Int32)
  /// A store operation takes its next step.
  case store(process: Int32)
  /// A lock manager of the store takes its next step; stale unless `version` is its latest.
  case lockManager(seat: UInt8, version: UInt32)
  /// A node of the store gives its sign of life; stale unless it is still in that life.
  case tick(node: UInt16, life: Int32)
  /// A planned fault begins or ends.
  case fault(index: Int32, ends: Bool)
  /// A connector asked to be called again about a request.
  case retry(request: Int32)
  /// A row of the utilisation series is due.
  case sample
}

/// What a transfer is for.
enum TransferKind: Int, CaseIterable {
  /// Cached blocks into the prefill GPU.
  case prefillLoad
  /// New blocks out of the prefill GPU into a cache.
  case prefillSave
  /// The prompt's blocks from prefill to decode over the network.
  case handOver
  /// The prompt's blocks into the decode GPU from shared memory.
  case decodeLoad

  var label: String {
    switch self {
    case .prefillLoad: "cache_to_prefill"
    case .prefillSave: "prefill_to_cache"
    case .handOver: "prefill_to_decode"
    case .decodeLoad: "cache_to_decode"
    }
  }
}

/// A transfer from its launch to its last byte.
struct Transfer {
  var kind: TransferKind
  var request: Int32
  var bytes: Int
  /// When it was called for.
  var started: SimTime
  var path: [FluidNetwork.ResourceID]
  var weight: Double
  var cap: Double
  /// Once its bytes flow.
  var flow: FluidNetwork.FlowID?
  /// Called off before its bytes began to flow.
  var isCancelled = false
}
