// `tract-sim run`: the comparison.

import ArgumentParser
import Foundation
import JSONText
import Report

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run workloads and compare their systems.",
    discussion: """
      Without a file it runs the embedded quickstart.

      Examples:
        tract-sim run w.json --set traffic.arrivals.rate_rps=2 --seed 7 --output out --plot
        tract-sim run w.json --format vllm | grep 'P99 TTFT'
        tract-sim run w.json --systems tract --format aiperf-json > profile_export_aiperf.json
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument {
    case table, vllm, aiperf
    case aiperfJSON = "aiperf-json"
    case json, csv
  }

  @Argument(help: "Workload files.") var files: [String] = []
  @OptionGroup var options: WorkloadOptions
  @Option(help: "Folder for report.json, report.csv, requests.jsonl, series.csv, workload.json.")
  var output: String?
  @Option(help: "What to print: \(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format = Format.table
  @Flag(help: "Draw the plots of the output folder.") var plot = false
  @Flag(help: "Simulate every engine step as an event: slower, the same result.")
  var exactSteps = false
  @Option(help: "Write all of it as one HTML page, plots included.") var html: String?
  @OptionGroup var timeline: TimelineOptions

  func validate() throws {
    if plot, output == nil { throw ValidationError("'--plot' needs '--output DIR'") }
    if files.count > 1, output != nil {
      throw ValidationError("'--output' takes one workload file, \(files.count) are given")
    }
    for (name, value) in [("html", html), ("timeline", timeline.timeline)]
    where files.count > 1 && value != nil {
      throw ValidationError("'--\(name)' takes one workload file, \(files.count) are given")
    }
  }

  func run() throws {
    let paths: [String?] = files.isEmpty ? [nil] : files
    for workload in try paths.map({ try options.load($0) }) {
      let recorder = try timeline.open()
      // A page alone is drawn from files in a folder of its own.
      let drawing = html == nil ? nil : Self.temporaryFolder()
      defer { if let drawing { try? FileManager.default.removeItem(atPath: drawing) } }
      let folder = output ?? drawing
      let comparison = try options.compare(
        workload, exactSteps: exactSteps, observer: recorder,
        keeping: Comparison.Keeping(
          records: format == .aiperf || format == .aiperfJSON, log: folder), isLong: true)
      try Exit.writing { try recorder?.close() }
      if let folder {
        try Exit.writing { try ReportFiles.write(comparison, to: folder) }
      }
      switch format {
      case .table: print(ComparisonTable.text(comparison), terminator: "")
      case .vllm: print(VLLMFormat.text(comparison), terminator: "")
      case .aiperf: print(AIPerfFormat.table(comparison), terminator: "")
      case .aiperfJSON: print(AIPerfFormat.json(comparison), terminator: "")
      case .json: print(ReportFiles.json(comparison).text(indented: true))
      case .csv: print(ReportFiles.csv(comparison), terminator: "")
      }
      if plot, let output { try PlotCommand.draw(output) }
      if let html, let drawing {
        if let output { try Self.link(output, into: drawing) }
        try Exit.writing { try Self.write(comparison, html, drawnIn: drawing) }
      }
    }
  }

  private static func temporaryFolder() -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("tract-sim-\(UUID().uuidString)")
      .path
  }

  /// Makes the report's files seen in a folder where plots may be drawn.
  private static func link(_ output: String, into folder: String) throws {
    let manager = FileManager.default
    let source = URL(fileURLWithPath: output)
    try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for name in ["report.json", "report.csv", "requests.jsonl", "series.csv"] {
      try manager.createSymbolicLink(
        atPath: "\(folder)/\(name)",
        withDestinationPath: source.appendingPathComponent(name).path)
    }
  }

  private static func write(
    _ comparison: Comparison, _ path: String, drawnIn folder: String
  ) throws {
    let plots = try PlotCommand.figures(folder).map { figure in
      try PlotCommand.gnuplot(figure.program)
      let svg = try AtomicFile.read("\(folder)/\(figure.name).svg")
      return HTMLReport.Plot(caption: figure.caption, svg: String(decoding: svg, as: UTF8.self))
    }
    try AtomicFile.write(HTMLReport.text(comparison, plots: plots), to: path)
  }
}
