// The small worlds that are explored, one for each protocol.

import PoolBench
import TractStore

/// A protocol in the smallest world that shows it: two nodes, few lines, few rounds.
public struct Scenario: Sendable {
  struct Part: Sendable {
    var name: String
    var node: Int
    var script: [World.Instruction]
  }

  public let name: String
  let geometry: PoolGeometry
  var managers = 1
  var processes: [Part]
  var options = ModelOptions()
  var patience: Int?
  /// Blocks that are READY at the beginning, by hash number.
  var published: [(node: Int, numbers: [Int])] = []
  /// A block that node 0 has removed before, so that its cache knows everybody's pins of then.
  var removedBefore: Int?
  /// Nodes that have not joined at the beginning.
  var late: Set<Int> = []
  /// The node that may die at any moment.
  var mortal: Int?
  /// Whether the node may be suspected, and is then stopped, while it lives.
  var suspectsTheLiving = false
  /// Whether no hash may ever be in two index lines.
  var checksIndex = false

  /// Faults 0 to 2 of the explorer that can occur.
  var faultCount: Int { mortal != nil ? 3 : managers > 1 ? 2 : 0 }

  private init(
    _ name: String, blocks: Int = 2, shards: Int = 1, window: Int = 2, seats: Int = 1,
    boxes: Int = 1, _ processes: [Part]
  ) {
    self.name = name
    self.processes = processes
    do {
      geometry = try PoolGeometry(
        nodes: 2, payloadBytes: UInt64(blocks) * 64, blockBytes: 64, blocksPerChunk: 1,
        shards: shards, pinnedBlocksPerNode: 2, seats: seats, requestBoxes: boxes,
        probeWindow: window)
    } catch {
      preconditionFailure("a scenario's pool cannot be: \(error)")
    }
  }

  static func hash(_ number: Int) -> BlockHash {
    var mixer = SplitMix64(seed: UInt64(number))
    return BlockHash(hi: mixer.next(), lo: mixer.next())
  }

  private func with(_ change: (inout Scenario) -> Void) -> Scenario {
    var copy = self
    change(&copy)
    return copy
  }

  /// All scenarios, by name.
  public static var all: [Scenario] {
    [
      lock, lockByFlush, lockPosted, lockWithCopies, withdrawal, lockSets, failOver, failOverJoin,
      failOverAfterDeath, pins, pinsOfThePast, pinsPosted, pinsWithCopies, publication,
      evictionRecovery,
      evictionOfARun,
      reservationRecovery, leaving,
    ]
  }

  public static func named(_ name: String) -> Scenario? { all.first { $0.name == name } }

  /// Two nodes pass through one lock, twice each.
  static var lock: Scenario {
    Scenario(
      "lock",
      [
        Part(name: "node 0", node: 0, script: [.count([0]), .count([0])]),
        Part(name: "node 1", node: 1, script: [.count([0]), .count([0])]),
      ])
  }

  /// The same where lines are stored through the cache and flushed, which anybody may see half-way.
  static var lockByFlush: Scenario {
    Scenario(
      "lock-by-flush", shards: 2, window: 1,
      [
        Part(name: "node 0", node: 0, script: [.count([0]), .count([1])]),
        Part(name: "node 1", node: 1, script: [.count([1]), .count([0])]),
      ]
    ).with {
      $0.options.hasLineStore = false
      $0.options.tears = true
      $0.options.readsEarly = false
    }
  }

  /// The same on a fabric that posts writes.
  static var lockPosted: Scenario {
    Scenario(
      "lock-posted",
      [
        Part(name: "node 0", node: 0, script: [.count([0]), .count([0])]),
        Part(name: "node 1", node: 1, script: [.count([0])]),
      ]
    ).with { $0.options.isPosted = true }
  }

  /// The same with caches that keep what they have read.
  static var lockWithCopies: Scenario {
    Scenario(
      "lock-with-copies",
      [
        Part(name: "node 0", node: 0, script: [.count([0]), .count([0])]),
        Part(name: "node 1", node: 1, script: [.count([0]), .count([0])]),
      ]
    ).with {
      $0.options.keepsCopies = true
      $0.options.readsEarly = false
    }
  }

