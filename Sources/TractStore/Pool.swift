// Formatting and opening a pool.

import SharedMemory

/// A pool's superblock: what it is, how it is laid out, and who may use it.
public enum Pool {
  /// "TRACTPL2"
  private static var magic: UInt64 { 0x5452_4143_5450_4C32 }

  /// Zeroes the protocol lines and writes the superblock last, so that a half-formatted pool has
  /// none. `hashSeed` is the fingerprint of the seed that clients hash tokens with.
  public static func format<M: SharedMemory & ~Copyable>(
    _ memory: inout M, _ geometry: PoolGeometry, hashSeed: UInt64
  ) {
    let lines = geometry.metadataBytes / Line64.bytes
    for line in 0..<lines { memory.writeLine(Line64(), at: Address(line * Line64.bytes)) }
    memory.writeLine(geometry.words.sealed(sequence: 1), at: PoolGeometry.layoutLine)
    memory.writeLine(
      Line64(magic, hashSeed, geometry.metadataBytes, geometry.layoutHash, 0, 0, 0, 0).sealed(
        sequence: 1),
      at: PoolGeometry.superblock)
  }

  /// The geometry of a formatted pool.
  /// - Parameter regionBytes: bytes that are mapped; a pool that says it is larger is refused.
  /// - Throws: if it is no pool, has another layout, or hashes with another seed.
  public static func open<M: SharedMemory & ~Copyable>(
    _ memory: inout M, hashSeed: UInt64?, regionBytes: UInt64 = .max
  ) throws(PoolFormatError) -> PoolGeometry {
    guard regionBytes >= PoolGeometry.smallestRegion else {
      throw PoolFormatError(description: "\(regionBytes) B are too few for a pool")
    }
    let head = memory.readFresh(PoolGeometry.superblock)
    let layout = memory.readFresh(PoolGeometry.layoutLine)
    guard head[0] == magic, head.isSealed, layout.isSealed,
      let geometry = PoolGeometry(words: layout)
    else {
      throw PoolFormatError(description: "this is not a pool; create one with 'tract-pool create'")
    }
    guard head[2] == geometry.metadataBytes, head[3] == geometry.layoutHash else {
      throw PoolFormatError(description: "the pool was made by a version with another layout")
    }
    guard geometry.totalBytes <= regionBytes else {
      throw PoolFormatError(
        description: "the pool takes \(geometry.totalBytes) B, there are \(regionBytes) B: "
          + "it has been cut, create it anew")
    }
    if let hashSeed, head[1] != hashSeed {
      throw PoolFormatError(
        description: "the pool's clients hash with another seed; use the same one everywhere")
    }
    return geometry
  }
}
