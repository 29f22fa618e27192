// What a folder of results can show, as programs for gnuplot.

import Foundation
import JSONText

/// What keeps a folder from being plotted.
public struct PlotError: Error, CustomStringConvertible {
  public var description: String
}

/// One plot: a program that draws it as PNG and SVG.
public struct Figure: Sendable {
  /// Of the files, without `.png` and `.svg`.
  public let name: String
  /// The gnuplot program, with the data inlined that gnuplot cannot read from the folder.
  public let program: String

  /// All plots of a folder that `run --output` or `sweep --output` has written.
  /// - Throws: `PlotError`, `FileError` or `JSONError` if there is nothing to plot or it is damaged.
  public static func all(in folder: String) throws -> [Figure] {
    func has(_ name: String) -> Bool {
      FileManager.default.fileExists(atPath: "\(folder)/\(name)")
    }
    if has("summary.csv") { return [try sweep(folder)] }
    guard has("requests.jsonl") else {
      throw PlotError(
        description:
          "\(folder) holds neither requests.jsonl (run --output) nor summary.csv (sweep --output)")
    }
    return try ReportPlots(folder).figures
  }

  /// Draws `script` of the folder Plots, which finds `settings` and the data defined.
  ///
  /// - Parameter size: of the PNG in pixels; the SVG has the same shape.
  init(
    _ name: String, folder: String, script: String, settings: [String], size: (Int, Int)
  ) throws {
    self.name = name
    var lines = ["folder = \(Self.quoted(folder))"] + settings
    lines.append("load \(Self.quoted(try Self.script("style.gp")))")
    let (width, height) = size
    let terminals = [
      ("png", "pngcairo size \(width),\(height) font \"DejaVu Sans,16\" linewidth 2"),
      ("svg", "svg size \(width * 3 / 4),\(height * 3 / 4) font \"DejaVu Sans,13\" linewidth 1.5"),
    ]
    for (suffix, terminal) in terminals {
      lines.append("set terminal \(terminal)")
      lines.append("set output \(Self.quoted("\(folder)/\(name).\(suffix)"))")
      lines.append("load \(Self.quoted(try Self.script(script)))")
      lines.append("unset output")
    }
    program = lines.joined(separator: "\n") + "\n"
  }

  /// Okabe and Ito's palette, distinguishable with any colour vision: the same colour for a system in
  /// every plot, and what is left for systems with names of their own.
  static func colours(_ systems: [String]) -> String {
    let own = [
      "nixl": "#0072B2", "lmcache": "#D55E00", "tract": "#009E73", "tract-nocache": "#CC79A7",
      "mooncake": "#E69F00", "beluga": "#56B4E9", "ideal": "#000000", "aggregated": "#999999",
    ]
    let used = Set(systems.compactMap { own[$0] })
    var left = own.values.filter { !used.contains($0) }.sorted()
    let colours = systems.map { system -> String in
      if let colour = own[system] { return colour }
      return left.isEmpty ? "#444444" : left.removeFirst()
    }
    return "array colours[\(colours.count)] = ["
      + colours.map { "\"\($0)\"" }.joined(separator: ", ") + "]"
  }

  /// A figure for what one numeric axis does.
  private static func sweep(_ folder: String) throws -> Figure {
    let path = "\(folder)/summary.csv"
    let lines = String(decoding: try AtomicFile.read(path), as: UTF8.self)
      .split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    guard let header = lines.first, let place = header.firstIndex(of: "system"), lines.count > 1
    else { throw PlotError(description: "\(path) is no summary of a sweep") }
    guard place == 1, let first = lines[1].first, Double(first) != nil else {
      throw PlotError(
        description: "\(path): a sweep is plotted against one varied number, not against "
          + header[..<place].joined(separator: ", "))
    }
    var systems: [String] = []
    for line in lines.dropFirst() where line.count > place + 1 {
      if !systems.contains(String(line[place])) { systems.append(String(line[place])) }
    }
    let values = Set(lines.dropFirst().compactMap { $0.first.flatMap { Double($0) } }).sorted()
    // Values that double or more from each to the next were meant as factors.
    let logarithmic =
      values.count > 2 && values[0] > 0
      && zip(values, values.dropFirst()).allSatisfy { $1 >= 1.9 * $0 }
    let several = lines[1][place + 1] != "1"
    return try Figure(
      "sweep", folder: folder, script: "sweep.gp",
      settings: [
        "title_text = \(quoted(URL(fileURLWithPath: folder).lastPathComponent))",
        "path = \(quoted(String(header[0])))",
        "systems = \(quoted(systems.joined(separator: " ")))",
        colours(systems), "log_x = \(logarithmic ? 1 : 0)", "bands = \(several ? 1 : 0)",
      ], size: (1800, 1100))
  }

  static func quoted(_ text: String) -> String {
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
