// What the documentation says commands print is what they print.

import Foundation
import Testing

/// A document's `console` blocks: lines that begin with `$ ` are commands, those that end with a
/// backslash go on in the next, as do those after `<<'END'` until `END`; all others are what the
/// commands before them print. A line `…` stands for any lines.
private struct ConsoleBlock {
  var steps: [(command: String, output: [String])] = []

  init(_ lines: ArraySlice<String>) {
    var isContinued = false
    for line in lines {
      if isContinued {
        steps[steps.count - 1].command += "\n" + line
      } else if line.hasPrefix("$ ") {
        steps.append((String(line.dropFirst(2)), []))
      } else if !steps.isEmpty {
        steps[steps.count - 1].output.append(line)
      }
      let isCommand = isContinued || line.hasPrefix("$ ")
      let hasText = steps.last?.command.contains("<<'END'") == true && line != "END"
      isContinued = isCommand && (line.hasSuffix("\\") || hasText)
    }
  }

  var lines: [String] {
    steps.flatMap { ("$ " + $0.command).split(separator: "\n").map(String.init) + $0.output }
  }
}

/// Whether lines match a pattern in which `…` stands for any lines.
private func matches(_ lines: ArraySlice<String>, _ pattern: ArraySlice<String>) -> Bool {
  guard let first = pattern.first else { return lines.isEmpty }
  if first == "…" {
    return (0...lines.count).contains { matches(lines.dropFirst($0), pattern.dropFirst()) }
  }
  return lines.first == first && matches(lines.dropFirst(), pattern.dropFirst())
}

@Suite struct DocumentTests {
  /// Documents that show commands and what they print, by path in `docs` without the suffix.
  private static let documents: [String] = {
    let folder = Command.package.appendingPathComponent("docs")
    let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String }
    return (names ?? []).sorted().filter { name in
      let text = try? String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      return name.hasSuffix(".md") && text?.contains("```console\n") == true
    }.map { String($0.dropLast(3)) }
  }()

  /// Runs a document's commands one after another in a folder that looks like the project's.
  ///
  /// `TRACT_ACCEPT_GOLDENS=1` writes what they print now, where the document shows it whole.
  @Test(arguments: documents) func commandsPrintWhatIsWritten(_ name: String)
    throws
  {
    let file = Command.package.appendingPathComponent("docs/\(name).md")
    var lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
    let scratch = try Scratch()
    for folder in ["Workloads", "Results", "Scripts"] {
      try FileManager.default.createSymbolicLink(
        atPath: scratch.file(folder),
        withDestinationPath: Command.package.appendingPathComponent(folder).path)
    }
    var blocks = 0
    while let start = lines.indices.first(where: { lines[$0] == "```console" }) {
      let end = try #require(lines[start...].firstIndex(of: "```"))
      var block = ConsoleBlock(lines[(start + 1)..<end])
      for index in block.steps.indices {
        let step = block.steps[index]
        let printed = try run(step.command, in: scratch)
        if isAccepting, !step.output.contains("…") { block.steps[index].output = printed }
        #expect(
          matches(printed[...], block.steps[index].output[...]),
          "\(name).md: \(step.command)\n\(printed.joined(separator: "\n"))")
      }
      // Marked as done, until the text is written back.
      lines.replaceSubrange(start...end, with: ["```console done"] + block.lines + ["```"])
      blocks += 1
    }
    #expect(blocks > 0)
    guard isAccepting else { return }
    let text = lines.map { $0 == "```console done" ? "```console" : $0 }.joined(separator: "\n")
    try text.write(to: file, atomically: true, encoding: .utf8)
  }

  private var isAccepting: Bool {
    ProcessInfo.processInfo.environment["TRACT_ACCEPT_GOLDENS"] == "1"
  }

  private func run(_ command: String, in scratch: Scratch) throws -> [String] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", "(\n\(command)\n) >.printed 2>&1"]
    process.currentDirectoryURL = scratch.folder
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = Command.products.path + ":" + (environment["PATH"] ?? "")
    environment["COLUMNS"] = "100"
    environment["GITHUB_ACTIONS"] = nil
    process.environment = environment
    try process.run()
    process.waitUntilExit()
    var lines = try String(contentsOfFile: scratch.file(".printed"), encoding: .utf8)
      .components(separatedBy: "\n")
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}
