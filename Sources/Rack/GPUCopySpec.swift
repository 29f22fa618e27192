// How KV blocks are copied between GPU memory and host or CXL memory, and what that costs.

/// Who moves the bytes of a copy.
public enum CopyMethod: String, CaseIterable, Sendable {
  /// A kernel, which gathers the pieces of a block, or of all of them.
  case kernel
  /// The copy engine: one `cudaMemcpyAsync` for each piece that lies in one place on the GPU.
  case dma
}

/// The costs of copies beside bytes over bandwidth.
public struct GPUCopySpec: Hashable, Sendable {
  public var method: CopyMethod
  /// From the call to the first byte, and the wait for the end, seconds; also a further kernel's.
  ///
  /// 9.04 us, from Beluga's 64 KiB copy (arXiv 2511.20172).
  public var launchSeconds: Double
  /// One more call of the copy engine in a loop of them, seconds.
  ///
  /// 2.3 us on an H20 (FlexKV pull request 193).
  public var callSeconds: Double

  public init(method: CopyMethod, launchSeconds: Double, callSeconds: Double) {
    self.method = method
    self.launchSeconds = launchSeconds
    self.callSeconds = callSeconds
  }

  /// Bytes/s at which launches let a copy flow after its first one; infinite if there is no further
  /// one.
  ///
  /// What the last block or piece takes after its launch is left out.
  /// - Parameters:
  ///   - kernels: those that move it, by kernel.
  ///   - calls: pieces on one GPU, by copy engine; keys and values of a layer lie apart.
  public func rate(bytes: Int, kernels: Int, calls: Int) -> Double {
    let seconds =
      switch method {
      case .kernel: launchSeconds * Double(kernels - 1)
      case .dma: callSeconds * Double(calls - 1)
      }
    return seconds > 0 ? Double(bytes) / seconds : .infinity
  }
}
