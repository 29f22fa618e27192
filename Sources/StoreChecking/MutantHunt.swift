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
  public var sabotage: Sabotage? { if case .sabotage(let sabotage) = self { sabotage } else { nil } }

  public var description: String {
    switch self {
    case .mutant(let mutant): mutant.rawValue
    case .sabotage(let sabotage): sabotage.rawValue
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
    let simulation = StoreSimulation(
      seed: seed, options: SimulationOptions(seed: seed), mutant: mistake.mutant,
      sabotage: mistake.sabotage)
    if let violation = simulation.run().violations.first {
      return HuntResult(mistake: mistake, caughtBy: seed, violation: violation)
    }
  }
  return HuntResult(mistake: mistake, caughtBy: nil, violation: "")
}
