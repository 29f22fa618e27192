// Opening a pool for a command.

import ArgumentParser
import SharedMemory
import TractStore

/// A pool that exists, mapped, with the layout its superblock tells.
struct OpenPool: ~Copyable {
  var memory: MappedMemory
  let geometry: PoolGeometry

  /// Ends the command with a message if there is no pool or it does not fit its region.
  init(_ path: String, exclusively: Bool) throws {
    var region = try Self.map(path, exclusively: exclusively)
    do {
      geometry = try Pool.open(&region, hashSeed: nil, regionBytes: region.byteCount)
    } catch {
      throw Exit.fail(Exit.badInput, "\(path): \(error)")
    }
    memory = region
  }

  private static func map(_ path: String, exclusively: Bool) throws -> MappedMemory {
    do {
      return try MappedMemory(opening: path, exclusively: exclusively)
    } catch {
      throw Exit.fail(Exit.badInput, error)
    }
  }
}
