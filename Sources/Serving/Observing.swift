// How a run tells its observer what happens: all of it from what is there, nothing kept for it.

import EventKernel
import Rack
import Workload

/// Mean rates of the links between two tellings.
///
/// They are taken when an event comes and the last are old enough: no event of their own, so that an
/// observed run is the run that nobody watches.
struct ObservedRates {
  private let interval = SimDuration.seconds(0.01)
  private var since = SimTime.zero
  private var bytes: [Double] = []

  mutating func tell(_ observer: any RunObserver, _ core: inout ServingCore) {
    let now = core.now
    guard now - since >= interval else { return }
    let moved = core.network.resourceIDs.map { core.network.bytesMoved(over: $0, at: now) }
    if bytes.isEmpty { bytes = Array(repeating: 0, count: moved.count) }
    let seconds = (now - since).seconds
    observer.rates(
      moved.indices.map { max(0, moved[$0] - bytes[$0]) / seconds }, from: since, to: now)
    since = now
    bytes = moved
  }
}

extension ServingCore {
  /// Names of those who take part.
  func setting(aggregated: Bool) -> RunSetting {
    let prefill = workload.rack.prefill.count
    return RunSetting(
      system: system.name,
      roles: engines.indices.map {
        aggregated ? "aggregated" : $0 < prefill ? "prefill" : "decode"
      },
      links: network.resourceIDs.map { network.name(of: $0) })
  }

  /// The step that an engine has just ended.
  func observed(_ batch: [Engine.Work], of engine: Int, span: SimDuration) -> ObservedStep {
    let end = engines[engine].run.stepEnds
    return ObservedStep(
      engine: engine, begin: SimTime(picoseconds: end.picoseconds - span.picoseconds), end: end,
      batch: batch.map {
        .init(
          request: $0.sequence.request, isPrefillSide: $0.sequence.side == .prefill,
          newTokens: $0.newTokens, computed: self[$0.sequence].computed)
      }, waiting: engines[engine].waiting.count)
  }
}

extension StoreProcess {
  /// The operation, which ends now.
  func observed(at end: SimTime) -> ObservedOperation {
    ObservedOperation(
      node: node, name: name, request: request < 0 ? nil : request, begin: started, end: end)
  }

  private var name: String {
    switch purpose {
    case .lookup: "lookup"
    case .reserve: "reserve"
    case .confirm: "confirm"
    case .publish: "publish"
    case .decodePin: "pin for decode"
    case .prefillUnpin, .decodeUnpin: "unpin"
    case .remove: "remove"
    case .cleanUp: "clean up"
    case .member: "membership"
    }
  }
}
