// `tract-pool bench`: several processes use one pool at once, and everything they read is checked.

import ArgumentParser
import Foundation
import JSONText
import PoolBench
import SharedMemory
import TractStore

/// What each worker process does; the options of `bench` that `worker` shares.
struct Load: ParsableArguments {
  @Option(help: "Seconds of work.") var seconds = 2.0
  @Option(help: "Seconds after which a process that is not done is given up.") var timeout = 60.0
  @Option(help: "Prompts that the processes ask for.") var prompts = 128
  @Option(help: "Blocks of a prompt; groups of eight prompts share the first half.")
  var promptBlocks = 32
  @Option(help: "Seed of the order in which prompts are asked for.") var seed: UInt64 = 1

  func validate() throws {
    guard seconds > 0, seconds < 86_400, timeout > seconds else {
      throw ValidationError("--seconds must be positive, --timeout longer than --seconds")
    }
    guard (1...1_000_000).contains(prompts), (1...4096).contains(promptBlocks) else {
      throw ValidationError("--prompts must be 1 to 1000000, --prompt-blocks 1 to 4096")
    }
  }

  var benchLoad: BenchLoad {
    BenchLoad(
      seconds: seconds, timeout: timeout, prompts: prompts, promptBlocks: promptBlocks, seed: seed)
  }

  var arguments: [String] {
    [
      "--seconds", "\(seconds)", "--timeout", "\(timeout)", "--prompts", "\(prompts)",
      "--prompt-blocks", "\(promptBlocks)", "--seed", "\(seed)",
    ]
  }
}

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Exercise a pool from several processes and check it.",
    discussion: """
      Each process is one node: it looks prompts up, checks the bytes of every block it finds, \
      and reserves, writes and publishes what is missing. This process runs the lock manager. \
      At the end nothing may be pinned or reserved. Nobody else may use the pool meanwhile.
      """)

  @Argument(help: "File, shm:/name or DAX device with a pool.") var path: String
  @Option(help: "Worker processes.") var processes = 4
  @OptionGroup var load: Load
  @Option(help: "table or json.") var format = OutputFormat.table
  @OptionGroup var access: PoolAccess

  func run() throws {
    var pool = try OpenPool(path, exclusively: true, access)
    let geometry = pool.geometry
    guard (1...geometry.nodes).contains(processes) else {
      throw ValidationError(
        "'--processes \(processes)': the pool was made for 1 to \(geometry.nodes) nodes")
    }
    let results = try manage(&pool)
    let audit = Audit(&pool.memory, geometry)
    let problems = audit.problems + audit.leftovers
    switch format {
    case .json:
      let contents = audit.figures.map { (key: $0.key, value: JSONNode(.integer($0.value))) }
      print(
        JSONValue.object([
          "processes": .array(results), "audit": .object(contents),
          "problems": .list(problems.map { .string($0) }),
        ]).text(indented: true))
    case .table: printTable(results, audit, problems, geometry)
    }
    let corrupt = results.reduce(0) { $0 + Int($1["corrupt_blocks"]?.value.double ?? 0) }
    if !problems.isEmpty || corrupt > 0 {
      throw Exit.fail(Exit.broken, "\(corrupt) corrupt blocks, \(problems.count) problems")
    }
  }

  /// A worker process with the ends of its standard streams.
  private struct WorkerProcess {
    let process = Process()
    let input = Pipe()
    let output = Pipe()

    /// Starts a worker and waits until it has attached to the pool, which takes no locks.
    init(executable: String, arguments: [String], node: Int) throws {
      process.executableURL = URL(fileURLWithPath: executable)
      process.arguments = arguments
      process.standardInput = input
      process.standardOutput = output
      do {
        try process.run()
      } catch {
        throw Exit.fail(Exit.unavailable, "worker \(node) cannot be started: \(error)")
      }
      let sign = try output.fileHandleForReading.read(upToCount: WorkerCommand.ready.count)
      guard sign == WorkerCommand.ready else {
        process.waitUntilExit()
        throw Exit.fail(Exit.unavailable, "worker \(node) \(end)")
      }
    }

    var hasFailed: Bool { !process.isRunning && process.terminationStatus != 0 }

    /// How it ended, in words.
    var end: String {
      process.terminationReason == .uncaughtSignal
        ? "was killed by signal \(process.terminationStatus)"
        : "ended with status \(process.terminationStatus)"
    }
  }

  /// Starts the workers and grants locks until all have ended; their results in order.
  private func manage(_ pool: inout OpenPool) throws -> [JSONNode] {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    var workers: [WorkerProcess] = []
    defer {
      for worker in workers where worker.process.isRunning {
        kill(worker.process.processIdentifier, SIGKILL)
      }
    }
    for node in 0..<processes {
      workers.append(
        try WorkerProcess(
          executable: executable,
          arguments: ["worker", path, "--node", "\(node)"] + load.arguments + access.arguments,
          node: node))
    }
    // All begin together, or the first would claim the pool before the others are there.
    for worker in workers { try? worker.input.fileHandleForWriting.close() }
    var manager = LockManager(pool.geometry, pollNanoseconds: 1000)
    // Workers give up on their own; this is for those that cannot even do that.
    let deadline = ContinuousClock.now + .seconds(load.timeout + 5)
    while workers.contains(where: { $0.process.isRunning }) {
      for _ in 0..<256 {
        if case .wait = manager.step(&pool.memory) { sched_yield() }
      }
      // Whoever waits for a lock of the dead would only time out.
      for (node, worker) in workers.enumerated() where worker.hasFailed {
        throw Exit.fail(Exit.unavailable, "worker \(node) \(worker.end)")
      }
      if ContinuousClock.now > deadline {
        throw Exit.fail(Exit.unavailable, "workers still run after \(load.timeout + 5) s")
      }
    }
    return try workers.enumerated().map { node, worker in
      guard !worker.hasFailed else {
        throw Exit.fail(Exit.unavailable, "worker \(node) \(worker.end)")
      }
      let bytes = try worker.output.fileHandleForReading.readToEnd() ?? Data()
      return try JSONParser.parse([UInt8](bytes))
    }
  }

  private func printTable(
    _ results: [JSONNode], _ audit: Audit, _ problems: [String], _ geometry: PoolGeometry
  ) {
    print("\(path): \(geometry.summary)")
    let columns = [
      "node", "lookups_per_s", "lookup_p50_us", "lookup_p99_us", "put_p50_us", "put_p99_us",
      "hit_percent", "blocks_verified", "evicted", "corrupt_blocks",
    ]
    print(columns.joined(separator: "  "))
    for result in results {
      let cells = columns.map { column in
        let value = result[column]?.value.double ?? .nan
        let text = value == value.rounded() ? "\(Int(value))" : String(format: "%.1f", value)
        return String(repeating: " ", count: max(0, column.count - text.count)) + text
      }
      print(cells.joined(separator: "  "))
    }
    print("audit: " + audit.figures.map { "\($0.value) \($0.key)" }.joined(separator: ", "))
    for problem in problems { print("problem: \(problem)") }
  }
}
