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

  func lies(in geometry: PoolGeometry) -> Bool {
    let (end, overflows) = address.offset.addingReportingOverflow(byteCount)
    return !overflows && end <= geometry.totalBytes
  }
}

/// One place of the object store: two lines, of which the newer counts.
///
/// A change is written into the older line, so that a writer who dies in mid-write takes nothing
/// away, and readers without a lock find the old root or the new one.
struct RootPlace: Hashable {
  /// Nil if the place is free.
  var root: Root?
  /// Rises with each change.
  var version: UInt64 = 0
  /// The line that is written next.
  var older = 0

  init(_ lines: [Line64]) {
    for (side, line) in lines.enumerated() where line.isSealed && line[6] >= max(1, version) {
      version = line[6]
      older = 1 - side
      root =
        line[0] == 1
        ? Root(name: RootName(line), address: Address(line[4]), byteCount: line[5]) : nil
    }
  }

  /// Whether it can be written; a damaged line may hold the last version there is.
  var isWritable: Bool { version < .max }

  /// The line that makes `root` the place's next one; nil frees it.
  func line(setting root: Root?) -> Line64 {
    let words = root?.name.words ?? SIMD4()
    return Line64(
      root == nil ? 0 : 1, words[0], words[1], words[2], root?.address.offset ?? 0,
      root?.byteCount ?? 0, version + 1, 0
    ).sealed(sequence: 1)
  }

  static func readAll<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry
  ) -> [RootPlace] {
    let places = 0..<PoolGeometry.rootLimit
    memory.invalidate(places.flatMap { place in (0..<2).map { geometry.root(place, side: $0) } })
    return places.map { place in
      RootPlace((0..<2).map { memory.loadLine(geometry.root(place, side: $0)) })
    }
  }
}

/// Sets, replaces or removes a root, under the object store's lock. False if there is no room, or
/// nothing to remove.
public struct SetRoot: Operation {
  private enum State: Hashable {
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
    lock = LockSet([geometry.rootLock], patience: .unlimited)
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
    let places = RootPlace.readAll(&memory, geometry)
    let own = places.firstIndex { $0.root?.name == name }
    let free = root == nil ? nil : places.firstIndex { $0.root == nil && $0.isWritable }
    guard let place = own ?? free, places[place].isWritable else { return false }
    memory.writeLine(
      places[place].line(setting: root), at: geometry.root(place, side: places[place].older))
    memory.reach(.rootWritten)
    return true
  }
}

/// Finds a root by name, without a lock; nil if there is none, or if what it names lies outside the
/// pool, as it may in a damaged one.
public struct GetRoot: Operation {
  private let name: RootName

  public init(_ name: RootName) { self.name = name }

  public mutating func step<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ client: inout StoreClient
  ) -> Step<Root?> {
    let root = RootPlace.readAll(&memory, client.geometry).first { $0.root?.name == name }?.root
    return .done(root.flatMap { $0.lies(in: client.geometry) ? $0 : nil })
  }
}
