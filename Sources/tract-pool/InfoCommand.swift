// `tract-pool info`: what a pool is, and with --audit what it holds.

import ArgumentParser
import JSONText
import SharedMemory
import TractStore

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Print a pool's layout and, on request, its contents.")

  @Argument(help: "File, shm:/name or DAX device.") var path: String
  @Flag(help: "Read the whole pool and check its invariants; nobody may be using it.")
  var audit = false
  @Option(help: "table or json.") var format = OutputFormat.table
  @OptionGroup var access: PoolAccess

  func run() throws {
    var pool = try OpenPool(path, exclusively: audit, access)
    let geometry = pool.geometry
    var figures: [(key: String, value: Int)] = [
      ("nodes", geometry.nodes), ("blocks", geometry.blocks),
      ("block_bytes", Int(geometry.blockBytes)), ("chunks", geometry.chunks),
      ("shards", geometry.shards), ("metadata_bytes", Int(geometry.metadataBytes)),
      ("total_bytes", Int(geometry.totalBytes)),
    ]
    var problems: [String] = []
    if audit {
      let audit = Audit(&pool.memory, geometry)
      figures += audit.figures
      problems = audit.problems
    }
    switch format {
    case .json:
      var members = figures.map { (key: $0.key, value: JSONNode(.integer($0.value))) }
      if audit { members.append(("problems", JSONNode(.list(problems.map { .string($0) })))) }
      print(JSONValue.object(members).text(indented: true))
    case .table:
      for (key, value) in figures {
        print(key + String(repeating: " ", count: 18 - key.count) + "\(value)")
      }
      for problem in problems { print("problem: \(problem)") }
    }
    if !problems.isEmpty { throw Exit.broken }
  }
}

extension Audit {
  /// Counts by key, in the order in which they are printed.
  var figures: [(key: String, value: Int)] {
    [
      ("owned_chunks", ownedChunks), ("ready", ready), ("reserved", reserved),
      ("evicting", evicting), ("tombs", tombs), ("pins", pins),
    ]
  }
}
