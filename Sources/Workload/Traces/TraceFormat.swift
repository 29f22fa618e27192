// The trace formats that are read, and how a file shows which it has.

import JSONText

/// A layout of recorded requests.
public enum TraceFormat: String, CaseIterable, Sendable {
  /// Whichever the file's begin shows.
  case auto
  /// Mooncake's JSON lines, as AIPerf and Dynamo's replay read them too.
  case mooncake
  /// CSV of the Azure LLM inference traces of 2023 and 2024.
  case azure
  /// CSV of BurstGPT, with sessions or without.
  case burstgpt
  /// JSON lines of Alibaba's Bailian traces.
  case bailian
  /// Sessions of kv-cache-tester: a folder of JSON files, one such file, or sessions as JSON lines.
  case kvCacheTester = "kv_cache_tester"
  /// CSV of lengths: `input_tokens,output_tokens`, and perhaps `time_s` and `session_id`.
  case lengths

  /// Tokens per hash id if neither the workload nor the file says; of unshared prompts, how coarsely
  /// they are named.
  var blockTokens: Int {
    switch self {
    case .bailian: 16
    case .kvCacheTester: 64
    default: 512
    }
  }

  /// The format that a file's first line shows; nil if it is none of them.
  static func detected(_ line: some BidirectionalCollection<UInt8>) -> TraceFormat? {
    if line.first == UInt8(ascii: "{") {
      // Keys are enough: a torn line is reported as torn, not as another format.
      let text = String(decoding: line.prefix(4096), as: UTF8.self)
      if text.contains("\"chat_id\"") { return .bailian }
      let isSession = text.contains("\"requests\"") && !text.contains("\"input_length\"")
      return isSession ? .kvCacheTester : .mooncake
    }
    let names = CSVHeader.names(line)
    if names.contains("contexttokens") { return .azure }
    if names.contains("request tokens") { return .burstgpt }
    if names.contains("input_tokens") { return .lengths }
    return nil
  }
}
