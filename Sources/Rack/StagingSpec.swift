// Transfers of a NIC that cannot reach GPU memory: chunks through a host's DRAM, and what they cost.

/// How bytes get from GPU memory to a NIC, or back, without GPUDirect.
public struct StagingSpec: Hashable, Sendable {
  /// Bytes of one staging buffer; a smaller piece is a chunk of its own.
  ///
  /// 512 KiB, UCX's default for buffers in host memory (`RNDV_FRAG_SIZE`).
  public var chunkBytes: Int
  /// Launch of a chunk's copy and the wait for its end, seconds: the NIC cannot send before.
  ///
  /// 9.04 us, the launch of a copy between GPU and DRAM; that each chunk pays it is assumed.
  public var copySeconds: Double

  public init(chunkBytes: Int, copySeconds: Double) {
    self.chunkBytes = chunkBytes
    self.copySeconds = copySeconds
  }
}
