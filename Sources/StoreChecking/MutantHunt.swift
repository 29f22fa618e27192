// Seeded mistakes, and how soon simulations find each.

import TractStore

/// A mistake that is planted for a hunt.
public enum Mistake: Hashable, Sendable, CustomStringConvertible {
  case mutant(Mutant)
  case sabotage(Sabotage)

  public static var all: [Mistake] {
    Mutant.allCases.map { .mutant($0) } + Sabotage.allCases.map { .sabotage($0) }
  }

  public init?(_ name: String) {
    guard let found = Self.all.first(where: { $0.description == name }) else { return nil }
    self = found
  }

  public var mutant: Mutant? { if case .mutant(let mutant) = self { mutant } else { nil } }
  public var sabotage: Sabotage? {
    if case .sabotage(let sabotage) = self { sabotage } else { nil }
  }

  public var description: String {
    switch self {
    case .mutant(let mutant): mutant.rawValue
    case .sabotage(let sabotage): sabotage.rawValue
    }
  }
}

extension Mistake {
  /// The scenario whose exploration catches the mistake, where simulations hardly would: the right
  /// steps of three parties in a row are rare.
  public var scenario: Scenario? {
    switch self {
    case .mutant(.acknowledgesBeforeAdopting), .mutant(.inheritsOneHolder),
      .mutant(.acknowledgesHeldAsIdle), .mutant(.activatesWithoutAcknowledgement):
      .named("fail-over")
    case .mutant(.hearsTheStopped): .named("fail-over-after-death")
    case .mutant(.joinsUnannounced): .named("fail-over-join")
    case .sabotage(.leavesPinsInCache), .mutant(.validatesBeforePinning), .mutant(.skipsValidation),
      .mutant(.evictsUnmarked),
      .mutant(.scansBeforeMarking), .mutant(.evictsPinned):
      .named("pins")
    case .mutant(.validatesWithoutGeneration): .named("pins-of-the-past")
    case .mutant(.emptiesRunsAtOnce): .named("eviction-of-a-run")
    case .sabotage(.fencesWithoutFlushing): .named("reservation-recovery")
    case .mutant(.believesTornLines): .named("lock-by-flush")
    case .mutant(.acceptsAnySequence), .mutant(.grantsPartOfASet): .named("lock-sets")
    case .mutant(.forgetsWithdrawal): .named("withdrawal")
    case .sabotage(.pollsFromCache), .sabotage(.readsWithoutFlush): .named("lock-with-copies")
    case .sabotage(.scansPinsFromCache), .sabotage(.readsIndexFromCache):
      .named("pins-with-copies")
    default: nil
    }
  }
}

extension Mistake {
  /// What a hunt changes of the options drawn from a seed, so that the mistake matters more often.
  var huntingOptions: String {
    switch self {
    // A recovery must die between two of its steps, after a death in the middle of an eviction.
    case .mutant(.passesOverQuarantined):
      "crash=chunksQuarantined:killProcess,kills=250,hostkills=0,pauses=0,managerkills=0,"
        + "managerpauses=0,poison=0,leaves=0,patience=0,nodes=3,tasks=2,blocks=6,chunk=6,shards=1,"
        + "hashes=12,steps=2500,preemptions=60,evictions=300,linestore=false"
    // The device must lose the line of a block that is being read, and its owner die.
    case .mutant(.adoptsPinned):
      "poison=600,kills=200,hostkills=0,pauses=0,managerkills=0,managerpauses=0,leaves=0,nodes=2,"
        + "tasks=3,blocks=4,chunk=1,shards=1,hashes=6,steps=2500,preemptions=0,deliveries=300"
    default: ""
    }
  }
}

/// What a hunt for one mistake came to.
public struct HuntResult: Hashable, Sendable {
  public var mistake: Mistake
  /// The first seed whose simulation failed; nil if none within the budget did.
  public var caughtBy: UInt64?
  public var violation: String
}

/// Runs simulations with a mistake planted, from seed 1 on, until one fails.
public func hunt(_ mistake: Mistake, budget: UInt64) -> HuntResult {
  for seed in 1...budget {
    var options = SimulationOptions(seed: seed)
    _ = options.apply(mistake.huntingOptions)
    let simulation = StoreSimulation(
      seed: seed, options: options, mutant: mistake.mutant,
      sabotage: mistake.sabotage)
    if let violation = simulation.run().violations.first {
      return HuntResult(mistake: mistake, caughtBy: seed, violation: violation)
    }
  }
  return HuntResult(mistake: mistake, caughtBy: nil, violation: "")
}
