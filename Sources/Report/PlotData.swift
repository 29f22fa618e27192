// Plot scripts for gnuplot, with the data of a report folder inlined.

import Foundation
import JSONText

/// What keeps a folder from being plotted.
public struct PlotError: Error, CustomStringConvertible {
  public var description: String
}

/// Reads a report folder back for plotting.
public enum PlotData {
  /// A gnuplot program that draws the folder's TTFT distributions as PNG and SVG.
  ///
  /// The look is `Plots/ttft-cdf.gp`'s, found in the working directory or beside the program.
  public static func ttftCDF(folder: String) throws -> String {
    let path = "\(folder)/requests.jsonl"
    var systems: [String] = []
    var samples: [String: [Double]] = [:]
    let lines = try AtomicFile.read(path).split(separator: UInt8(ascii: "\n"))
    for (index, line) in lines.enumerated() {
      let node = try JSONParser.parse(Array(line), firstLine: index + 1)
      guard case .string(let system)? = node["system"]?.value else {
        throw PlotError(description: "\(path): line \(index + 1) names no system")
      }
      if samples[system] == nil { systems.append(system) }
      let ttft = node["ttft_ms"]?.value.double
      samples[system, default: []] += ttft.map { [$0] } ?? []
    }
    guard systems.contains(where: { samples[$0]?.isEmpty == false }) else {
      throw PlotError(description: "\(path) holds no request with a first token")
    }
    var program = "folder = \(quoted(folder))\ntitle_text = \(quoted(try title(folder)))\n"
    program += "systems = \(quoted(systems.joined(separator: " ")))\n"
    for (index, system) in systems.enumerated() {
      let sorted = (samples[system] ?? []).sorted()
      program += "$system\(index + 1) << EOD\n"
      for (rank, value) in sorted.enumerated() {
        program += "\(value) \(Double(rank + 1) / Double(sorted.count))\n"
      }
      program += "EOD\n"
    }
    return program + "load \(quoted(try script("ttft-cdf.gp")))\n"
  }

  private static func title(_ folder: String) throws -> String {
    let report = try JSONParser.parse(try AtomicFile.read("\(folder)/report.json"))
    guard case .string(let name)? = report["name"]?.value else { return "" }
    return name
  }

  private static func quoted(_ text: String) -> String {
    "'" + text.replacingOccurrences(of: "'", with: "''") + "'"
  }

  private static func script(_ name: String) throws -> String {
    var folders = ["Plots"]
    // Beside the program, or beside the package that built it.
    var folder = URL(fileURLWithPath: CommandLine.arguments[0]).standardizedFileURL
    for _ in 0..<5 {
      folder.deleteLastPathComponent()
      folders.append(folder.appendingPathComponent("Plots").path)
    }
    let paths = folders.map { "\($0)/\(name)" }
    guard let path = paths.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
      throw PlotError(
        description: "the plot script \(name) is not in \(folders[0]); "
          + "run from the project's folder")
    }
    return path
  }
}
