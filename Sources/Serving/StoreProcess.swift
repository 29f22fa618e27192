// Operations of the store under way: what each is wanted for, and where each is kept.

import EventKernel
import TractStore

/// An operation of the store under way on one node, for one request.
struct StoreProcess {
  enum Operation {
    case pin(PinBlocks)
    case reserve(PutStart)
    case publish(PutEnd)
    case revoke(PutRevoke)
    case unpin(Unpin)
    case remove(Remove)
    case join(Join)
    case tick(Tick)
    case recover(Recover)
  }

  enum Kind {
    case pin
    case reserve
    case publish
    case revoke
    case unpin
    case remove
    case join
    case tick
    case recover
  }

  /// What it is wanted for.
  enum Purpose {
    case lookup
    case reserve
    case confirm
    case publish
    case decodePin
    case prefillUnpin
    case decodeUnpin
    case remove
    /// Giving back what an attempt held that has come to nothing.
    case cleanUp
    /// Membership: the driver's own.
    case member
  }

  enum Answer {
    case pinned([PinOutcome])
    case reserved([PutOutcome])
    case published([PinnedBlock])
    case unpinned([PinnedBlock])
    case joined(JoinOutcome)
    case ticked(TickReport)
    case recovered(RecoveryReport)
    case done
  }

  var node: Int
  var request: Int
  /// The request's attempt that began it.
  var attempt: Int32
  var purpose: Purpose
  /// Which of `StoreOperations` it is.
  var kind: Kind
  var place: Int
  var started: SimTime
  /// Set by the last step; delivered when its time has come.
  var answer: Answer?
  /// Since when it has done nothing but wait; nil while it works.
  var waitsSince: SimTime?
  var isActive = true
  /// Its node has died: its next event finds nothing to do.
  var isDead = false

  var isTick: Bool { purpose == .member && kind == .tick }
}

/// Operations by kind, so that each steps where it lies.
struct StoreOperations: ~Copyable {
  var pin = Slab<PinBlocks>()
  var reserve = Slab<PutStart>()
  var publish = Slab<PutEnd>()
  var revoke = Slab<PutRevoke>()
  var unpin = Slab<Unpin>()
  var remove = Slab<Remove>()
  var join = Slab<Join>()
  var tick = Slab<Tick>()
  var recover = Slab<Recover>()

  mutating func add(
    _ operation: consuming StoreProcess.Operation
  ) -> (kind: StoreProcess.Kind, place: Int) {
    switch consume operation {
    case .pin(let operation): (.pin, pin.add(operation))
    case .reserve(let operation): (.reserve, reserve.add(operation))
    case .publish(let operation): (.publish, publish.add(operation))
    case .revoke(let operation): (.revoke, revoke.add(operation))
    case .unpin(let operation): (.unpin, unpin.add(operation))
    case .remove(let operation): (.remove, remove.add(operation))
    case .join(let operation): (.join, join.add(operation))
    case .tick(let operation): (.tick, tick.add(operation))
    case .recover(let operation): (.recover, recover.add(operation))
    }
  }

  mutating func remove(_ kind: StoreProcess.Kind, _ place: Int) {
    switch kind {
    case .pin: pin.remove(place)
    case .reserve: reserve.remove(place)
    case .publish: publish.remove(place)
    case .revoke: revoke.remove(place)
    case .unpin: unpin.remove(place)
    case .remove: remove.remove(place)
    case .join: join.remove(place)
    case .tick: tick.remove(place)
    case .recover: recover.remove(place)
    }
  }
}
