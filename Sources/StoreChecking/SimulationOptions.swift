// What one simulation of the store is like; drawn from its seed, or said outright.

import PoolBench
import SharedMemory
import TractStore

/// How the next actor is chosen.
public enum Scheduling: String, CaseIterable, Hashable, Sendable {
  /// Anybody, with equal chance.
  case uniform
  /// The one with the highest priority; priorities change now and then (PCT: Burckhardt, Kothari,
  /// Musuvathi, Nagarakatti, ASPLOS 2010).
  case priorities
  /// Anybody but one, who stands still for long.
  case stall
}

/// How a node is stopped at a crash point.
public enum CrashKind: String, CaseIterable, Hashable, Sendable {
  case killProcess
  case killHost
  case pause
}

/// A crash point and what happens there.
public struct CrashPlan: Hashable, Sendable {
  public var point: CrashPoint
  public var kind: CrashKind

  public init(_ point: CrashPoint, _ kind: CrashKind) {
    self.point = point
    self.kind = kind
  }

  /// All of them.
  public static var all: [CrashPlan] {
    CrashPoint.allCases.flatMap { point in CrashKind.allCases.map { CrashPlan(point, $0) } }
  }
}

/// The options of one simulation. Sets are drawn before intensities (swarm testing: Groce, Zhang,
/// Eide, Chen, Regehr, ISSTA 2012), so that each seed leaves something out.
public struct SimulationOptions: Hashable, Sendable, CustomStringConvertible {
  public var nodes = 2
  public var tasksPerNode = 2
  public var blocks = 12
  public var blocksPerChunk = 2
  public var shards = 2
  /// Shards that are locked together at most.
  public var shardsPerSet = PoolGeometry.lockSetLimit
  public var window = 8
  public var boxes = 4
  /// Distinct hashes that tasks ask for.
  public var hashes = 12
  /// Steps with faults, before everything heals.
  public var steps = 1500
  public var scheduling = Scheduling.uniform
  public var adversity = Adversity()
  /// Chances of random faults, per 65536 steps.
  public var kills = 0
  public var hostKills = 0
  public var pauses = 0
  public var managerKills = 0
  public var managerPauses = 0
  public var poison = 0
  public var leaves = 0
  /// Whether only half of the suspects can be stopped at the first attempt.
  public var fencingFails = false
  /// Polls for a lock before giving up; 0 never.
  public var patience = 0
  public var crash: CrashPlan?

  public init() {}

  /// Drawn from a seed.
  public init(seed: UInt64) {
    var random = SplitMix64(seed: seed ^ 0x6F70_7469_6F6E_73)
    func chance() -> Bool { random.next() & 1 == 0 }
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    nodes = pick(2...4)
    tasksPerNode = pick(1...2)
    blocksPerChunk = pick(1...3)
    blocks = blocksPerChunk * pick(2...7)
    shards = [1, 2, 3, 7].randomElement(using: &random)!
    window = [4, 8, 16].randomElement(using: &random)!
    boxes = [2, 4, 16].randomElement(using: &random)!
    hashes = pick(4...20)
    scheduling = Scheduling.allCases.randomElement(using: &random)!
    if chance() { adversity.evictions = pick(1...400) }
    if chance() { adversity.prefetches = pick(1...400) }
    if chance() { adversity.earlyWrites = pick(1...800) }
    adversity.deliveries = pick(1...400)
    if random.next() % 3 != 0 { adversity.preemptions = pick(1...200) }
    adversity.isPosted = chance()
    adversity.hasDDIO = chance()
    adversity.hasLineStore = chance()
    if chance() { kills = pick(10...120) }
    if chance() { hostKills = pick(10...120) }
    if chance() { pauses = pick(10...200) }
    if chance() { managerKills = pick(10...80) }
    if chance() { managerPauses = pick(10...80) }
    if random.next() & 7 == 0 { poison = pick(10...60) }
    if chance() { leaves = pick(5...40) }
    fencingFails = random.next() & 3 == 0
    if chance() { patience = pick(1...60) }
    let plans = CrashPlan.all
    crash = plans[Int(seed % UInt64(plans.count))]
    shardsPerSet = [1, 3, PoolGeometry.lockSetLimit].randomElement(using: &random)!
  }

