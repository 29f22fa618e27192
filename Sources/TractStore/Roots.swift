// The object store: a few named offsets by which processes find what they share.

import SharedMemory

/// A name of 1 to 24 bytes of UTF-8.
public struct RootName: Hashable, Sendable, CustomStringConvertible {
  let words: SIMD4<UInt64>

  /// Nil if the name is empty, longer than 24 bytes or contains a zero byte.
  public init?(_ name: String) {
    let bytes = Array(name.utf8)
    guard (1...24).contains(bytes.count), !bytes.contains(0) else { return nil }
    var words = SIMD4<UInt64>()
    for (index, byte) in bytes.enumerated() {
      words[index / 8] |= UInt64(byte) << (8 * UInt64(index % 8))
    }
    self.words = words
  }

  init(_ line: Line64) { words = SIMD4(line[1], line[2], line[3], 0) }

  public var description: String {
    let bytes = (0..<24).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> (8 * UInt64($0 % 8))) }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// What a name stands for.
public struct Root: Hashable, Sendable {
  public var name: RootName
  public var address: Address
  public var byteCount: UInt64

  public init(name: RootName, address: Address, byteCount: UInt64) {
    self.name = name
    self.address = address
    self.byteCount = byteCount
  }

  /// Reads a line; nil if it is free or torn.
  init?(_ line: Line64) {
    guard line.isSealed, line[0] == 1 else { return nil }
    self.init(name: RootName(line), address: Address(line[4]), byteCount: line[5])
  }

  var line: Line64 {
    Line64(1, name.words[0], name.words[1], name.words[2], address.offset, byteCount, 0, 0).sealed(
      sequence: 1)
  }
}

/// Sets, replaces or removes a root, under the object store's lock. False if there is no room, or
/// nothing to remove.
public struct SetRoot: Operation {
  private enum State {
    case lock
    case write
    case release(Bool)
  }

  private let name: RootName
  private let root: Root?
  private var lock = LockSet([0])
  private var state = State.lock

  public init(_ root: Root, in geometry: PoolGeometry) {
    self.init(root.name, root, geometry)
  }

  public init(removing name: RootName, in geometry: PoolGeometry) { self.init(name, nil, geometry) }

  private init(_ name: RootName, _ root: Root?, _ geometry: PoolGeometry) {
    self.name = name
    self.root = root
    lock = LockSet([geometry.rootLock])
  }

  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Bool> {
    switch state {
    case .lock:
      switch lock.acquire(&memory, &client) {
      case .done: state = .write
      case .sync: break
      case .wait(let nanoseconds): return .wait(nanoseconds: nanoseconds)
      }
      return .sync
    case .write:
      state = .release(write(&memory, client.geometry))
      return .sync
    case .release(let result):
      lock.release(&memory, &client)
      return .done(result)
    }
  }

  private func write<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) -> Bool {
    let roots = GetRoot.readAll(&memory, geometry)
    let own = roots.firstIndex { $0?.name == name }
    guard let place = root == nil ? own : own ?? roots.firstIndex(of: nil) else { return false }
    memory.writeLine(root?.line ?? Line64(), at: geometry.root(place))
    return true
  }
}

/// Finds a root by name, without a lock; nil if there is none.
public struct GetRoot: Operation {
  private let name: RootName

  public init(_ name: RootName) { self.name = name }

  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Root?> {
    .done(Self.readAll(&memory, client.geometry).first { $0?.name == name } ?? nil)
  }

  static func readAll<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) -> [Root?] {
    let places = 0..<PoolGeometry.rootLimit
    memory.invalidate(places.map { geometry.root($0) })
    return places.map { Root(memory.loadLine(geometry.root($0))) }
  }
}
