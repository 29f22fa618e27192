// The simulated device's contents, seen by each host through a `TimedMemory` of its own.

/// The metadata region of a simulated pool. Payload is not stored: only DMA touches it.
///
/// Confined to one thread, as the simulation is.
public final class TimedPool {
  /// Lines of which writes are counted, and the count.
  @usableFromInline struct Watch {
    @usableFromInline var first: UInt64 = 0
    @usableFromInline var count: UInt64 = 0
    @usableFromInline var stores = 0
  }

  @usableFromInline let lines: UnsafeMutablePointer<Line64>
  @usableFromInline let lineCount: UInt64
  @usableFromInline let watched: UnsafeMutablePointer<Watch>

  /// A region of zeros; `metadataBytes` is rounded up to whole lines.
  public init(metadataBytes: Int) {
    lineCount = UInt64((max(metadataBytes, 0) + 63) / 64)
    lines = .allocate(capacity: Int(lineCount))
    lines.initialize(repeating: Line64(), count: Int(lineCount))
    watched = .allocate(capacity: 1)
    watched.initialize(to: Watch())
  }

  deinit {
    lines.deallocate()
    watched.deallocate()
  }

  /// Writes that reached the device inside the watched range since the pool was made.
  @inlinable public var watchedStores: Int { watched.pointee.stores }

  /// Counts writes to the lines of this range in `watchedStores`, so that whoever polls them need
  /// not be simulated while nothing changes.
  public func watch(_ range: Range<Address>) {
    let first = range.lowerBound.offset / 64
    watched.pointee.first = first
    watched.pointee.count = (range.upperBound.offset + 63) / 64 - first
  }

  /// The device's own bytes, in order: for comparing two pools.
  public var contents: [Line64] {
    Array(UnsafeBufferPointer(start: lines, count: Int(lineCount)))
  }

  /// The index of an address's line. Traps outside the region: a processor may not touch payload.
  @inlinable func index(_ address: Address) -> UInt64 {
    let index = address.offset >> 6
    precondition(index < lineCount, "processor access to payload at \(address.offset)")
    return index
  }

  @inlinable func write(_ line: Line64, _ index: UInt64) {
    lines[Int(truncatingIfNeeded: index)] = line
    if index &- watched.pointee.first < watched.pointee.count { watched.pointee.stores &+= 1 }
  }
}
