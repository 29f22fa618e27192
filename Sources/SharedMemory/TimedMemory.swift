// One host's view of the simulated device: a cache that nobody keeps coherent, and a clock.

/// A host's loads and stores on a `TimedPool`.
///
/// The cache is real: a load that hits returns the copy this host has, however old; a store fetches
/// the line and dirties it here only; what is written back is always the whole line. A missing flush
/// therefore shows as a wrong value, as it would on the hardware. The cache is direct-mapped, and
/// replaces (writing back if dirty) on conflict.
///
/// A copy of the value is the same host: it shares the cache and keeps a clock of its own.
public struct TimedMemory: SharedMemory {
  /// The host's lines. In memory of its own, so that an access checks no array's owner.
  private final class Cache {
    /// Line index + 1, doubled, plus 1 if the copy is dirty; 0 when the place is empty.
    let tags: UnsafeMutablePointer<UInt64>
    let lines: UnsafeMutablePointer<Line64>

    init(lines count: Int) {
      tags = .allocate(capacity: count)
      tags.initialize(repeating: 0, count: count)
      lines = .allocate(capacity: count)
      lines.initialize(repeating: Line64(), count: count)
    }

    deinit {
      tags.deallocate()
      lines.deallocate()
    }
  }

  public let pool: TimedPool
  /// Which host this is; for messages.
  public let host: Int
  public var capabilities: DeviceCapabilities
  /// What accesses cost from now on.
  public var timing: LineTiming
  /// Nanoseconds spent in accesses; the simulator resets it before each step.
  public var elapsed = 0.0
  public var counters: MemoryCounters { counts }

  @usableFromInline var counts = MemoryCounters()
  private let cache: Cache
  @usableFromInline let mask: UInt64
  // The cache's and the device's own.
  @usableFromInline let tags: UnsafeMutablePointer<UInt64>
  @usableFromInline let lines: UnsafeMutablePointer<Line64>
  @usableFromInline let device: UnsafeMutablePointer<Line64>
  /// Missing loads since the last fence: the first pays the latency, the others are pipelined.
  @usableFromInline var missesInFlight = 0
  /// Write-backs and line stores since the last fence.
  @usableFromInline var writesInFlight = 0

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
    cache = Cache(lines: count)
    mask = UInt64(count - 1)
    tags = cache.tags
    lines = cache.lines
    device = pool.lines
  }

  @inlinable public mutating func load(_ address: Address) -> UInt64 {
    let place = cached(pool.index(address))
    return UnsafeRawPointer(lines + place)
      .load(fromByteOffset: Int(address.offset & 56), as: UInt64.self)
  }

  @inlinable public mutating func loadLine(_ line: Address) -> Line64 {
    let place = cached(pool.index(line))
    elapsed += 7 * timing.cacheHit
    counts.cacheHits &+= 7
    return lines[place]
  }

  @inlinable public mutating func store(_ value: UInt64, to address: Address) {
    let place = cached(pool.index(address))
    UnsafeMutableRawPointer(lines + place)
      .storeBytes(of: value, toByteOffset: Int(address.offset & 56), as: UInt64.self)
    tags[place] |= 1
  }

  @inlinable public mutating func flush(_ line: Address) {
    let index = pool.index(line)
    let place = Int(truncatingIfNeeded: index & mask)
    let tag = tags[place]
    guard tag >> 1 == index &+ 1 else { return }
    if tag & 1 != 0 { writeBack(place) }
    tags[place] = 0
  }

  @inlinable public mutating func fence() {
    counts.fences &+= 1
    if writesInFlight > 0 {
      elapsed += timing.latency + Double(writesInFlight - 1) * timing.pipelinedWrite
    }
    writesInFlight = 0
    missesInFlight = 0
  }

  @inlinable public mutating func storeLine(_ line: Line64, at address: Address) {
    let index = pool.index(address)
    let place = Int(truncatingIfNeeded: index & mask)
    // The store replaces all 64 bytes, so a dirty copy has nothing left to say.
    if tags[place] >> 1 == index &+ 1 { tags[place] = 0 }
    pool.write(line, index)
    counts.lineWrites &+= 1
    writesInFlight &+= 1
  }

  /// The place of the cache that holds the line, fetched if need be.
  @inlinable @inline(__always) mutating func cached(_ index: UInt64) -> Int {
    let place = Int(truncatingIfNeeded: index & mask)
    let tag = tags[place]
    guard tag >> 1 != index &+ 1 else {
      elapsed += timing.cacheHit
      counts.cacheHits &+= 1
      return place
    }
    if tag & 1 != 0 { writeBack(place) }
    elapsed += missesInFlight == 0 ? timing.latency : timing.pipelinedRead
    missesInFlight &+= 1
    counts.lineReads &+= 1
    tags[place] = (index &+ 1) << 1
    lines[place] = device[Int(truncatingIfNeeded: index)]
    return place
  }

  /// Writes a modified line back.
  @usableFromInline mutating func writeBack(_ place: Int) {
    pool.write(lines[place], tags[place] >> 1 - 1)
    counts.lineWrites &+= 1
    writesInFlight &+= 1
    tags[place] &= ~1
  }
}
