// The shape of a transformer model: what step time and KV size follow from.

/// A dense decoder-only transformer with grouped-query attention.
public struct ModelSpec: Hashable, Sendable {
  public var name: String
  public var layers: Int
  public var hidden: Int
  public var heads: Int
  public var kvHeads: Int
  public var headDimension: Int
  /// Width of the gated feed-forward network (three matrices of `hidden × feedForward`).
  public var feedForward: Int
  public var vocabulary: Int

  public init(
    name: String, layers: Int, hidden: Int, heads: Int, kvHeads: Int, headDimension: Int,
    feedForward: Int, vocabulary: Int
  ) {
    self.name = name
    self.layers = layers
    self.hidden = hidden
    self.heads = heads
    self.kvHeads = kvHeads
    self.headDimension = headDimension
    self.feedForward = feedForward
    self.vocabulary = vocabulary
  }

  /// Linear parameters of one layer: QKV, output projection and the gated feed-forward network.
  public var parametersPerLayer: Int {
    hidden * (heads + 2 * kvHeads) * headDimension + heads * headDimension * hidden
      + 3 * hidden * feedForward
  }

  /// All parameters, counting input and output embeddings.
  public var parameters: Int { layers * parametersPerLayer + 2 * vocabulary * hidden }

  /// Bytes of KV cache one token takes over all layers (keys and values).
  public func kvBytesPerToken(elementBytes: Int) -> Int {
    2 * layers * kvHeads * headDimension * elementBytes
  }
}

/// Element type of weights and of the KV cache.
public enum NumberFormat: String, CaseIterable, Sendable {
  case bf16, fp8

  public var bytes: Int { self == .bf16 ? 2 : 1 }
}
