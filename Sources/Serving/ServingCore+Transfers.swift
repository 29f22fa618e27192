// Transfers from their launch to their last byte.

import EventKernel

extension ServingCore {
  /// Launches a transfer: after `delay` its bytes flow along `path` at no more than `cap`, with
  /// `weight` against others where a hop is full.
  mutating func startTransfer(
    _ kind: TransferKind, request: Int, bytes: Int, path: [FluidNetwork.ResourceID],
    weight: Double = 1, cap: Double = .infinity, delay: SimDuration = .zero
  ) {
    began(request)
    let slot = transfers.add(
      Transfer(
        kind: kind, request: Int32(request), bytes: bytes, started: now, path: path,
        weight: weight, cap: cap))
    if delay > .zero {
      schedule(.launched(transfer: Int32(slot)), at: now + delay)
    } else {
      launch(slot)
    }
  }

  mutating func launch(_ slot: Int) {
    let transfer = transfers[slot]
    guard !transfer.isCancelled else {
      transfers.remove(slot)
      return
    }
    transfers[slot].flow = network.start(
      bytes: transfer.bytes, path: transfer.path, weight: transfer.weight, cap: transfer.cap,
      tag: UInt64(slot), at: now)
    networkChanged = true
  }

  /// Calls a request's transfers off: all, or those of one kind, without which it goes on.
  mutating func cancelTransfers(of request: Int, only kind: TransferKind? = nil) {
    for slot in transfers.indices
    where transfers[slot].request == Int32(request) && !transfers[slot].isCancelled {
      let transfer = transfers[slot]
      guard kind == nil || transfer.kind == kind else { continue }
      if kind != nil { faults.cutBytes[transfer.kind.rawValue] += transfer.bytes }
      transfers[slot].request = -1
      if let flow = transfer.flow {
        faults.use.bytesLost += network.cancel(flow, at: now)
        networkChanged = true
        transfers.remove(slot)
      } else {
        transfers[slot].isCancelled = true
      }
    }
  }

  mutating func noteNetworkChanged() { networkChanged = true }

  /// The next transfer that has ended by now, or nil.
  mutating func endedTransfer() -> Transfer? {
    guard let completion = network.popCompletion(at: now) else { return nil }
    networkChanged = true
    noteProgress()
    let slot = Int(completion.tag)
    let transfer = transfers[slot]
    transfers[slot].request = -1
    transfers.remove(slot)
    finished(Int(transfer.request))
    if faults.isPresent {
      let place = Int(transfer.request) * TransferKind.allCases.count + transfer.kind.rawValue
      faults.attemptBytes[place] += transfer.bytes
    }
    bytesByKind[transfer.kind.rawValue] += transfer.bytes
    if isObserved {
      observer?.transfer(
        ObservedTransfer(
          kind: transfer.kind.label, request: Int(transfer.request), bytes: transfer.bytes,
          begin: transfer.started, end: now))
    }
    return transfer
  }

  func isCurrent(networkVersion version: UInt32) -> Bool { version == networkVersion }

  /// Schedules the network's next completion if flows have changed.
  mutating func armNetwork() {
    guard networkChanged else { return }
    networkChanged = false
    networkVersion &+= 1
    if let time = network.nextCompletion {
      schedule(.network(version: networkVersion), at: max(time, now))
    }
  }
}
