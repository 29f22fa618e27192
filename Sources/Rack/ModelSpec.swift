// The shape of a transformer model: what step time and KV size follow from.

/// A decoder-only transformer: grouped-query or latent attention, dense or with experts.
public struct ModelSpec: Hashable, Sendable {
  public var name: String
  public var layers: Int
  public var hidden: Int
  public var heads: Int
  public var kvHeads: Int
  /// Width of one head; need not be `hidden / heads`.
  public var headDimension: Int
  /// Width of the gated feed-forward network (three matrices of `hidden × feedForward`) of layers
  /// without experts.
  public var feedForward: Int
  public var vocabulary: Int
  /// Whether input and output embedding are one matrix.
  public var tiedEmbeddings: Bool
  /// Latent attention in place of `kvHeads` and `headDimension`; nil for grouped queries.
  public var latentAttention: LatentAttention?
  /// Experts in place of the feed-forward network; nil for a dense model.
  public var experts: Experts?
  /// Layers that see only the last tokens; nil if all see the whole context.
  public var slidingWindow: SlidingWindow?

  public init(
    name: String, layers: Int, hidden: Int, heads: Int, kvHeads: Int, headDimension: Int,
    feedForward: Int, vocabulary: Int, tiedEmbeddings: Bool = false,
    latentAttention: LatentAttention? = nil, experts: Experts? = nil,
    slidingWindow: SlidingWindow? = nil
  ) {
    self.name = name
    self.layers = layers
    self.hidden = hidden
    self.heads = heads
    self.kvHeads = kvHeads
    self.headDimension = headDimension
    self.feedForward = feedForward
    self.vocabulary = vocabulary
    self.tiedEmbeddings = tiedEmbeddings
    self.latentAttention = latentAttention
    self.experts = experts
    self.slidingWindow = slidingWindow
  }

  // MARK: Parameters

  /// Layers whose feed-forward network is one, not experts.
  public var denseLayers: Int { experts?.denseLayers ?? layers }

  /// Linear parameters of one layer's attention: its projections in, down, up and out.
  public var attentionParameters: Int {
    guard let latent = latentAttention else {
      return hidden * (heads + 2 * kvHeads) * headDimension + heads * headDimension * hidden
    }
    return replicatedAttentionParameters + latent.queryRank * heads * latent.queryDimension
      + latent.kvRank * heads * (latent.plainDimension + latent.valueDimension)
      + heads * latent.valueDimension * hidden
  }

  /// Those that every tensor-parallel rank holds in full: the projections down to the latents.
  public var replicatedAttentionParameters: Int {
    latentAttention.map { hidden * ($0.queryRank + $0.cachedDimension) } ?? 0
  }

  /// Linear parameters of a layer without experts.
  public var denseLayerParameters: Int { attentionParameters + 3 * hidden * feedForward }

  /// Parameters of one expert.
  public var expertParameters: Int { 3 * hidden * (experts?.feedForward ?? 0) }

  /// All parameters, with input and output embeddings; biases and norms (below 0.1 %) are left out.
  public var parameters: Int {
    var sum = denseLayers * denseLayerParameters + (tiedEmbeddings ? 1 : 2) * vocabulary * hidden
    if let experts {
      sum +=
        (layers - denseLayers)
        * (attentionParameters + hidden * experts.count
          + (experts.count + experts.shared) * expertParameters)
    }
    return sum
  }

  /// Parameters that one token is multiplied with: of the experts its own, of the embeddings the
  /// output's alone, as the authors of gpt-oss count.
  public var activeParameters: Int {
    var sum = denseLayers * denseLayerParameters + vocabulary * hidden
    if let experts {
      sum +=
        (layers - denseLayers)
        * (attentionParameters + hidden * experts.count
          + (experts.active + experts.shared) * expertParameters)
    }
    return sum
  }

  // MARK: KV

  /// Tensors that each layer caches: keys and values, or one latent.
  public var kvTensorsPerLayer: Int { latentAttention == nil ? 2 : 1 }

  /// Bytes of KV cache one token takes over all layers, each part counted once.
  ///
  /// Layers with a sliding window count in full: their blocks are kept and moved as all others, as
  /// by an engine without a cache manager of its own for them.
  public func kvBytesPerToken(elementBytes: Int) -> Int {
    if let latentAttention { return layers * latentAttention.cachedDimension * elementBytes }
    return 2 * layers * kvHeads * headDimension * elementBytes
  }

  /// How often each byte of KV exists on a replica of so many tensor-parallel ranks: latents stand
  /// on every rank, and so does a head that several ranks share.
  public func kvCopies(tensorParallel: Int) -> Int {
    latentAttention == nil ? max(1, tensorParallel / max(1, kvHeads)) : tensorParallel
  }
}

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): the cache holds one compressed
/// latent and one rotated key per token, whatever the number of heads.
public struct LatentAttention: Hashable, Sendable {
  /// Width of the queries' latent (`q_lora_rank`).
  public var queryRank: Int
  /// Width of the cached latent (`kv_lora_rank`).
  public var kvRank: Int
  /// Part of a head's key that is rotated by position, shared by all heads (`qk_rope_head_dim`).
  public var ropeDimension: Int
  /// The rest of a head's key (`qk_nope_head_dim`).
  public var plainDimension: Int
  /// Width of a head's value (`v_head_dim`).
  public var valueDimension: Int

  public init(
    queryRank: Int, kvRank: Int, ropeDimension: Int, plainDimension: Int, valueDimension: Int
  ) {
    self.queryRank = queryRank
    self.kvRank = kvRank
    self.ropeDimension = ropeDimension
    self.plainDimension = plainDimension
    self.valueDimension = valueDimension
  }

  /// Elements cached per token and layer.
  public var cachedDimension: Int { kvRank + ropeDimension }
  /// Width of a head's query and expanded key.
  public var queryDimension: Int { plainDimension + ropeDimension }
}

/// A mixture of experts: each token goes through `active` of `count` and through all shared ones.
public struct Experts: Hashable, Sendable {
  public var count: Int
  public var active: Int
  public var shared: Int
  /// Width of each expert's gated feed-forward network.
  public var feedForward: Int
  /// Layers, the first ones, that have a dense feed-forward network instead.
  public var denseLayers: Int

  public init(count: Int, active: Int, shared: Int, feedForward: Int, denseLayers: Int) {
    self.count = count
    self.active = active
    self.shared = shared
    self.feedForward = feedForward
    self.denseLayers = denseLayers
  }
}

/// Layers whose attention sees only the last `tokens`.
public struct SlidingWindow: Hashable, Sendable {
  public var tokens: Int
  /// How many of the model's layers have it.
  public var layers: Int

  public init(tokens: Int, layers: Int) {
    self.tokens = tokens
    self.layers = layers
  }
}

/// Element type of weights and of the KV cache.
public enum NumberFormat: String, CaseIterable, Sendable {
  case bf16, fp8

  public var bytes: Int { self == .bf16 ? 2 : 1 }
}
