// `tract-pool bench`: several processes use one pool at once, and everything they read is checked;
// or what single operations cost is measured.

import ArgumentParser
import Foundation
import JSONText
import PoolBench
import SharedMemory
import TractStore

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Exercise a pool from several processes and check it.",
    discussion: """
      Each process is one node: it looks prompts up, checks the bytes of every block it finds, \
      and reserves, writes and publishes what is missing; one more process manages locks. At the \
      end nothing may be pinned, reserved or leaked. With --micro, single operations are measured \
      instead, beside a robust mutex in coherent shared memory and the bare line operations that a \
      lock passage consists of. Nobody else may use the pool meanwhile.
      """)

  @Argument(help: "File, shm:/name or DAX device with a pool.") var path: String
  @Option(help: "Worker processes; with --micro, those that contend at most.") var processes = 4
  @Flag(help: "Measure single operations.") var micro = false
  @Option(help: "Seconds of work.") var seconds = 2.0
  @Option(help: "Seconds after which a process that is not done is given up.") var timeout = 60.0
  @OptionGroup var load: Load
  @Option(help: "table or json.") var format = OutputFormat.table
  @OptionGroup var access: PoolAccess

  func validate() throws {
    guard seconds > 0, seconds < 86_400, timeout > seconds else {
      throw ValidationError("--seconds must be positive, --timeout longer than --seconds")
    }
  }

  func run() throws {
    var pool = try OpenPool(path, exclusively: true, access)
    let geometry = pool.geometry
    guard (1...geometry.nodes).contains(processes) else {
      throw ValidationError(
        "'--processes \(processes)': the pool was made for 1 to \(geometry.nodes) nodes")
    }
    if micro {
      try measure(pool.memory, geometry)
      return
    }
    let results = try work(geometry)
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
    func total(_ key: String) -> Int {
      results.reduce(0) { $0 + Int($1[key]?.value.double ?? 0) }
    }
    let (corrupt, leaked) = (total("corrupt_blocks"), total("leaked_blocks"))
    if !problems.isEmpty || corrupt + leaked > 0 {
      throw Exit.fail(
        Exit.broken, "\(corrupt) corrupt blocks, \(leaked) leaked, \(problems.count) problems")
    }
  }

  /// Long, as no node is to die here, and those of an earlier bench can wait.
  private static let lease = ["--lease-ms", "\(MicroBench.leaseMilliseconds)"]

  private func child(_ arguments: [String]) throws -> Child {
    do {
      return try Child(arguments + Self.lease + access.arguments)
    } catch {
      throw Exit.fail(Exit.unavailable, "a process cannot be started: \(error)")
    }
  }

  /// Lets a process come to its end, so that the next lock manager need not wait for its silence.
  private func end(_ manager: Child) {
    manager.closeInput()
    for _ in 0..<1000 where manager.end == nil {
      _ = manager.poll()
      sleep(nanoseconds: 1_000_000)
    }
    manager.stop()
  }

  /// Runs workers and a lock manager until all workers have ended; their results in order.
  private func work(_ geometry: PoolGeometry) throws -> [JSONNode] {
    let workers = try (0..<processes).map { node in
      try child(
        ["worker", path, "--node", "\(node)", "--seconds", "\(seconds)", "--timeout", "\(timeout)"]
          + load.arguments)
    }
    var results = [JSONNode?](repeating: nil, count: processes)
    var said = [Int](repeating: 0, count: processes)
    func look() throws {
      for (node, worker) in workers.enumerated() {
        for line in worker.poll() {
          said[node] += 1
          let value = try JSONParser.parse(Array(line.utf8))
          if value["lookups_per_s"] != nil { results[node] = value }
        }
        // Whoever waits for a lock of the dead would only wait.
        if let end = worker.end, end != .exited(0) {
          throw Exit.fail(Exit.unavailable, "worker \(node) \(end)")
        }
      }
      sleep(nanoseconds: 1_000_000)
    }
    // All begin together, or the first would claim the pool before the others are there.
    while said.contains(0) { try look() }
    let manager = try child(["manager", path, "--supervised"])
    for worker in workers { worker.closeInput() }
    // Workers give up on their own; this is for those that cannot even do that.
    let deadline = monotonicNanoseconds() + UInt64((seconds + timeout + 5) * 1e9)
    while workers.contains(where: { $0.end == nil }) {
      try look()
      _ = manager.poll()
      if let end = manager.end {
        throw Exit.fail(Exit.unavailable, "the lock manager \(end)")
      }
      if monotonicNanoseconds() > deadline {
        throw Exit.fail(Exit.unavailable, "workers still run after \(seconds + timeout + 5) s")
      }
    }
    end(manager)
    return try results.enumerated().map { node, result in
      guard let result else {
        throw Exit.fail(Exit.unavailable, "worker \(node) has not told its result")
      }
      return result
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

  // MARK: Single operations

  private func measure(_ memory: consuming MappedMemory, _ geometry: PoolGeometry) throws {
    let mutex = "/tract-mutex-\(getpid())"
    let base = [path, "--mutex", mutex]
    var rows: [Timing]
    var skipped: [String]
    do {
      let shared = try SharedMutex(mutex, creating: true)
      let manager = try child(["manager", path, "--supervised", "--pin", "1"])
      var bench = try MicroBench(
        try MappedMemory(opening: path, trust: access.trust), geometry, process: try currentProcess(),
        patience: timeout)
      try bench.run(manager: manager) { place in
        try Child(["contender"] + base + access.arguments + ["--echo", "\(place.offset)"])
      }
      rows = bench.measurements
      skipped = bench.skipped
      rows.append(try Contention.measureMutex(mutex))
      for count in 2..<max(2, processes + 1) {
        for kind in Contention.Kind.allCases {
          rows += try Contention.measure(kind, processes: count) { node in
            try Child(["contender"] + base + access.arguments + ["--node", "\(node)", "--kind", kind.rawValue])
          }
        }
      }
      end(manager)
      let alone = Contention.measureAlone(
        memory, try MappedMemory(opening: path, trust: access.trust), geometry)
      rows.insert(contentsOf: alone, at: 0)
      if alone.isEmpty { skipped.append("passages in one thread: a node has not left") }
      _ = shared.pass()
    } catch {
      throw Exit.fail(Exit.unavailable, "\(error)")
    }
    switch format {
    case .json:
      print(
        JSONValue.object([
          "measurements": .list(rows.map(\.json)), "skipped": .list(skipped.map { .string($0) }),
        ]).text(indented: true))
    case .table:
      print("\(path): \(geometry.summary)")
      print("  median ns     min ns         op/s  operation")
      for row in rows {
        print(
          String(format: "%11.1f%11.1f%13.0f  ", row.median, row.least, 1e9 / row.median)
            + row.name)
      }
      for name in skipped { print("skipped: \(name)") }
    }
  }
}

/// A process that `bench --micro` measures with.
struct ContenderCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "contender", abstract: "One process of bench --micro.", shouldDisplay: false)

  @Argument var path: String
  @OptionGroup var access: PoolAccess
  @Option var kind: String?
  @Option var node = 0
  @Option var mutex: String
  /// Where to answer as a lock manager would.
  @Option var echo: UInt64?

  func run() throws {
    endWithParent()
    var pool = try OpenPool(path, exclusively: false, access)
    let geometry = pool.geometry
    if let echo {
      pin(toProcessor: 1)
      Echo(Address(echo), geometry).answer(&pool.memory)
      return
    }
    do {
      try Contention.contend(
        Contention.Kind(rawValue: kind ?? "") ?? .lock, pool.memory, geometry, node: node,
        mutexPath: mutex, process: try currentProcess(),
        say: {
          FileHandle.standardOutput.write(Data(($0.text(indented: false) + "\n").utf8))
        })
    } catch {
      throw Exit.fail(Exit.unavailable, "\(error)")
    }
  }
}