  public var description: String {
    let a = adversity
    var parts = [
      "nodes=\(nodes)", "tasks=\(tasksPerNode)", "blocks=\(blocks)", "chunk=\(blocksPerChunk)",
      "shards=\(shards)", "set=\(shardsPerSet)", "window=\(window)", "boxes=\(boxes)",
      "hashes=\(hashes)",
      "steps=\(steps)", "scheduling=\(scheduling.rawValue)", "evictions=\(a.evictions)",
      "prefetches=\(a.prefetches)", "early=\(a.earlyWrites)", "deliveries=\(a.deliveries)",
      "preemptions=\(a.preemptions)", "patience=\(patience)",
      "posted=\(a.isPosted)", "ddio=\(a.hasDDIO)", "linestore=\(a.hasLineStore)", "kills=\(kills)",
      "hostkills=\(hostKills)", "pauses=\(pauses)", "managerkills=\(managerKills)",
      "managerpauses=\(managerPauses)", "poison=\(poison)", "leaves=\(leaves)",
      "fencingfails=\(fencingFails)",
    ]
    parts.append("crash=" + (crash.map { "\($0.point.rawValue):\($0.kind.rawValue)" } ?? "none"))
    return parts.joined(separator: ",")
  }

  /// Changes options as `description` writes them; returns what cannot be understood.
  public mutating func apply(_ text: String) -> String? {
    for part in text.split(separator: ",") {
      let sides = part.split(separator: "=", maxSplits: 1).map(String.init)
      guard sides.count == 2, set(sides[0], sides[1]) else {
        return "'\(part)' is no option of a simulation; options look like \(self)"
      }
    }
    return nil
  }

  private mutating func set(_ key: String, _ value: String) -> Bool {
    let counts: [String: WritableKeyPath<SimulationOptions, Int>] = [
      "nodes": \.nodes, "tasks": \.tasksPerNode, "blocks": \.blocks, "chunk": \.blocksPerChunk,
      "shards": \.shards, "set": \.shardsPerSet, "window": \.window, "boxes": \.boxes,
      "hashes": \.hashes, "steps": \.steps, "evictions": \.adversity.evictions,
      "prefetches": \.adversity.prefetches, "early": \.adversity.earlyWrites,
      "deliveries": \.adversity.deliveries, "kills": \.kills, "hostkills": \.hostKills,
      "pauses": \.pauses, "managerkills": \.managerKills, "managerpauses": \.managerPauses,
      "poison": \.poison, "leaves": \.leaves, "preemptions": \.adversity.preemptions,
      "patience": \.patience,
    ]
    let flags: [String: WritableKeyPath<SimulationOptions, Bool>] = [
      "posted": \.adversity.isPosted, "ddio": \.adversity.hasDDIO,
      "linestore": \.adversity.hasLineStore, "fencingfails": \.fencingFails,
    ]
    if let path = counts[key] {
      guard let number = Int(value), number >= 0 else { return false }
      guard key != "set" || (1...PoolGeometry.lockSetLimit).contains(number) else { return false }
      self[keyPath: path] = number
    } else if let path = flags[key] {
      guard let flag = Bool(value) else { return false }
      self[keyPath: path] = flag
    } else if key == "scheduling" {
      guard let scheduling = Scheduling(rawValue: value) else { return false }
      self.scheduling = scheduling
    } else if key == "crash" {
      let sides = value.split(separator: ":").map(String.init)
      if value == "none" {
        crash = nil
      } else if sides.count == 2, let point = CrashPoint(rawValue: sides[0]),
        let kind = CrashKind(rawValue: sides[1])
      {
        crash = CrashPlan(point, kind)
      } else {
        return false
      }
    } else {
      return false
    }
    return true
  }
}
