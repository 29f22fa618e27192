// Faults in the event loop: crashes and returns of workers, pauses, links.

import EventKernel
import Workload

extension ServingModel where C: ~Copyable {
  /// Once the last request has ended nothing can go wrong any more.
  mutating func begin(fault index: Int) {
    guard core.unfinished > 0 else { return }
    let fault = core.faults.faults[index]
    switch fault.kind {
    case .nodeCrash(let worker, _):
      guard core.faults.downBy[worker] == nil else { return }
      core.faults.downBy[worker] = index
      crash(worker)
    case .managerPause(let seconds):
      connector.pauseManager(until: core.now + .seconds(seconds), &core)
      return
    case .cxlDegradation, .linkDown: core.setLinkFault(index, active: true)
    }
    guard let seconds = fault.forSeconds else { return }
    core.schedule(.fault(index: Int32(index), ends: true), at: core.now + .seconds(seconds))
  }

  mutating func end(fault index: Int) {
    switch core.faults.faults[index].kind {
    case .nodeCrash(let worker, _):
      guard core.faults.downBy[worker] == index, core.unfinished > 0 else { return }
      connector.nodeUp(worker, &core)
    case .managerPause: break
    case .cxlDegradation, .linkDown: core.setLinkFault(index, active: false)
    }
  }

  /// A worker's host stops. Requests that it had a part in begin anew elsewhere, at once (that the
  /// router notices immediately is assumed); those whose KV is in decode's memory already go on.
  private mutating func crash(_ worker: Int) {
    var lost: [Int] = []
    var survivors: [Int] = []
    for request in core.records.first..<core.supplied {
      let prefill = SequenceID(request: request, side: .prefill)
      let decode = SequenceID(request: request, side: .decode)
      let hadPrefill = core.isLive(prefill) && core[prefill].engine == worker
      let hadDecode = core.isLive(decode) && core[decode].engine == worker
      guard hadPrefill || hadDecode else { continue }
      let hasKV = core[decode].status == .finished || core.isLive(decode) && !core[decode].loads
      if hadPrefill, !hadDecode, hasKV { survivors.append(request) } else { lost.append(request) }
    }
    core.engineDown(worker)
    connector.nodeDown(worker, &core)
    guard !core.isAbandoned else { return }
    for request in survivors {
      connector.prefillLost(request, &core)
      core.dropPrefill(request)
    }
    for request in lost { giveUp(request) }
    for request in lost { beginAnew(request) }
  }

  /// Deals with requests that were found to be lost.
  mutating func settleCasualties() {
    let casualties = core.faults.casualties
    core.faults.casualties = []
    for casualty in casualties where core.faults.attempts[casualty.request] == casualty.attempt {
      giveUp(casualty.request)
      if let reason = casualty.reason {
        core.failWithoutWorker(casualty.request, reason: reason)
      } else {
        beginAnew(casualty.request)
      }
    }
  }

  private mutating func giveUp(_ request: Int) {
    connector.abort(request, &core)
    core.abandon(request)
  }

  private mutating func beginAnew(_ request: Int) {
    core.arrive(request, aggregated: C.aggregated)
    // It may have failed instead.
    guard core.isLive(SequenceID(request: request, side: .prefill)) else { return }
    core.records[request].recomputations += 1
  }
}
