// The plots of one run's folder.

import Foundation
import JSONText

/// Distributions, breakdown and utilisation of a folder that `run --output` has written.
struct ReportPlots {
  let folder: String
  private let title: String
  private var systems: [String] = []
  /// By system: one value a request that has one.
  private var ttft: [String: [Double]] = [:]
  private var tpot: [String: [Double]] = [:]

  init(_ folder: String) throws {
    self.folder = folder
    let report = try JSONParser.parse(try AtomicFile.read("\(folder)/report.json"))
    if case .string(let name)? = report["name"]?.value { title = name } else { title = "" }
    let path = "\(folder)/requests.jsonl"
    let lines = try AtomicFile.read(path).split(separator: UInt8(ascii: "\n"))
    for (index, line) in lines.enumerated() {
      let node = try JSONParser.parse(Array(line), firstLine: index + 1)
      guard case .string(let system)? = node["system"]?.value else {
        throw PlotError(description: "\(path): line \(index + 1) names no system")
      }
      if !systems.contains(system) { systems.append(system) }
      if let value = node["ttft_ms"]?.value.double { ttft[system, default: []].append(value) }
      if let value = node["tpot_ms"]?.value.double { tpot[system, default: []].append(value) }
    }
    guard !ttft.isEmpty else {
      throw PlotError(description: "\(path) holds no request with a first token")
    }
  }

  var figures: [Figure] {
    get throws {
      let common = ["title_text = \(Figure.quoted(title))"]
      let perSystem =
        common + [
          "systems = \(Figure.quoted(systems.joined(separator: " ")))", Figure.colours(systems),
        ]
      var figures = [
        try Figure(
          "ttft-cdf", folder: folder, script: "cdf.gp",
          settings: perSystem + ["label = \"Time to first token (ms)\"", "set xrange [0:*]"]
            + blocks(ttft),
          size: (1200, 800))
      ]
      // Answers of one token have none.
      if !tpot.isEmpty {
        figures.append(
          try Figure(
            "tpot-cdf", folder: folder, script: "cdf.gp",
            settings: perSystem + ["label = \"Time per further token (ms)\""] + blocks(tpot),
            size: (1200, 800)))
      }
      figures.append(
        try Figure(
          "breakdown", folder: folder, script: "breakdown.gp", settings: common, size: (1400, 800)))
      figures.append(
        try Figure(
          "utilisation", folder: folder, script: "utilisation.gp", settings: perSystem,
          size: (1400, 1700)))
      return figures
    }
  }

  /// The distributions as data blocks, one a system.
  private func blocks(_ samples: [String: [Double]]) -> [String] {
    systems.enumerated().flatMap { index, system -> [String] in
      let sorted = (samples[system] ?? []).sorted()
      return ["$system\(index + 1) << EOD"]
        + sorted.enumerated().map { "\($1) \(Double($0 + 1) / Double(sorted.count))" } + ["EOD"]
    }
  }
}
