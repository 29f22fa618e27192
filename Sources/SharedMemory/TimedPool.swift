// The simulated device's contents, seen by each host through a `TimedMemory` of its own.

/// The metadata region of a simulated pool. Payload is not stored: only DMA touches it.
///
/// Confined to one thread, as the simulation is.
public final class TimedPool {
  private let lines: UnsafeMutablePointer<Line64>
  private let lineCount: UInt64
  private var watched: Range<UInt64> = 0..<0
  /// Writes that reached the device inside the watched range since the pool was made.
  public internal(set) var watchedStores = 0

  /// A region of zeros; `metadataBytes` is rounded up to whole lines.
  public init(metadataBytes: Int) {
    lineCount = UInt64((max(metadataBytes, 0) + 63) / 64)
    lines = .allocate(capacity: Int(lineCount))
    lines.initialize(repeating: Line64(), count: Int(lineCount))
  }

  deinit { lines.deallocate() }

  /// Counts writes to the lines of this range in `watchedStores`, so that whoever polls them need
  /// not be simulated while nothing changes.
  public func watch(_ range: Range<Address>) {
    watched = (range.lowerBound.offset / 64)..<((range.upperBound.offset + 63) / 64)
  }

  /// The device's own bytes, in order: for comparing two pools.
  public var contents: [Line64] {
    Array(UnsafeBufferPointer(start: lines, count: Int(lineCount)))
  }

  /// The index of an address's line. Traps outside the region: a processor may not touch payload.
  func index(_ address: Address) -> UInt64 {
    let index = address.offset >> 6
    precondition(index < lineCount, "processor access to payload at \(address.offset)")
    return index
  }

  func read(_ index: UInt64) -> Line64 { lines[Int(index)] }

  func write(_ line: Line64, _ index: UInt64) {
    lines[Int(index)] = line
    if watched.contains(index) { watchedStores += 1 }
  }
}
