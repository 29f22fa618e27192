// How far a long piece of work is: a line that writes itself over.

import Foundation

/// A line on a terminal with rate and time left.
///
/// It appears after a second of work, changes a few times a second and is gone in the end.
public final class ProgressLine: @unchecked Sendable {
  private let unit: String
  private let write: (String) -> Void
  private let clock: () -> Double
  private let begin: Double
  // All guarded by `lock`.
  private var done = 0
  private var total = 0
  private var shown: Double?
  private let lock = NSLock()

  /// - Parameter unit: what is counted, in the plural.
  /// - Parameter clock: seconds.
  public init(
    _ unit: String, write: @escaping (String) -> Void,
    clock: @escaping () -> Double = { ProcessInfo.processInfo.systemUptime }
  ) {
    self.unit = unit
    self.write = write
    self.clock = clock
    begin = clock()
  }

  /// A line on standard error, or nil where nobody would see it.
  public static func onTerminal(_ unit: String) -> ProgressLine? {
    guard isatty(STDERR_FILENO) != 0 else { return nil }
    return ProgressLine(unit) { FileHandle.standardError.write(Data($0.utf8)) }
  }

  /// So many more of a total are done.
  public func add(_ count: Int, of total: Int) {
    lock.withLock {
      done += count
      self.total = total
      let now = clock()
      guard now - (shown ?? begin + 0.8) >= 0.2 else { return }
      shown = now
      write("\r\u{1B}[K" + text(now - begin))
    }
  }

  /// Takes the line away.
  public func end() {
    lock.withLock {
      if shown != nil { write("\r\u{1B}[K") }
      shown = nil
    }
  }

  private func text(_ seconds: Double) -> String {
    let rate = Double(done) / seconds
    let left = done > 0 ? Self.span(Double(total - done) / rate) + " left" : ""
    return "\(done) of \(total) \(unit), \(Self.rounded(rate))/s, \(left)"
  }

  private static func rounded(_ rate: Double) -> String {
    rate >= 10 ? "\(Int(rate.rounded()))" : "\((rate * 10).rounded() / 10)"
  }

  private static func span(_ seconds: Double) -> String {
    let whole = Int(min(seconds, 1e9).rounded(.up))
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole / 60 % 60) min"
  }
}
