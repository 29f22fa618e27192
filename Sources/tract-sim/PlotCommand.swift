// `tract-sim plot`: draws what a folder of results can show, with gnuplot.

import ArgumentParser
import Foundation
import Report

struct PlotCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plot", abstract: "Draw the plots of a folder of results with gnuplot.",
    discussion: """
      After run --output: distributions of TTFT and TPOT, the breakdown of a request's time, and \
      engines over time. After sweep --output with one varied number: latency, throughput, goodput \
      and reuse against it. Each is written into the folder as PNG and SVG.
      """)

  @Argument(help: "A folder that run --output or sweep --output has written.") var folder: String
  @Flag(help: "Print the gnuplot programs instead of running them.") var script = false

  func run() throws {
    if script {
      for figure in try Self.figures(folder) { print(figure.program) }
    } else {
      try Self.draw(folder)
    }
  }

  static func draw(_ folder: String) throws {
    for figure in try figures(folder) {
      try gnuplot(figure.program)
      print("wrote \(folder)/\(figure.name).png and \(folder)/\(figure.name).svg")
    }
  }

  private static func figures(_ folder: String) throws -> [Figure] {
    do {
      return try Figure.all(in: folder)
    } catch {
      throw Exit.fail(Exit.badInput, "\(error)")
    }
  }

  private static func gnuplot(_ program: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gnuplot", "-"]
    let input = Pipe()
    process.standardInput = input
    do {
      try process.run()
    } catch {
      throw Exit.fail(Exit.internalError, "gnuplot cannot be started: \(error)")
    }
    input.fileHandleForWriting.write(Data(program.utf8))
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let reason =
        process.terminationStatus == 127
        ? "gnuplot is not installed; apt-get install gnuplot-nox" : "gnuplot fails"
      throw Exit.fail(ExitCode(69), reason)
    }
  }
}
