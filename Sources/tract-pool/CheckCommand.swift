// `tract-pool check`: whether a pool is sound, and with --repair what could be mended.

import ArgumentParser
import Foundation
import JSONText
import SharedMemory
import TractStore

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Audit a pool and, on request, repair it.",
    discussion: """
      Nobody may be using the pool, on any host. Without --repair it is only read. With it, damaged \
      lines are dropped, unfinished operations undone or given up, and all members taken for gone; \
      published blocks that no damage touched stay. A pool whose superblock is damaged cannot be \
      repaired. Ends with 0 if the pool is sound, or is so now; with 70 if it is broken.
      """)

  @Argument(help: "File, shm:/name or DAX device with a pool.") var path: String
  @Flag(help: "Mend what may be mended, and say what was done.") var repair = false
  @Option(help: "Refuse the pool if its clients hash with another seed than of this fingerprint.")
  var hashSeed: UInt64?
  @Option(help: "table or json.") var format = OutputFormat.table
  @OptionGroup var access: PoolAccess

  /// Two looks so far apart show the beat of whoever is alive: eight beats are due in a lease of 1 s.
  private static var watchSeconds: Double { 1.25 }

  func run() throws {
    var pool = try OpenPool(
      path, exclusively: true, access, writable: repair, hashSeed: hashSeed)
    let before = Audit(&pool.memory, pool.geometry)
    guard repair else {
      try report(pool.geometry, before, actions: nil)
      return
    }
    try refuseIfAlive(&pool)
    let repair = Repair(&pool.memory, pool.geometry)
    try report(pool.geometry, Audit(&pool.memory, pool.geometry), actions: repair.actions)
  }

  /// The lock on the file tells nothing of other hosts, nor of nodes, which share it.
  private func refuseIfAlive(_ pool: inout OpenPool) throws {
    let first = Liveness(&pool.memory, pool.geometry)
    guard first.mayBeAlive else { return }
    Thread.sleep(forTimeInterval: Self.watchSeconds)
    let changed = first.changes(to: Liveness(&pool.memory, pool.geometry))
    guard changed.isEmpty else {
      throw Exit.fail(
        Exit.unavailable,
        "\(path) is in use by \(changed.joined(separator: ", ")); stop them first")
    }
  }

  private func report(_ geometry: PoolGeometry, _ audit: Audit, actions: [String]?) throws {
    let isSound = audit.problems.isEmpty && (actions == nil || audit.leftovers.isEmpty)
    switch format {
    case .json:
      let contents = audit.figures.map { (key: $0.key, value: JSONNode(.integer($0.value))) }
      var members: [(key: String, value: JSONNode)] = [
        ("sound", JSONNode(.bool(isSound))), ("contents", JSONNode(.object(contents))),
        ("problems", JSONNode(.list(audit.problems.map { .string($0) }))),
        ("leftovers", JSONNode(.list(audit.leftovers.map { .string($0) }))),
      ]
      if let actions { members.append(("actions", JSONNode(.list(actions.map { .string($0) })))) }
      print(JSONValue.object(members).text(indented: true))
    case .table:
      for action in actions ?? [] { print("mended: \(action)") }
      print("\(path): \(geometry.summary)")
      print("audit: " + audit.figures.map { "\($0.value) \($0.key)" }.joined(separator: ", "))
      for problem in audit.problems { print("problem: \(problem)") }
      for leftover in audit.leftovers { print("left over: \(leftover)") }
      print(verdict(isSound, audit, actions))
    }
    guard isSound else { throw Exit.broken }
  }

  private func verdict(_ isSound: Bool, _ audit: Audit, _ actions: [String]?) -> String {
    guard isSound else {
      return actions == nil
        ? "broken: \(audit.problems.count) problems; 'tract-pool check --repair' mends them"
        : "broken: the repair has failed; create the pool anew"
    }
    guard let actions else {
      return audit.leftovers.isEmpty
        ? "sound" : "sound; the next members, or 'tract-pool check --repair', clear what is left"
    }
    return actions.isEmpty ? "sound: nothing to mend" : "sound now: \(actions.count) things mended"
  }
}
