// The port through which the store sees memory, and the line accesses protocols are made of.

/// One host's view of memory that several hosts map and no hardware keeps coherent between them.
///
/// The requirements are what processors offer. Protocol code uses only the derived accesses below:
/// `readFresh` and `writeLine`, which alone say something about the *device*.
public protocol SharedMemory: ~Copyable {
  /// An aligned 8-byte load through this host's cache: the value may be arbitrarily old.
  mutating func load(_ address: Address) -> UInt64
  /// An aligned 8-byte store into this host's cache: no other host need ever see it.
  mutating func store(_ value: UInt64, to address: Address)
  /// Writes the line back if modified, and drops it from this host's cache.
  mutating func flush(_ line: Address)
  /// Waits for this host's earlier flushes and line stores.
  mutating func fence()
  /// Stores a whole line around the cache; in effect after the next `fence`.
  mutating func storeLine(_ line: Line64, at address: Address)
  /// Eight loads through the cache, in order.
  mutating func loadLine(_ line: Address) -> Line64
  /// After DMA into the range has completed: sees to it that the data is at the device, as far as
  /// the capabilities say that completion does not (flushing what DDIO left in this host's cache,
  /// reading posted writes back).
  mutating func settlePayload(_ address: Address, bytes: UInt64)
  /// Tells that the store has reached a named place; only tests listen.
  mutating func reach(_ point: CrashPoint)
  var capabilities: DeviceCapabilities { get }
}

/// A line and where it goes.
public struct LineWrite: Hashable, Sendable {
  public var address: Address
  public var line: Line64

  @inlinable public init(_ line: Line64, at address: Address) {
    self.address = address
    self.line = line
  }
}

extension SharedMemory where Self: ~Copyable {
  @inlinable public mutating func settlePayload(_ address: Address, bytes: UInt64) {}

  @inlinable public mutating func reach(_ point: CrashPoint) {}

  @inlinable public mutating func loadLine(_ line: Address) -> Line64 {
    Line64(
      load(line), load(line + 8), load(line + 16), load(line + 24),
      load(line + 32), load(line + 40), load(line + 48), load(line + 56))
  }

  /// The line as it is at the device, not before this call.
  @inlinable public mutating func readFresh(_ line: Address) -> Line64 {
    flush(line)
    fence()
    return loadLine(line)
  }

  /// Publishes a line: on return the new value is at the device.
  @inlinable public mutating func writeLine(_ line: Line64, at address: Address) {
    putLine(line, at: address)
    fence()
    if capabilities.fabric == .posted { _ = readFresh(address) }
  }

  /// Whether the end of a DMA leaves something to do before its data is at the device.
  @inlinable public var payloadNeedsSettling: Bool {
    capabilities.ddio || capabilities.fabric == .posted
  }

  /// Publishes `count` lines with one fence. They arrive in any order: a protocol that needs an
  /// order between two lines writes them in two calls.
  /// - Parameter write: a line by its number; asked for again where the fabric is posted.
  @inlinable public mutating func writeLines(_ count: Int, _ write: (Int) -> LineWrite) {
    guard count > 0 else { return }
    for index in 0..<count {
      let write = write(index)
      putLine(write.line, at: write.address)
    }
    fence()
    guard capabilities.fabric == .posted else { return }
    for index in 0..<count { flush(write(index).address) }
    fence()
    for index in 0..<count { _ = load(write(index).address) }
  }

  @inlinable public mutating func writeLines(_ writes: [LineWrite]) {
    writeLines(writes.count) { writes[$0] }
  }

  /// Drops `count` lines, so that loads after it are fresh; one fence, so that their latencies
  /// overlap.
  ///
  /// Each line is as fresh as in `readFresh`; together they are no snapshot.
  @inlinable public mutating func invalidate(_ count: Int, _ line: (Int) -> Address) {
    for index in 0..<count { flush(line(index)) }
    fence()
  }

  @inlinable public mutating func invalidate(_ lines: [Address]) {
    invalidate(lines.count) { lines[$0] }
  }

  /// The same for `count` lines that lie one after the other.
  @inlinable public mutating func invalidate(from first: Address, count: Int) {
    for index in 0..<UInt64(count) { flush(first + index * Line64.bytes) }
    fence()
  }

  @inlinable mutating func putLine(_ line: Line64, at address: Address) {
    if capabilities.lineStore {
      storeLine(line, at: address)
    } else {
      for index in 0..<8 { store(line[index], to: address + UInt64(index) * 8) }
      flush(address)
    }
  }
}
