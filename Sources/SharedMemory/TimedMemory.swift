// One host's view of the simulated device: a cache that nobody keeps coherent, and a clock.

/// A host's loads and stores on a `TimedPool`.
///
/// The cache is real: a load that hits returns the copy this host has, however old; a store fetches
/// the line and dirties it here only; what is written back is always the whole line. A missing flush
/// therefore shows as a wrong value, as it would on the hardware. The cache is direct-mapped, and
/// replaces (writing back if dirty) on conflict.
public struct TimedMemory: SharedMemory {
  private struct Slot {
    /// Line index + 1; 0 when empty.
    var tag: UInt64 = 0
    var dirty = false
    var line = Line64()
  }

  public let pool: TimedPool
  /// Which host this is; for messages.
  public let host: Int
  public var capabilities: DeviceCapabilities
  /// What accesses cost from now on.
  public var timing: LineTiming
  /// Nanoseconds spent in accesses; the simulator resets it before each step.
  public var elapsed = 0.0
  public private(set) var counters = MemoryCounters()

  private var slots: ContiguousArray<Slot>
  private let mask: UInt64
  /// Missing loads since the last fence: the first pays the latency, the others are pipelined.
  private var missesInFlight = 0
  /// Write-backs and line stores since the last fence.
  private var writesInFlight = 0

  /// `cacheLines` is rounded up to a power of two.
  public init(
    pool: TimedPool, host: Int, cacheLines: Int = 256, timing: LineTiming = LineTiming(),
    capabilities: DeviceCapabilities = .simulated
  ) {
    self.pool = pool
    self.host = host
    self.timing = timing
    self.capabilities = capabilities
    var count = 1
    while count < cacheLines { count *= 2 }
    slots = ContiguousArray(repeating: Slot(), count: count)
    mask = UInt64(count - 1)
  }

  public mutating func load(_ address: Address) -> UInt64 {
    let slot = cached(pool.index(address))
    return slots[slot].line[Int((address.offset >> 3) & 7)]
  }

  public mutating func loadLine(_ line: Address) -> Line64 {
    let slot = cached(pool.index(line))
    elapsed += 7 * timing.cacheHit
    counters.cacheHits += 7
    return slots[slot].line
  }

  public mutating func store(_ value: UInt64, to address: Address) {
    let slot = cached(pool.index(address))
    slots[slot].line[Int((address.offset >> 3) & 7)] = value
    slots[slot].dirty = true
  }

  public mutating func flush(_ line: Address) {
    let index = pool.index(line)
    let slot = Int(index & mask)
    guard slots[slot].tag == index + 1 else { return }
    evict(slot)
  }

  public mutating func fence() {
    counters.fences += 1
    if writesInFlight > 0 {
      elapsed += timing.latency + Double(writesInFlight - 1) * timing.pipelinedWrite
    }
    writesInFlight = 0
    missesInFlight = 0
  }

  public mutating func storeLine(_ line: Line64, at address: Address) {
    let index = pool.index(address)
    let slot = Int(index & mask)
    // The store replaces all 64 bytes, so a dirty copy has nothing left to say.
    if slots[slot].tag == index + 1 { slots[slot] = Slot() }
    pool.write(line, index)
    counters.lineWrites += 1
    writesInFlight += 1
  }

  /// The slot that holds the line, fetched if need be.
  private mutating func cached(_ index: UInt64) -> Int {
    let slot = Int(index & mask)
    guard slots[slot].tag != index + 1 else {
      elapsed += timing.cacheHit
      counters.cacheHits += 1
      return slot
    }
    if slots[slot].tag != 0 { evict(slot) }
    elapsed += missesInFlight == 0 ? timing.latency : timing.pipelinedRead
    missesInFlight += 1
    counters.lineReads += 1
    slots[slot].tag = index + 1
    slots[slot].line = pool.read(index)
    return slot
  }

  private mutating func evict(_ slot: Int) {
    if slots[slot].dirty {
      pool.write(slots[slot].line, slots[slot].tag - 1)
      counters.lineWrites += 1
      writesInFlight += 1
      slots[slot].dirty = false
    }
    slots[slot].tag = 0
  }
}
