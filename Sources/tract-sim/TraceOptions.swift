// Options of the commands that read traces.

import ArgumentParser
import Report
import Workload

extension TraceFormat: ExpressibleByArgument {}
extension SessionModel: ExpressibleByArgument {}

/// Which part of a trace is read, and how.
struct TraceOptions: ParsableArguments {
  @Option(help: "Layout of the file; auto looks at its begin.")
  var traceFormat = TraceFormat.auto
  @Option(help: "Tokens per hash id (default: the format's).") var blockTokens: Int?
  @Option(help: ArgumentHelp("Leave out what comes before.", valueName: "seconds")) var from = 0.0
  @Option(help: ArgumentHelp("Leave out what comes from here on.", valueName: "seconds"))
  var to: Double?
  @Option(help: "Read the first sessions only.") var sessions: Int?
  @Option(help: "Read the first requests only.") var limit: Int?

  func validate() throws {
    guard (1...65_536).contains(blockTokens ?? 1) else {
      throw ValidationError("'--block-tokens' must be 1 to 65536")
    }
    guard (sessions ?? 1) >= 1, (limit ?? 1) >= 1 else {
      throw ValidationError("'--sessions' and '--limit' must be 1 or more")
    }
    guard from >= 0, to ?? .infinity > from else {
      throw ValidationError("'--from' must be 0 or more, and '--to' after it")
    }
  }

  /// The trace's requests.
  func stream(_ file: String, _ arrivals: SessionOptions, speedup: Double = 1) throws
    -> RequestStream
  {
    let spec = Traffic.TraceSpec(
      path: file, format: traceFormat, speedup: speedup, blockTokens: blockTokens,
      fromSeconds: from,
      toSeconds: to, sessions: sessions)
    do {
      return try RequestStream.trace(
        spec, limit: limit, arrivals: arrivals.process, seed: UInt64(arrivals.seed))
    } catch {
      throw Exit.fail(Exit.badInput, error.description)
    }
  }
}

/// When sessions begin that have no common clock, or shall not begin as recorded.
struct SessionOptions: ParsableArguments {
  @Option(help: "Sessions at a time, whose turns follow one another's ends.")
  var concurrency: Int?
  @Option(help: ArgumentHelp("Sessions a second instead, Poisson.", valueName: "per second"))
  var sessionRate: Double?
  @Option(help: ArgumentHelp("Mean pause before a turn (default: as recorded).", valueName: "s"))
  var thinkTime: Double?
  @Option(help: "Seed of all draws.") var seed = 1

  func validate() throws {
    guard (1...100_000_000).contains(concurrency ?? 1) else {
      throw ValidationError("'--concurrency' must be 1 to 100000000")
    }
    guard (sessionRate ?? 1) > 0, (sessionRate ?? 1) <= 1e6 else {
      throw ValidationError("'--session-rate' must be above 0 and at most 1000000")
    }
    guard concurrency == nil || sessionRate == nil else {
      throw ValidationError("give --concurrency or --session-rate, not both")
    }
    guard (0...1e6).contains(thinkTime ?? 0), seed >= 0 else {
      throw ValidationError("'--think-time' must be 0 to 1000000, '--seed' not negative")
    }
  }

  var process: Traffic.Arrivals {
    let isRecorded = concurrency == nil && sessionRate == nil && thinkTime == nil
    return isRecorded
      ? .recorded
      : .sessions(
        Traffic.SessionArrivals(
          concurrency: concurrency, ratePerSecond: sessionRate, thinkSeconds: thinkTime))
  }
}
