// A probe's view of the simulated device, on which a step's later writes arrive later.

import SharedMemory

/// A `TimedMemory` that is exact about writes: one that a step issues after it has waited for
/// something else (a doorbell after its request) reaches the device that much later.
///
/// Reads are taken as sampled when they are issued. With a symmetric path that is the same as
/// sampling half a latency later what was written half a latency earlier.
struct ProbeMemory: SharedMemory {
  /// A write that is still to arrive, nanoseconds after the step's begin.
  struct Late {
    var write: LineWrite
    var after: Double
  }

  private var base: TimedMemory
  private var late: [Late] = []
  private var lateInFlight = 0

  init(pool: TimedPool, host: Int, timing: LineTiming) {
    base = TimedMemory(pool: pool, host: host, timing: timing)
  }

  var capabilities: DeviceCapabilities { base.capabilities }
  /// Nanoseconds that the step under way has taken.
  var elapsed: Double { base.elapsed }

  mutating func beginStep() { base.elapsed = 0 }

  /// What the step has written late.
  mutating func takeLate() -> [Late] {
    defer { late.removeAll(keepingCapacity: true) }
    return late
  }

  /// A late write arrives.
  mutating func arrive(_ write: LineWrite) {
    base.storeLine(write.line, at: write.address)
    base.fence()
  }

  /// The first of the last reads was in flight before the step began.
  mutating func refundLatency() {
    base.elapsed -= base.timing.latency - base.timing.pipelinedRead
  }

  mutating func load(_ address: Address) -> UInt64 { base.load(address) }
  mutating func loadLine(_ line: Address) -> Line64 { base.loadLine(line) }
  mutating func store(_ value: UInt64, to address: Address) { base.store(value, to: address) }
  mutating func flush(_ line: Address) { base.flush(line) }

  mutating func storeLine(_ line: Line64, at address: Address) {
    guard base.elapsed > 0 else { return base.storeLine(line, at: address) }
    base.flush(address)
    late.append(Late(write: LineWrite(line, at: address), after: base.elapsed))
    lateInFlight += 1
  }

  mutating func fence() {
    base.fence()
    guard lateInFlight > 0 else { return }
    base.elapsed += base.timing.latency + Double(lateInFlight - 1) * base.timing.pipelinedWrite
    lateInFlight = 0
  }
}
