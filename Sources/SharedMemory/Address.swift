// Positions in a shared region: byte offsets, since every process maps it elsewhere.

/// A byte offset from the start of a shared region.
public struct Address: Hashable, Comparable, Sendable {
  public var offset: UInt64

  @inlinable public init(_ offset: UInt64) { self.offset = offset }

  /// The first byte of the 64-byte line that holds this address.
  @inlinable public var line: Address { Address(offset & ~63) }

  @inlinable public static func + (address: Address, bytes: UInt64) -> Address {
    Address(address.offset + bytes)
  }

  @inlinable public static func < (a: Address, b: Address) -> Bool { a.offset < b.offset }
}
