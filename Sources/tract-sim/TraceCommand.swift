// `tract-sim trace`: traces made and translated.

import ArgumentParser
import JSONText
import Report
import Workload

struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Make or translate traces, as Mooncake's JSON lines.",
    subcommands: [TraceSynthesize.self, TraceConvert.self])

  /// Prints a trace or writes it whole.
  static func write(_ stream: RequestStream, _ output: String?) throws {
    let text = TraceWriter.mooncake(stream)
    guard let output else {
      print(text, terminator: "")
      return
    }
    try Exit.writing { try AtomicFile.write(text, to: output) }
  }
}

struct TraceConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Write a trace of any known format as Mooncake's JSON lines.",
    discussion: """
      AIPerf (--custom-dataset-type mooncake_trace) and Dynamo's replay read what it writes; tell them \
      the block size if it is not 512. Prompts of traces without hash ids share nothing.

      Examples:
        tract-sim trace convert AzureLLMInferenceTrace_conv.csv --from 600 --to 1200 --output t.jsonl
        tract-sim trace convert traces/ --concurrency 20 --sessions 100 --output sessions.jsonl
      """)

  @Argument(help: "A trace, plain, .xz or .gz, or a folder of kv-cache-tester's sessions.")
  var file: String
  @OptionGroup var options: TraceOptions
  @OptionGroup var arrivals: SessionOptions
  @Option(help: "Divide recorded gaps.") var speedup = 1.0
  @Option(help: "File to write; standard output without it.") var output: String?

  func validate() throws {
    guard speedup > 0, speedup <= 1e6 else {
      throw ValidationError("'--speedup' must be above 0 and at most 1000000")
    }
  }

  func run() throws {
    try TraceCommand.write(try options.stream(file, arrivals, speedup: speedup), output)
  }
}

struct TraceSynthesize: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synthesize", abstract: "Draw a trace from a session model or another trace.",
    discussion: """
      --model draws conversations with parameters measured on a public trace; what two requests share \
      depends on how far apart they come, as in the trace. --like draws random walks over another \
      trace's prefix tree, as the data generator of Dynamo does; its options have the names of that \
      tool. Such a trace has no locality in time, and shares more the longer it is: prefer a model or \
      the trace itself to judge caches.

      Examples:
        tract-sim trace synthesize --model mooncake-conversation --requests 12000 --output t.jsonl
        tract-sim trace synthesize --model agentic-code --concurrency 20 --requests 2000 --output a.jsonl
        tract-sim trace synthesize --like conversation_trace.jsonl --requests 12000 --speedup-ratio 2
      """)

  @Option(help: "Session model to draw from.") var model: SessionModel?
  @Option(help: ArgumentHelp("Trace whose prefix tree is walked.", valueName: "file"))
  var like: String?
  @Option(help: "Requests to draw.") var requests: Int
  @OptionGroup var arrivals: SessionOptions
  @Option(help: "Divide gaps.") var speedupRatio = 1.0
  @Option(help: "Multiply lengths of shared prefixes (--like).") var prefixLenMultiplier = 1.0
  @Option(help: "Copies of the prefix tree (--like).") var prefixRootMultiplier = 1
  @Option(help: "Multiply lengths of unshared tails (--like).") var promptLenMultiplier = 1.0
  @Option(help: "Multiply lengths of answers (--like).") var oslMultiplier = 1.0
  @Option(help: "Shortest prompt, others are drawn anew (--like).") var minIsl: Int?
  @Option(help: "Longest prompt, others are drawn anew (--like).") var maxIsl: Int?
  @Option(help: "Answers are at least this long (--like).") var minOsl: Int?
  @Option(help: "Answers are at most this long (--like).") var maxOsl: Int?
  @Option(help: "Tokens per hash id of --like (default: the format's).") var blockTokens: Int?
  @Option(help: "File to write; standard output without it.") var output: String?

  func validate() throws {
    guard (model == nil) != (like == nil) else {
      throw ValidationError("give --model or --like, one of them")
    }
    guard (1...10_000_000).contains(requests) else {
      throw ValidationError("'--requests' must be 1 to 10000000")
    }
    for (name, value) in [
      ("speedup-ratio", speedupRatio), ("prefix-len-multiplier", prefixLenMultiplier),
      ("prompt-len-multiplier", promptLenMultiplier), ("osl-multiplier", oslMultiplier),
    ] where !(value > 0 && value <= 1000) {
      throw ValidationError("'--\(name)' must be above 0 and at most 1000")
    }
    guard (1...1_000_000).contains(prefixRootMultiplier) else {
      throw ValidationError("'--prefix-root-multiplier' must be 1 to 1000000")
    }
    for (name, low, high) in [("isl", minIsl, maxIsl), ("osl", minOsl, maxOsl)] {
      guard (low ?? 1) >= 1, (low ?? 1) <= high ?? .max else {
        throw ValidationError("'--min-\(name)' must be 1 or more, and '--max-\(name)' not below it")
      }
    }
    guard (1...65_536).contains(blockTokens ?? 1) else {
      throw ValidationError("'--block-tokens' must be 1 to 65536")
    }
  }

  func run() throws {
    let seed = UInt64(arrivals.seed)
    let stream: RequestStream
    do {
      if let model {
        stream = try RequestStream.sessions(
          Traffic.SessionSpec(model: model, speedup: speedupRatio), count: requests,
          arrivals: arrivals.process, seed: seed)
      } else {
        let spec = Traffic.TraceSpec(path: like ?? "", blockTokens: blockTokens)
        let trace = try RequestStream.trace(
          spec, limit: nil, arrivals: arrivals.process, seed: seed)
        stream = PrefixTreeModel(trace, treeOptions).requests(requests, seed: seed)
      }
    } catch {
      throw Exit.fail(Exit.badInput, error.description)
    }
    guard stream.count == requests else {
      throw Exit.fail(
        Exit.badInput,
        "only \(stream.count) of \(requests) requests are possible: prompts are too long to be "
          + "held, or hardly any lies within --min-isl and --max-isl")
    }
    try TraceCommand.write(stream, output)
  }

  private var treeOptions: PrefixTreeModel.Options {
    var options = PrefixTreeModel.Options()
    options.speedup = speedupRatio
    options.prefixLengthMultiplier = prefixLenMultiplier
    options.rootMultiplier = prefixRootMultiplier
    options.promptLengthMultiplier = promptLenMultiplier
    options.outputLengthMultiplier = oslMultiplier
    options.inputTokens = (minIsl ?? 1)...(maxIsl ?? 10_000_000)
    options.outputTokens = (minOsl ?? 1)...(maxOsl ?? 10_000_000)
    return options
  }
}
