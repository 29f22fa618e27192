// `tract-sim probe trace`: what a trace looks like.

import ArgumentParser
import Rack
import Report
import Workload

struct ProbeTrace: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "A trace's arrivals, lengths and prefix reuse.",
    discussion: """
      Reads traces of Mooncake, Azure (2023, 2024), BurstGPT, Bailian and kv-cache-tester, and CSV of \
      lengths. Hits are those of one LRU cache for all requests, exact for every capacity; with \
      --model also by gigabytes of its KV. csv prints the whole curve.

      Examples:
        tract-sim probe trace conversation_trace.jsonl --model llama-3.1-8b
        tract-sim probe trace conversation_trace.jsonl --format csv > hits.csv
        tract-sim probe trace traces/ --concurrency 20
      """)

  enum Output: String, CaseIterable, ExpressibleByArgument { case table, json, csv }

  @Argument(help: "A trace, plain, .xz or .gz, or a folder of kv-cache-tester's sessions.")
  var file: String
  @OptionGroup var options: TraceOptions
  @OptionGroup var arrivals: SessionOptions
  @Option(help: "Model of the catalogue whose KV is cached.") var model: String?
  @Option(help: "KV: bf16 or fp8.") var kvDtype = NumberFormat.bf16
  @Option(help: "table, json or csv.") var format = Output.table

  func run() throws {
    let stream = try options.stream(file, arrivals)
    let statistics = TraceStatistics(stream, seed: UInt64(arrivals.seed))
    var bytes: Int?
    if let model {
      guard let spec = Catalogue.builtIn.model(model) else {
        let names = Catalogue.builtIn.names(in: .model).joined(separator: ", ")
        throw ValidationError("unknown model; there are \(names)")
      }
      bytes = spec.kvBytesPerToken(elementBytes: kvDtype.bytes)
    }
    let report = TraceReport(statistics, bytesPerToken: bytes)
    switch format {
    case .json: print(report.json.text(indented: true))
    case .csv: print(report.csv, terminator: "")
    case .table: print(report.table, terminator: "")
    }
  }
}

extension NumberFormat: ExpressibleByArgument {}
