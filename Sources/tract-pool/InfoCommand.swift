// `tract-pool info`: what a pool is, who uses it, and with --audit what it holds.

import ArgumentParser
import JSONText
import PoolBench
import SharedMemory
import TractStore

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Print a pool's layout, who uses it and, on request, contents.",
    discussion: """
      Reads only, and so may look at a pool in use. Managers are vacant, standby (they ruled \
      before or stand for election), ruling, or silent. Nodes are vacant, joining, active, silent \
      (their heartbeat stands still: paused or dead, and not fenced), dead (fenced, but what they \
      left is still there) or recovered. Managers that have never ruled do not show.
      """)

  @Argument(help: "File, shm:/name or DAX device.") var path: String
  @Flag(help: "Read the whole pool and check its invariants; nobody may be using it.")
  var audit = false
  @Option(help: "Milliseconds in which a heartbeat must move.") var watchMs = 250
  @Option(help: "table or json.") var format = OutputFormat.table
  @OptionGroup var access: PoolAccess

  func validate() throws {
    guard (1...600_000).contains(watchMs) else {
      throw ValidationError("--watch-ms must be 1 to 600000")
    }
  }

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
    let watch = PoolWatch(&pool.memory, geometry, milliseconds: watchMs)
    switch format {
    case .json:
      var members = figures.map { (key: $0.key, value: JSONNode(.integer($0.value))) }
      members.append(("managers", JSONNode(.list(watch.managers.map(JSONValue.object)))))
      members.append(("members", JSONNode(.list(watch.members.map(JSONValue.object)))))
      if audit { members.append(("problems", JSONNode(.list(problems.map { .string($0) })))) }
      print(JSONValue.object(members).text(indented: true))
    case .table:
      for (key, value) in figures { print(key.padded(to: 18) + "\(value)") }
      printTable(watch.managers)
      printTable(watch.members)
      for problem in problems { print("problem: \(problem)") }
    }
    if !problems.isEmpty { throw Exit.broken }
  }

  /// Rows with the same keys, under a head.
  private func printTable(_ rows: [[(key: String, value: JSONNode)]]) {
    guard let first = rows.first else { return }
    print()
    let lines =
      [first.map(\.key)]
      + rows.map { row in
        row.map { _, node in
          if case .string(let text) = node.value { text } else { node.text(indented: false) }
        }
      }
    let widths = first.indices.map { column in lines.map { $0[column].count }.max()! + 2 }
    for line in lines {
      print(zip(line, widths).map { $0.padded(to: $1) }.joined().trimmed)
    }
  }
}

/// Two looks at a pool, which tell who still lives.
private struct PoolWatch {
  typealias Row = [(key: String, value: JSONNode)]
  private(set) var managers: [Row] = []
  private(set) var members: [Row] = []

  init(_ memory: inout MappedMemory, _ geometry: PoolGeometry, milliseconds: Int) {
    let before = PoolStatus(&memory, geometry)
    let isUsed =
      before.nodes.contains { $0.condition == .active || $0.condition == .joining }
      || before.rulingSeat != nil
    if isUsed { sleep(nanoseconds: UInt64(milliseconds) * 1_000_000) }
    let now = PoolStatus(&memory, geometry)
    let own = ProcessIdentity.current()
    for (seat, status) in now.seats.enumerated() {
      let old = before.seats[seat]
      let moves = status.heartbeat != old.heartbeat || status.epoch != old.epoch
      let state =
        switch status.state {
        case .vacant: "vacant"
        case _ where now.rulingSeat != seat: "standby"
        case .candidate: moves ? "candidate" : "silent"
        case .active: moves ? "ruling" : "silent"
        }
      managers.append([
        ("manager", JSONNode(.integer(seat))), ("state", JSONNode(.string(state))),
        ("epoch", JSONNode(.integer(Int(clamping: status.epoch)))),
        ("process", JSONNode(Self.process(status.process, own))),
      ])
    }
    for (node, status) in now.nodes.enumerated() {
      let old = before.nodes[node].status
      let moves =
        status.status.heartbeat != old.heartbeat || status.status.incarnation != old.incarnation
      var state = status.condition.rawValue
      if status.condition == .active || status.condition == .joining, !moves { state = "silent" }
      members.append([
        ("node", JSONNode(.integer(node))), ("state", JSONNode(.string(state))),
        ("incarnation", JSONNode(.integer(Int(status.status.incarnation)))),
        ("epoch", JSONNode(.integer(Int(clamping: status.status.epoch)))),
        ("heartbeat", JSONNode(.integer(Int(clamping: status.status.heartbeat)))),
        ("fenced", JSONNode(.integer(Int(status.fencedIncarnation)))),
        ("fencing", JSONNode(.string("\(status.fencing)"))),
        ("recovered", JSONNode(.integer(Int(status.recoveredIncarnation)))),
        ("process", JSONNode(Self.process(status.status.process, own))),
      ])
    }
  }

  /// The process id, and whether it is one of this host's.
  private static func process(_ process: ProcessIdentity, _ own: ProcessIdentity?) -> JSONValue {
    guard process.process > 0 else { return .string("-") }
    return .string("\(process.process)" + (process.host == own?.host ? "" : " elsewhere"))
  }
}

extension String {
  func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(1, width - count))
  }

  fileprivate var trimmed: Substring {
    self[...(lastIndex { $0 != " " } ?? startIndex)]
  }
}

extension Audit {
  /// Counts by key, in the order in which they are printed.
  var figures: [(key: String, value: Int)] {
    [
      ("free_chunks", freeChunks), ("owned_chunks", ownedChunks),
      ("orphaned_chunks", orphanedChunks), ("quarantined", quarantinedChunks), ("ready", ready),
      ("reserved", reserved), ("evicting", evicting), ("tombs", tombs), ("pins", pins),
      ("lock_requests", lockRequests),
    ]
  }
}
