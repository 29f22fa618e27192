// Opening a pool for a command.

import ArgumentParser
import SharedMemory
import TractStore

/// A pool that exists, mapped, with the layout its superblock tells.
struct OpenPool: ~Copyable {
  var memory: MappedMemory
  let geometry: PoolGeometry

  /// Ends the command with a message if there is no pool or it does not fit its region.
  init(
    _ path: String, exclusively: Bool, _ access: PoolAccess, writable: Bool = true,
    hashSeed: UInt64? = nil
  ) throws {
    var region = try Self.map(path, exclusively, writable, access)
    do {
      geometry = try Pool.open(&region, hashSeed: hashSeed, regionBytes: region.byteCount)
    } catch {
      throw Exit.fail(Exit.badInput, "\(path): \(error)")
    }
    memory = region
  }

  private static func map(
    _ path: String, _ exclusively: Bool, _ writable: Bool, _ access: PoolAccess
  ) throws -> MappedMemory {
    do {
      return try MappedMemory(
        opening: path, exclusively: exclusively, writable: writable, trust: access.trust)
    } catch {
      throw Exit.fail(Exit.badInput, error)
    }
  }
}
