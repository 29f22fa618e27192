// Histories in which the store once failed, or fails with a mistake planted, made small.

/// A small world in which a mistake shows: among the first seeds from `seed` on, simulations fail with
/// it, and pass without. (The very seed that failed once would say nothing any more after the next
/// change of what the store reads or writes.)
public struct Regression: Hashable, Sendable, CustomStringConvertible {
  public var mistake: String
  public var seed: UInt64
  /// As `SimulationOptions` writes them; what is not named has its default.
  public var options: String

  public var description: String { "\(mistake), seed \(seed)" }

  /// Seeds within which it must show.
  public static var seeds: UInt64 { 400 }

  /// Found by `store-check shrink`.
  public static let all: [Regression] = [
    // Recovery counted those as recovered who died while it was under way.
    Regression(
      mistake: "recordsLateDeaths", seed: 19,
      options: "nodes=3,tasks=1,blocks=1,chunk=1,shards=1,window=16,boxes=16,"
        + "hashes=1,steps=632,deliveries=68,pauses=186"),
    Regression(
      mistake: "skipsQuarantine", seed: 6,
      options: "nodes=3,tasks=1,blocks=2,chunk=1,boxes=16,hashes=7,steps=831,"
        + "deliveries=28,ddio=true,kills=109,crash=lockRequested:killHost"),
    Regression(
      mistake: "leavesTornLines", seed: 1,
      options: "nodes=2,tasks=1,blocks=7,chunk=1,shards=1,window=4,boxes=4,hashes=14,steps=474,"
        + "evictions=203,deliveries=10,preemptions=35,linestore=false"),
    Regression(
      mistake: "deletesWithoutTomb", seed: 14,
      options: "nodes=2,tasks=1,blocks=21,chunk=3,shards=3,window=8,boxes=4,hashes=7,steps=474,"
        + "deliveries=348"),
    Regression(
      mistake: "freesLocksOfSuspects", seed: 2,
      options: "nodes=2,tasks=1,blocks=1,chunk=1,shards=7,window=8,boxes=16,hashes=4,steps=1459,"
        + "deliveries=363,pauses=62,fencingfails=true,crash=lockRequested:killProcess"),
  ]
}
