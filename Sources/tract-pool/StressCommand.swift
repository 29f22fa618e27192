// `tract-pool stress`: processes are killed and paused at random, and nothing may break.

import ArgumentParser
import Foundation
import JSONText
import PoolBench
import SharedMemory
import TractStore

struct StressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stress", abstract: "Kill and pause the processes of a pool, and check it.",
    discussion: """
      Two lock managers and one process a node work as in 'bench'. At random moments, and at \
      random places inside operations, nodes and managers are killed, or paused for less and for \
      more than the lease; they come back as the same nodes. At the end all leave, and no payload \
      may be wrong, no block leaked or doubly owned, no line torn and no lock stuck. Without a \
      path, a pool is made in POSIX shared memory and removed again. Nobody else may use the pool.
      """)

  @Argument(help: "File, shm:/name or DAX device with a pool.") var path: String?
  @Option(help: "Processes, each a node.") var nodes = 8
  @Option(help: "Seconds of work.") var seconds = 60.0
  @OptionGroup var lease: Lease
  @OptionGroup var load: Load
  @OptionGroup var access: PoolAccess
  @Option(help: "table or json.") var format = OutputFormat.table

  func validate() throws {
    guard seconds > 0, seconds < 86_400, (1...255).contains(nodes) else {
      throw ValidationError("--seconds must be positive and below a day, --nodes 1 to 255")
    }
  }

  func run() throws {
    // First of all, also if nothing else is ever printed.
    let seed = "seed \(load.seed)"
    switch format {
    case .table: FileHandle.standardOutput.write(Data((seed + "\n").utf8))
    case .json: FileHandle.standardError.write(Data((seed + "\n").utf8))
    }
    let own = "shm:/tract-stress-\(getpid())"
    if path == nil { try create(own) }
    defer { if path == nil { MappedMemory.remove(own) } }
    try run(path ?? own)
  }

  /// Smaller than what is asked for, so that there is always something to evict.
  private func create(_ path: String) throws {
    do {
      let geometry = try PoolGeometry(nodes: nodes, payloadBytes: 32 << 20, blockBytes: 16 << 10)
      var memory = try MappedMemory(creating: path, bytes: geometry.totalBytes)
      Pool.format(&memory, geometry, hashSeed: 0)
    } catch {
      throw Exit.fail(Exit.cannotCreate, "\(path): \(error)")
    }
  }

  private func run(_ path: String) throws {
    var pool = try OpenPool(path, exclusively: true, access)
    let geometry = pool.geometry
    guard nodes <= geometry.nodes, geometry.seats >= 2 else {
      throw ValidationError(
        "'--nodes \(nodes)': the pool was made for \(geometry.nodes) nodes and "
          + "\(geometry.seats) managers; two are needed")
    }
    var stress = Stress(
      StressPlan(
        path: path, nodes: nodes, seconds: seconds, leaseMilliseconds: lease.leaseMs,
        load: load.benchLoad),
      worker: { node, dieAfter in
        ["worker", path, "--node", "\(node)", "--timeout", "\(max(20, lease.leaseMs / 10))"]
          + lease.arguments + load.arguments + access.arguments
          + (dieAfter.map { ["--die-after", "\($0)"] } ?? [])
      },
      manager: { seat, dieAfter in
        ["manager", path, "--seat", "\(seat)", "--supervised"] + lease.arguments + access.arguments
          + (dieAfter.map { ["--die-after", "\($0)"] } ?? [])
      })
    do {
      try stress.run(&pool.memory, geometry)
    } catch {
      throw Exit.fail(Exit.unavailable, "a process cannot be started: \(error)")
    }
    print(stress.report)
    if !stress.report.isClean {
      throw Exit.fail(Exit.broken, "the pool broke a promise, or a process failed")
    }
  }

  private func print(_ report: StressReport) {
    let figures =
      [("nodes", JSONValue.integer(nodes)), ("lease_ms", .integer(lease.leaseMs))]
      + report.figures
    switch format {
    case .json:
      var members = [(key: "seed", value: JSONNode(.integer(Int(clamping: load.seed))))]
      members += figures.map { (key: $0.0, value: JSONNode($0.1)) }
      members.append(("problems", JSONNode(.list(report.failures.map { .string($0) }))))
      Swift.print(JSONValue.object(members).text(indented: true))
    case .table:
      for (key, value) in figures {
        Swift.print(key.padded(to: 34) + value.text(indented: false))
      }
      for problem in report.failures { Swift.print("problem: \(problem)") }
    }
  }
}