  /// A node gives up waiting while it is being granted what it no longer wants.
  static var withdrawal: Scenario {
    Scenario(
      "withdrawal",
      [
        Part(name: "node 0", node: 0, script: [.count([0]), .count([0])]),
        Part(name: "node 1", node: 1, script: [.count([0])]),
      ]
    ).with { $0.patience = 2 }
  }

  /// Overlapping sets: all or nothing.
  static var lockSets: Scenario {
    Scenario(
      "lock-sets", shards: 2, window: 1, boxes: 2,
      [
        Part(name: "node 0", node: 0, script: [.count([0, 1]), .count([1])]),
        Part(name: "node 1", node: 1, script: [.count([0, 1]), .count([0])]),
      ])
  }

  /// A second manager takes over at any moment; the first never stops granting.
  static var failOver: Scenario {
    Scenario(
      "fail-over", seats: 2,
      [
        Part(name: "node 0", node: 0, script: [.count([0])]),
        Part(name: "node 1", node: 1, script: [.count([0]), .count([0])]),
        Part(name: "node 0's heart", node: 0, script: [.awaitEpoch, .tick]),
        Part(name: "node 1's heart", node: 1, script: [.awaitEpoch, .tick]),
      ]
    ).with {
      $0.managers = 2
      $0.options.readsEarly = false
    }
  }

  /// A node joins while a second manager takes over.
  static var failOverJoin: Scenario {
    Scenario(
      "fail-over-join", seats: 2,
      [
        Part(name: "node 0", node: 0, script: [.count([0])]),
        Part(name: "node 1", node: 1, script: [.join, .count([0])]),
        Part(name: "node 0's heart", node: 0, script: [.awaitEpoch, .tick]),
        Part(name: "node 1's heart", node: 1, script: [.awaitMember(1), .awaitEpoch, .tick]),
      ]
    ).with {
      $0.managers = 2
      $0.options.readsEarly = false
      $0.late = [1]
    }
  }

  /// A second manager takes over after a node was stopped that held or wanted a lock, and another
  /// wants it.
  static var failOverAfterDeath: Scenario {
    Scenario(
      "fail-over-after-death", seats: 2, boxes: 2,
      [
        Part(name: "the dead", node: 0, script: [.put(1)]),
        Part(name: "the survivor", node: 1, script: [.awaitFence(0), .count([0])]),
        Part(name: "the dead one's heart", node: 0, script: [.awaitEpoch, .tick]),
        Part(name: "the survivor's heart", node: 1, script: [.awaitEpoch, .tick]),
      ]
    ).with {
      $0.managers = 2
      $0.mortal = 0
      $0.options.readsEarly = false
    }
  }

  /// One node reads a block while its owner evicts it and uses its place again.
  static var pins: Scenario {
    Scenario(
      "pins", blocks: 1,
      [
        Part(name: "the owner", node: 0, script: [.remove([1]), .put(2), .publish(2)]),
        Part(name: "the reader", node: 1, script: [.pin(1), .read(1), .read(1), .unpin]),
      ]
    ).with { $0.published = [(0, [1])] }
  }

  /// The block goes and comes back under its old name before it goes for good: the reader may have
  /// pinned what is gone.
  static var pinsOfThePast: Scenario {
    Scenario(
      "pins-of-the-past", blocks: 1,
      [
        Part(
          name: "the owner", node: 0,
          script: [.remove([1]), .put(1), .publish(1), .remove([1]), .put(2), .publish(2)]),
        Part(name: "the reader", node: 1, script: [.pin(1), .read(1), .unpin]),
      ]
    ).with {
      $0.published = [(0, [1])]
      $0.options.readsEarly = false
    }
  }

  static var pinsPosted: Scenario {
    var scenario = pins.with { $0.options.isPosted = true }
    scenario = scenario.renamed("pins-posted")
    return scenario
  }

