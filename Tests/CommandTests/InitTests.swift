// `tract-sim init`, shell completions.

import Foundation
import JSONText
import Testing

@Suite struct InitTests {
  /// What it writes is good, says what its keys are, and runs.
  @Test(arguments: ["h100-rack", "tract-testbed"]) func aWorkloadToBeginWith(_ preset: String)
    throws
  {
    let scratch = try Scratch()
    let file = scratch.file("my-rack.json")
    let result = try Command.sim("init", preset, "--output", file)
    #expect(result.status == 0, "\(result.error)")
    let root = try JSONParser.parse(try AtomicFile.read(file))
    #expect(root["name"]?.value.text(indented: false) == "\"my-rack\"")
    guard case .object(let members) = root.value else { return }
    #expect(members.count { $0.key.hasPrefix("//") } > 5)
    #expect(try Command.sim("validate", file).status == 0)
    let run = try Command.sim("run", file, "--set", "stop={\"requests\":20}")
    #expect(run.status == 0, "\(run.error)")
    // Nothing is overwritten.
    #expect(try Command.sim("init", preset, "--output", file).status == 73)
  }

  @Test func unknownPresetsAreNamed() throws {
    let scratch = try Scratch()
    let result = try Command.sim("init", "moon", "--output", scratch.file("w.json"))
    #expect(result.status == 64 && result.error.contains("h100-rack"))
    #expect(try scratch.names.isEmpty)
    #expect(try Command.sim("init", "h100-rack", "--output", scratch.file(".json")).status == 64)
    #expect(
      try Command.sim("init", "h100-rack", "--output", scratch.file("no/w.json")).status == 73)
  }

  @Test(arguments: ["tract-sim", "tract-pool"]) func completions(_ program: String) throws {
    for shell in ["bash", "zsh", "fish"] {
      let script = try Command.run(program, ["--generate-completion-script", shell])
      #expect(script.status == 0 && script.output.contains(program))
      #expect(script.output.contains(program == "tract-sim" ? "capacity" : "stress"))
    }
    let scratch = try Scratch()
    let script = try Command.run(program, ["--generate-completion-script", "bash"]).output
    let file = try scratch.write("completion.bash", script)
    let check = try Process.run(URL(fileURLWithPath: "/bin/bash"), arguments: ["-n", file])
    check.waitUntilExit()
    #expect(check.terminationStatus == 0)
  }
}
