// What line accesses cost on the simulated device, and how many there were.

/// Latencies of line-sized accesses, in nanoseconds, as a host sees them now.
///
/// The simulator sets them before each step, from the load on the shared link.
public struct LineTiming: Hashable, Sendable {
  /// One access on its own: the first missing load after a fence, or a fence that waits for writes.
  public var latency: Double
  /// Each further missing load before the next fence.
  public var pipelinedRead: Double
  /// Each further write that a fence waits for.
  public var pipelinedWrite: Double
  /// A load or store that hits the host's cache.
  public var cacheHit: Double

  /// Defaults: 640 ns is the idle latency that TraCT measured on Niagara 2.0 (arXiv 2512.18194);
  /// 23 ns (clflush and load) and 9.4 ns (non-temporal store) per pipelined line follow from
  /// Beluga's 16 KiB copies (arXiv 2511.20172).
  public init(
    latency: Double = 640, pipelinedRead: Double = 23, pipelinedWrite: Double = 9.4,
    cacheHit: Double = 1
  ) {
    self.latency = latency
    self.pipelinedRead = pipelinedRead
    self.pipelinedWrite = pipelinedWrite
    self.cacheHit = cacheHit
  }
}

/// Accesses of one host.
public struct MemoryCounters: Hashable, Sendable {
  /// Lines fetched from the device.
  public var lineReads = 0
  /// Lines written at the device: write-backs and line stores.
  public var lineWrites = 0
  /// Loads and stores answered by the host's cache.
  public var cacheHits = 0
  public var fences = 0

  public init() {}
}