  /// The same with caches that keep what they have read, as at an eviction before.
  static var pinsWithCopies: Scenario {
    Scenario(
      "pins-with-copies", blocks: 2,
      [
        Part(name: "the owner", node: 0, script: [.remove([1]), .put(2), .put(3), .publish(3)]),
        Part(name: "the reader", node: 1, script: [.pin(1), .read(1), .unpin]),
      ]
    ).with {
      $0.published = [(0, [1, 4])]
      $0.removedBefore = 4
      $0.options.keepsCopies = true
      $0.options.readsEarly = false
    }
  }

  /// An entry is published, looked for and reserved by another, line by torn line.
  static var publication: Scenario {
    Scenario(
      "publication", blocks: 2,
      [
        Part(name: "node 0", node: 0, script: [.put(1), .publish(1)]),
        Part(name: "node 1", node: 1, script: [.pin(1), .read(1), .unpin]),
      ]
    ).with {
      $0.options.hasLineStore = false
      $0.options.tears = true
      $0.options.readsEarly = false
    }
  }

  /// The owner dies while it evicts; another clears up, and takes its chunk over.
  static var evictionRecovery: Scenario {
    Scenario(
      "eviction-recovery", blocks: 1, boxes: 2,
      [
        Part(name: "the owner", node: 0, script: [.remove([1])]),
        Part(
          name: "the survivor", node: 1,
          script: [
            .pin(1), .awaitFence(0), .read(1), .recover, .read(1), .put(2), .publish(2), .read(1),
            .unpin,
          ]),
      ]
    ).with {
      $0.published = [(0, [1])]
      $0.mortal = 0
      $0.options.hasLineStore = false
      $0.options.readsEarly = false
      $0.suspectsTheLiving = true
    }
  }

  /// The owner dies while it evicts two neighbours, whose lines arrive in any order; a survivor puts
  /// the second of them again, which must not end up in the index twice.
  static var evictionOfARun: Scenario {
    let scenario = Scenario(
      "eviction-of-a-run", blocks: 3, window: 3, boxes: 2,
      [
        Part(name: "the owner", node: 0, script: []),
        Part(name: "the survivor", node: 1, script: []),
      ])
    // Two hashes that want the same line.
    let first = scenario.geometry.firstSlot(of: hash(1))
    let second = (2...).first { scenario.geometry.firstSlot(of: hash($0)) == first }!
    return scenario.with {
      $0.published = [(0, [1, second])]
      $0.processes[0].script = [.remove([1, second])]
      $0.processes[1].script = [.awaitFence(0), .recover, .put(second)]
      $0.mortal = 0
      $0.options.tears = true
      $0.options.readsEarly = false
      $0.checksIndex = true
    }
  }

  /// A node leaves with the lock of the chunk table just given back, and another needs it.
  static var leaving: Scenario {
    Scenario(
      "leaving", blocks: 1, boxes: 2,
      [
        Part(name: "node 0", node: 0, script: [.leave]),
        Part(name: "node 1", node: 1, script: [.put(2), .mustHave, .publish(2)]),
      ]
    )
  }

  /// A writer dies while it reserves and publishes; another clears up and uses the place again.
  static var reservationRecovery: Scenario {
    Scenario(
      "reservation-recovery", blocks: 1, boxes: 2,
      [
        Part(name: "the writer", node: 0, script: [.put(1), .publish(1)]),
        Part(
          name: "the survivor", node: 1,
          script: [
            .awaitFence(0), .recover, .put(2), .mustHave, .publish(2), .pin(2), .read(2), .unpin,
          ]),
      ]
    ).with {
      $0.mortal = 0
      $0.options.hasLineStore = false
      $0.options.tears = true
      $0.options.readsEarly = false
      $0.suspectsTheLiving = true
    }
  }

  private func renamed(_ name: String) -> Scenario {
    Scenario(name, copying: self)
  }

  private init(_ name: String, copying other: Scenario) {
    self.name = name
    geometry = other.geometry
    managers = other.managers
    processes = other.processes
    options = other.options
    patience = other.patience
    published = other.published
    late = other.late
    mortal = other.mortal
    suspectsTheLiving = other.suspectsTheLiving
    checksIndex = other.checksIndex
  }
}
