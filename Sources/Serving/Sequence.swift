// A request on one engine: what the scheduler knows of it.

import EventKernel

/// A request's life on one engine. A disaggregated request has two, one for each side.
struct Sequence {
  enum Status: UInt8 {
    /// Not given to any engine.
    case idle
    /// In the waiting queue, its cached prefix not looked up yet.
    case waiting
    /// In the waiting queue, lookup under way.
    case preparing
    /// In the waiting queue, may be admitted.
    case prepared
    /// Admitted: GPU blocks allocated, KV on its way in; not in any batch.
    case loading
    case running
    /// Out of the batch, GPU blocks held until the connector releases them.
    case held
    case finished
  }

  var status = Status.idle
  var engine: Int32 = -1
  /// Prompt plus generated tokens; grows by one with each sampled token.
  var tokens = 0
  /// Tokens whose KV is in GPU memory.
  var computed = 0
  /// GPU KV blocks it uses, shared ones included.
  var blocks = 0
  /// Tokens at its head that it need not compute: the connector brings them in, or they are in the
  /// engine's prefix cache. Valid once prepared.
  var cached = 0
  /// Whether KV comes in through the connector before it may run; cleared by preemption.
  var loads = false
  var enqueued = SimTime.zero
  /// When it last began to wait for its load.
  var loadStarted = SimTime.zero
  /// When its previous token was sampled.
  var lastToken = SimTime.zero
  /// Tokens sampled so far that reached the client.
  var emitted = 0
}

/// Which of a request's two sequences is meant.
enum Side: Int {
  case prefill = 0
  case decode = 1
}

/// Index of a sequence in the core's slab: two for each request.
struct SequenceID: Hashable {
  var index: Int32

  init(request: Int, side: Side) { index = Int32(2 * request + side.rawValue) }

  var request: Int { Int(index >> 1) }
  var side: Side { index & 1 == 0 ? .prefill : .decode }
}
