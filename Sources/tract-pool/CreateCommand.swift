// `tract-pool create`: a formatted pool, or nothing.

import ArgumentParser
import SharedMemory
import TractStore

struct CreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Create and format a pool.")

  @Argument(help: "File, shm:/name or DAX device.") var path: String
  @Option(help: "Bytes of KV payload, e.g. 64MiB; a device's whole size without it.")
  var size: ByteCount?
  @Option(help: "Nodes that may use the pool, 1 to 255.") var nodes = 4
  @Option(help: "Bytes of one KV block, a multiple of 64.") var blockBytes = ByteCount(64 << 10)
  @Option(help: "Blocks that a node claims together.") var blocksPerChunk = 8
  @Option(help: "Index shards, each under a lock of its own.") var shards = 16
  @Option(help: "Fingerprint of the seed that clients hash tokens with.") var hashSeed: UInt64 = 0
  @Flag(help: "Format what is there already; everything in it is lost.") var force = false
  @OptionGroup var access: PoolAccess

  func run() throws {
    let exists = force || path.hasPrefix("/dev/dax")
    if !exists, size == nil { throw ValidationError("give --size, for example --size 64MiB") }
    do {
      var memory =
        if exists {
          try MappedMemory(opening: path, trust: access.trust)
        } else {
          try MappedMemory(creating: path, bytes: try geometry(size!.bytes).totalBytes)
        }
      do {
        let geometry = try exists ? fitting(memory.byteCount) : geometry(size!.bytes)
        Pool.format(&memory, geometry, hashSeed: hashSeed)
        print("created \(path): \(geometry.summary)")
      } catch {
        if !exists { MappedMemory.remove(path) }
        throw error
      }
    } catch let error as PoolError {
      throw Exit.fail(Exit.cannotCreate, error)
    } catch let error as PoolFormatError {
      throw Exit.fail(Exit.cannotCreate, "\(path): \(error)")
    }
  }

  private func geometry(_ payload: UInt64) throws(PoolFormatError) -> PoolGeometry {
    try PoolGeometry(
      nodes: nodes, payloadBytes: payload, blockBytes: blockBytes.bytes,
      blocksPerChunk: blocksPerChunk, shards: shards)
  }

  /// The layout in a region that exists: as asked for, or the largest that fits.
  private func fitting(_ region: UInt64) throws -> PoolGeometry {
    guard let size else {
      return try PoolGeometry.largest(
        regionBytes: region, nodes: nodes, blockBytes: blockBytes.bytes,
        blocksPerChunk: blocksPerChunk, shards: shards)
    }
    let geometry = try geometry(size.bytes)
    guard geometry.totalBytes <= region else {
      throw Exit.fail(
        Exit.cannotCreate,
        "\(path): a pool with \(size) of payload takes \(geometry.totalBytes) B, there are "
          + "\(region) B; choose a smaller --size")
    }
    return geometry
  }
}

extension PoolGeometry {
  /// One line for a person.
  var summary: String {
    "\(nodes) nodes, \(blocks) blocks of \(ByteCount(blockBytes)), \(chunks) chunks, "
      + "\(shards) shards, \(metadataBytes) B of metadata"
  }
}
