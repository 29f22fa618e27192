// Operations as steps: one body of code for blocking drivers, the simulator and explorers.

import SharedMemory

/// What an operation wants after a step.
public enum Step<Output> {
  case done(Output)
  /// Go on, but not before everything that happened earlier is visible: in a simulator, let
  /// virtual time catch up.
  case sync
  /// Go on after a pause.
  case wait(nanoseconds: UInt64)
}

/// Something a node does with the pool, cut where its order against other nodes matters.
///
/// A step makes at most one ordered access (or one batch of independent ones), and makes it first.
/// Several operations of one node may be under way at once, interleaved between steps. An operation
/// is a value, so that a checker can keep, compare and resume any moment of it.
public protocol Operation: Hashable {
  associatedtype Output
  mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Output>
}

extension Operation {
  /// Runs the operation to its end on real memory; `pause` waits about the given nanoseconds.
  @inlinable
  public consuming func run<M: SharedMemory & ~Copyable>(
    on memory: inout M, _ client: inout StoreClient, pause: (UInt64) -> Void
  ) -> Output {
    var operation = self
    while true {
      switch operation.step(&memory, &client) {
      case .done(let output): return output
      case .sync: continue
      case .wait(let nanoseconds): pause(nanoseconds)
      }
    }
  }
}
