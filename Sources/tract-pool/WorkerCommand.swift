// One process of `tract-pool bench`: a node that caches prompts and checks what it reads.

import ArgumentParser
import Foundation
import JSONText
import PoolBench

struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "One process of a bench.", shouldDisplay: false)

  /// What a worker says once it has attached; it works when its standard input ends.
  static let ready = Data("ready\n".utf8)

  @Argument var path: String
  @Option var node: Int
  @OptionGroup var load: Load
  @OptionGroup var access: PoolAccess

  func run() throws {
    let pool = try OpenPool(path, exclusively: false, access)
    guard (0..<pool.geometry.nodes).contains(node) else {
      throw ValidationError("the pool has no node \(node)")
    }
    do {
      let geometry = pool.geometry
      var worker = try Worker(pool.memory, geometry, node: node, load: load.benchLoad)
      FileHandle.standardOutput.write(Self.ready)
      _ = try FileHandle.standardInput.readToEnd()
      print(try worker.work().text(indented: false))
    } catch is DeadlinePassed {
      throw Exit.fail(Exit.unavailable, "node \(node) was not done after \(load.timeout) s")
    }
  }
}
