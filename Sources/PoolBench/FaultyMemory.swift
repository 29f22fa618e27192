// Real memory whose user is killed at a chosen place.

import Glibc
import SharedMemory

/// Mapped memory that kills its own process when the store has reached so many crash points: in the
/// middle of an operation, where a kill from outside seldom hits.
public struct FaultyMemory: ~Copyable, SharedMemory {
  public private(set) var mapped: MappedMemory
  private var pointsLeft: Int

  /// - Parameter pointsLeft: crash points until the end; nil for none.
  public init(_ mapped: consuming MappedMemory, pointsLeft: Int? = nil) {
    self.mapped = mapped
    self.pointsLeft = pointsLeft ?? .max
  }

  public var capabilities: DeviceCapabilities { mapped.capabilities }

  public mutating func load(_ address: Address) -> UInt64 { mapped.load(address) }
  public mutating func store(_ value: UInt64, to address: Address) {
    mapped.store(value, to: address)
  }
  public mutating func flush(_ line: Address) { mapped.flush(line) }
  public mutating func fence() { mapped.fence() }
  public mutating func storeLine(_ line: Line64, at address: Address) {
    mapped.storeLine(line, at: address)
  }
  public mutating func loadLine(_ line: Address) -> Line64 { mapped.loadLine(line) }

  public mutating func writePayload(_ bytes: UnsafeRawBufferPointer, at address: Address) {
    mapped.writePayload(bytes, at: address)
  }
  public mutating func readPayload(
    at address: Address, into bytes: UnsafeMutableRawBufferPointer
  ) {
    mapped.readPayload(at: address, into: bytes)
  }

  public mutating func reach(_ point: CrashPoint) {
    pointsLeft -= 1
    guard pointsLeft == 0 else { return }
    // Whoever listens may want to know where.
    let words = Array("{\"dying_at\":\"\(point.rawValue)\"}\n".utf8)
    write(STDOUT_FILENO, words, words.count)
    kill(getpid(), SIGKILL)
    while true { pause() }
  }
}
