// The work of one engine step, as far as its time depends on it.

extension StepTimeModel {
  /// The work of one step.
  public struct Batch: Hashable, Sendable {
    /// Sequences that compute one token over an existing context.
    public private(set) var decodeSequences = 0
    /// Sum of their context lengths, tokens.
    public private(set) var decodeContextTokens = 0.0
    /// The same where each context ends at the window.
    public private(set) var decodeWindowTokens = 0.0
    /// Prompt tokens computed in this step.
    public private(set) var prefillTokens = 0
    /// Their earlier tokens.
    public private(set) var prefillCachedTokens = 0.0
    /// Sum over prompts of n·c + n²/2 for n new and c earlier tokens.
    public private(set) var prefillAttentionPairs = 0.0
    /// The same where each token sees at most the window.
    public private(set) var prefillWindowPairs = 0.0
    /// Sequences that sample a token at the end of the step.
    public var sampledSequences = 0
    /// Tokens that layers with a sliding window see; `Int.max` if there are none.
    public let window: Int

    /// No work yet, for a model whose `StepTimeModel.window` is `window`.
    public init(window: Int = .max) { self.window = window }

    /// Adds `tokens` new tokens of a prompt of which `cached` tokens have KV already.
    public mutating func addPrefill(tokens: Int, cached: Int) {
      addPrefill(tokens: tokens, cached: Double(cached))
    }

    mutating func addPrefill(tokens: Int, cached: Double) {
      prefillTokens += tokens
      prefillCachedTokens += cached
      let n = Double(tokens)
      prefillAttentionPairs += n * cached + n * n / 2
      guard window < .max else { return }
      // The first tokens still see all before them.
      let growing = min(max(Double(window) - cached, 0), n)
      prefillWindowPairs +=
        growing * cached + growing * growing / 2 + (n - growing) * Double(window)
    }

    /// Adds `sequences` that compute one token each over `contextTokens` in all, alike in length.
    /// - Precondition: `sequences` is positive.
    public mutating func addDecode(sequences: Int = 1, contextTokens: Int) {
      addDecode(sequences: sequences, context: Double(contextTokens) / Double(sequences))
    }

    mutating func addDecode(sequences: Int, context: Double) {
      decodeSequences += sequences
      decodeContextTokens += Double(sequences) * context
      decodeWindowTokens += Double(sequences) * min(context, Double(window))
    }
  }
}
