// `store-check simulate` and `shrink`: seeded runs of the whole store.

import ArgumentParser
import StoreChecking

struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Run seeded simulations of the whole store.")

  @Option(help: "First seed.") var seed: UInt64 = 1
  @Option(help: "How many seeds.") var count: UInt64 = 1
  @Option(help: "Simulations at a time.") var jobs = 1
  @Option(help: "Options that replace those drawn from the seed, as key=value,…") var options = ""
  @OptionGroup var mistake: MistakeOption

  func validate() throws {
    var trial = SimulationOptions()
    if let problem = trial.apply(options) { throw ValidationError(problem) }
    guard count > 0, jobs > 0 else { throw ValidationError("--count and --jobs must be positive") }
  }

  func run() throws {
    print("seeds \(seed) to \(seed + count - 1)" + mistake.arguments)
    let result = campaign(
      seed...seed + count - 1, jobs: jobs, changing: options, mistake: mistake.planted)
    for (seed, violation) in result.failures {
      var drawn = SimulationOptions(seed: seed)
      _ = drawn.apply(options)
      print("seed \(seed): \(violation)")
      print("  options \(drawn)")
      print("  repeat: store-check simulate --seed \(seed)" + extra)
      print("  shrink: store-check shrink --seed \(seed)" + extra)
    }
    print(
      """
      \(result.seeds) seeds, \(result.total.steps) steps, \(result.failures.count) failed
      \(result.total.published) blocks published, \(result.total.verified) read and verified, \
      \(result.total.evicted) evicted
      \(result.total.kills) deaths, \(result.total.recoveries) recoveries, \(result.total.terms) terms of managers
      crash points: \(result.crashes.count) of \(CrashPlan.all.count) combinations exercised
      """)
    if !result.failures.isEmpty { throw ExitCode.failure }
  }

  private var extra: String {
    (options.isEmpty ? "" : " --options \(options)") + mistake.arguments
  }
}

struct ShrinkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shrink", abstract: "Make a failing simulation small.")

  @Option(help: "The seed that fails.") var seed: UInt64
  @Option(help: "Options that replace those drawn from the seed, as key=value,…") var options = ""
  @OptionGroup var mistake: MistakeOption

  func run() throws {
    var drawn = SimulationOptions(seed: seed)
    if let problem = drawn.apply(options) { throw ValidationError(problem) }
    guard let small = shrink(seed: seed, options: drawn, mistake: mistake.planted) else {
      print("seed \(seed) does not fail")
      return
    }
    print("\(small.violation)")
    print(
      "store-check simulate --seed \(small.seed) --options \(small.options)" + mistake.arguments)
  }
}
