// `tract-sim plot`: runs the gnuplot scripts on a report folder.

import ArgumentParser
import Foundation
import Report

struct PlotCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plot", abstract: "Draw a report folder's plots with gnuplot.")

  @Argument(help: "A folder that run --output has written.") var folder: String

  func run() throws { try Self.draw(folder) }

  static func draw(_ folder: String) throws {
    let cdf: String
    do {
      cdf = try PlotData.ttftCDF(folder: folder)
    } catch {
      throw Exit.fail(Exit.badInput, "\(error)")
    }
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
    input.fileHandleForWriting.write(Data(cdf.utf8))
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let reason =
        process.terminationStatus == 127
        ? "gnuplot is not installed; apt-get install gnuplot-nox" : "gnuplot fails"
      throw Exit.fail(ExitCode(69), reason)
    }
    print("wrote \(folder)/ttft-cdf.png and \(folder)/ttft-cdf.svg")
  }
}
