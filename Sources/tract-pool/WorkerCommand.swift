// One process of `tract-pool bench` or `stress`: a node that caches prompts and checks what it
// reads.

import ArgumentParser
import Foundation
import JSONText
import PoolBench
import TractStore

/// What each worker process asks for; options that commands share.
struct Load: ParsableArguments {
  @Option(help: "Prompts that the processes ask for.") var prompts = 128
  @Option(help: "Blocks of a prompt; groups of eight prompts share the first half.")
  var promptBlocks = 32
  @Option(help: "Seed of the order in which prompts are asked for.") var seed: UInt64 = 1

  func validate() throws {
    guard (1...1_000_000).contains(prompts), (1...4096).contains(promptBlocks) else {
      throw ValidationError("--prompts must be 1 to 1000000, --prompt-blocks 1 to 4096")
    }
  }

  var benchLoad: BenchLoad { BenchLoad(prompts: prompts, promptBlocks: promptBlocks, seed: seed) }

  var arguments: [String] {
    ["--prompts", "\(prompts)", "--prompt-blocks", "\(promptBlocks)", "--seed", "\(seed)"]
  }
}

struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "One process of a bench.", shouldDisplay: false)

  @Argument var path: String
  @Option var node: Int
  /// Seconds of work from the end of standard input; without it, work until that end.
  @Option var seconds: Double?
  /// Seconds after which waiting is given up.
  @Option var timeout = 60.0
  @Option var dieAfter: Int?
  /// Look at all payload and all locks, instead of working.
  @Flag var check = false
  @OptionGroup var lease: Lease
  @OptionGroup var load: Load
  @OptionGroup var access: PoolAccess

  func run() throws {
    endWithParent()
    let pool = try OpenPool(path, exclusively: false, access)
    let geometry = pool.geometry
    guard (0..<geometry.nodes).contains(node) else {
      throw ValidationError("the pool has no node \(node)")
    }
    let process = try currentProcess()
    if seconds != nil {
      // Attached, which takes no locks.
      say(.object(["ready": .bool(true)]))
      while !inputHasEnded() { sleep(nanoseconds: 100_000) }
    }
    do {
      var worker = Worker(
        try PoolNode(
          FaultyMemory(pool.memory, pointsLeft: dieAfter), geometry, node: node,
          leaseNanoseconds: lease.nanoseconds, patience: timeout, process: process),
        load: load.benchLoad)
      say(.object(["joined": .bool(true)]))
      if check { try examine(&worker) } else { try work(&worker) }
      try worker.leave()
      say(.object(["left": .bool(true)]))
    } catch {
      say(.object(["failure": .string("\(error)")]))
      throw Exit.fail(Exit.unavailable, "node \(node): \(error)")
    }
  }

  private func work(_ worker: inout Worker) throws(NodeFailure) {
    if seconds != nil { try worker.awaitManager() }
    let end = seconds.map { monotonicNanoseconds() + UInt64($0 * 1e9) }
    var toldAt: UInt64 = 0
    var toldCorrupt = 0
    try worker.work(
      until: { if let end { monotonicNanoseconds() >= end } else { inputHasEnded() } },
      tell: { worker in
        // Often enough that a kill loses little, and at once what must not be lost.
        let now = monotonicNanoseconds()
        guard seconds == nil,
          now - toldAt > 50_000_000 || worker.corruptBlocks > toldCorrupt
        else { return }
        toldAt = now
        toldCorrupt = worker.corruptBlocks
        say(worker.counts)
      })
    say(seconds == nil ? worker.counts : worker.result)
  }

  private func examine(_ worker: inout Worker) throws(NodeFailure) {
    try worker.verifyEverything()
    let stuck = try worker.stuckLocks()
    say(
      .object([
        "stuck_locks": .integer(stuck), "verified": .integer(worker.verifiedBlocks),
        "corrupt": .integer(worker.corruptBlocks), "leaked": .integer(worker.leakedBlocks),
      ]))
  }

  private func say(_ value: JSONValue) {
    FileHandle.standardOutput.write(Data((value.text(indented: false) + "\n").utf8))
  }
}
