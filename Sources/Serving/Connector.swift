// The seam between engines and systems: how KV moves from prefill to decode and is reused.

import EventKernel

/// One system's way of moving and reusing KV; one file each in `Connectors/`.
///
/// The core calls a connector at the numbered points of a request's way; the connector answers,
/// at once or later, by calling the core's `prepared`, `loaded`, `handOver` and `releasePrefill`.
/// Conforming types are structs: the model is specialised for each.
protocol Connector: ~Copyable {
  /// Whether queued requests are looked up before they reach the head, since a lookup takes time.
  static var preparesAhead: Bool { get }
  /// Whether prefill and decode share an engine, so that no KV moves between them.
  static var aggregated: Bool { get }

  init(core: inout ServingCore)

  /// Why the system could never serve the request; nil if it could.
  func refusal(_ request: Int, _ core: borrowing ServingCore) -> String?
  /// Finds the request's cached prefix; answers with `core.prepared(request:cachedTokens:)`.
  mutating func prepare(_ request: Int, _ core: inout ServingCore)
  /// Brings the cached prefix into the prefill GPU; answers with `core.loaded`.
  mutating func loadPrefix(_ request: Int, _ core: inout ServingCore)
  /// The prompt is computed: save or send it; `core.handOver` starts the decode side,
  /// `core.releasePrefill` frees the prefill GPU's blocks.
  mutating func prefilled(_ request: Int, _ core: inout ServingCore)
  /// Brings the prompt's KV into the decode GPU; answers with `core.loaded`.
  mutating func fetch(_ request: Int, _ core: inout ServingCore)
  mutating func transferEnded(_ transfer: Transfer, _ core: inout ServingCore)
  /// The request has left its last engine.
  mutating func finished(_ request: Int, _ core: inout ServingCore)

  // Only connectors that run store operations are called with these.
  mutating func storeStep(process: Int, _ core: inout ServingCore)
  mutating func lockManagerStep(seat: Int, version: UInt32, _ core: inout ServingCore)
  mutating func tick(node: Int, life: Int, _ core: inout ServingCore)
  mutating func retry(_ request: Int, _ core: inout ServingCore)

  // Only runs with faults call these.
  /// A worker's host has stopped: its DRAM and its processes are gone. Its requests are aborted next.
  mutating func nodeDown(_ worker: Int, _ core: inout ServingCore)
  /// The host is up again; answers with `core.engineUp`.
  mutating func nodeUp(_ worker: Int, _ core: inout ServingCore)
  /// The request's present attempt comes to nothing: gives up what it holds on hosts that are up.
  mutating func abort(_ request: Int, _ core: inout ServingCore)
  /// The prefill side of a request that decode has all KV of is lost.
  mutating func prefillLost(_ request: Int, _ core: inout ServingCore)
  /// The lock manager, if there is one, does nothing until then.
  mutating func pauseManager(until end: SimTime, _ core: inout ServingCore)

  /// Nothing will be asked or told about earlier requests any more.
  mutating func forget(before request: Int)

  /// Ends the run: the store's figures, and what is wrong with its final state.
  mutating func close(_ core: inout ServingCore) -> (StoreUse?, [String])
}

extension Connector where Self: ~Copyable {
  static var preparesAhead: Bool { false }
  static var aggregated: Bool { false }

  func refusal(_ request: Int, _ core: borrowing ServingCore) -> String? { nil }
  mutating func loadPrefix(_ request: Int, _ core: inout ServingCore) {
    core.loaded(SequenceID(request: request, side: .prefill))
  }
  mutating func finished(_ request: Int, _ core: inout ServingCore) {}
  mutating func storeStep(process: Int, _ core: inout ServingCore) {
    preconditionFailure("this connector runs no store operations")
  }
  mutating func lockManagerStep(seat: Int, version: UInt32, _ core: inout ServingCore) {
    preconditionFailure("this connector runs no lock manager")
  }
  mutating func tick(node: Int, life: Int, _ core: inout ServingCore) {
    preconditionFailure("this connector's nodes give no sign of life")
  }
  mutating func nodeDown(_ worker: Int, _ core: inout ServingCore) {}
  mutating func nodeUp(_ worker: Int, _ core: inout ServingCore) { core.engineUp(worker) }
  mutating func abort(_ request: Int, _ core: inout ServingCore) {}
  mutating func prefillLost(_ request: Int, _ core: inout ServingCore) {}
  mutating func pauseManager(until end: SimTime, _ core: inout ServingCore) {}
  mutating func retry(_ request: Int, _ core: inout ServingCore) {
    preconditionFailure("this connector sets no timers")
  }
  mutating func forget(before request: Int) {}
  mutating func close(_ core: inout ServingCore) -> (StoreUse?, [String]) { (nil, []) }
}
