// The points of a sweep: which values stand at which places of the workload file.

import Foundation
import Workload

/// What is wrong with the arguments or the files of a sweep, in words.
public struct SweepError: Error, CustomStringConvertible {
  public var description: String
}

/// One place of the workload file and the values it takes.
public struct SweepAxis: Hashable, Sendable {
  public let path: String
  /// As `--set` takes them: JSON, or else plain strings.
  public let values: [String]

  /// The most values of one axis, and points of a grid.
  public static let limit = 1_000_000

  /// Parses `path=1,2,4`, `path=1..8` (whole numbers), `path=0.5:4:0.5` (from, to, step) or
  /// `path=1:64:x2` (from, to, factor).
  public init(_ text: String) throws(SweepError) {
    guard let override = WorkloadFile.Override(text), !override.value.isEmpty else {
      throw SweepError(
        description:
          "'--vary \(text)' is not path=v1,v2,…, path=from..to, path=from:to:step or "
          + "path=from:to:xfactor"
      )
    }
    path = override.path
    let parts = override.value.split(separator: ":", omittingEmptySubsequences: false)
    let isRange = parts.count == 3 && parts[0].first.map { "+-.0123456789".contains($0) } == true
    values =
      if let whole = Self.wholeNumbers(override.value) {
        whole
      } else {
        isRange ? try Self.range(parts.map(String.init), text) : Self.list(override.value)
      }
    guard Set(values).count == values.count else {
      throw SweepError(description: "'--vary \(text)' names a value twice")
    }
  }

  /// The seeds of `1..5` or `1,3,7`, as an axis of their own.
  public init(seeds text: String) throws(SweepError) {
    path = "seed"
    values = Self.wholeNumbers(text) ?? Self.list(text)
    guard !values.isEmpty, values.allSatisfy({ UInt64($0) != nil }),
      Set(values).count == values.count
    else {
      throw SweepError(description: "'--seeds \(text)' is not 1..5 or 1,3,7")
    }
  }

  /// The numbers of `from..to`; nil for any other text.
  private static func wholeNumbers(_ text: String) -> [String]? {
    let bounds = text.components(separatedBy: "..")
    guard bounds.count == 2, let first = Int(bounds[0]), let last = Int(bounds[1]), first >= 0,
      first <= last, last - first < limit
    else { return nil }
    return (first...last).map(String.init)
  }

  /// Values between commas; commas within brackets, braces and quotes belong to a value.
  private static func list(_ text: String) -> [String] {
    var values = [""]
    var (depth, isQuoted) = (0, false)
    for character in text {
      switch character {
      case "\"": isQuoted.toggle()
      case "[", "{": if !isQuoted { depth += 1 }
      case "]", "}": if !isQuoted { depth -= 1 }
      case ",":
        if depth == 0, !isQuoted {
          values.append("")
          continue
        }
      default: break
      }
      values[values.count - 1].append(character)
    }
    return values
  }

  /// In decimal, so that 0.1 + 0.2 is 0.3.
  private static func range(_ parts: [String], _ text: String) throws(SweepError) -> [String] {
    func decimal(_ text: some StringProtocol) -> Decimal? {
      Double(text) == nil
        ? nil : Decimal(string: String(text), locale: Locale(identifier: "en_US_POSIX"))
    }
    let isFactor = parts[2].hasPrefix("x")
    guard let from = decimal(parts[0]), let to = decimal(parts[1]),
      let step = decimal(parts[2].dropFirst(isFactor ? 1 : 0)), from <= to,
      isFactor ? step > 1 && from > 0 : step > 0
    else {
      throw SweepError(
        description: "'--vary \(text)': a range is from:to:step with step > 0, or from:to:xfactor "
          + "with from > 0 and factor > 1; from is at most to")
    }
    var values: [String] = []
    var value = from
    while value <= to {
      guard values.count < limit else {
        throw SweepError(description: "'--vary \(text)' has more than \(limit) values")
      }
      values.append("\(value)")
      value = isFactor ? value * step : value + step
    }
    return values
  }
}

/// All combinations of the axes' values; the last axis changes fastest.
public struct SweepGrid: Sendable {
  public let axes: [SweepAxis]
  public let count: Int

  public init(_ axes: [SweepAxis]) throws(SweepError) {
    guard Set(axes.map(\.path)).count == axes.count else {
      throw SweepError(description: "a path is varied twice")
    }
    var count = 1
    for axis in axes {
      let (product, overflows) = count.multipliedReportingOverflow(by: axis.values.count)
      guard !overflows, product <= SweepAxis.limit else {
        throw SweepError(description: "the sweep has more than \(SweepAxis.limit) points")
      }
      count = product
    }
    self.axes = axes
    self.count = count
  }

  /// The values of a point, in the order of the axes.
  public func values(of point: Int) -> [String] {
    var rest = point
    var values: [String] = []
    for axis in axes.reversed() {
      values.append(axis.values[rest % axis.values.count])
      rest /= axis.values.count
    }
    return values.reversed()
  }

  /// What a point replaces in the workload file.
  public func overrides(of point: Int) -> [WorkloadFile.Override] {
    zip(axes, values(of: point)).compactMap { axis, value in
      WorkloadFile.Override("\(axis.path)=\(value)")
    }
  }
}

/// A share of a sweep's points, for several machines: number `index`, from 1, of `count`.
public struct SweepShard: Hashable, Sendable {
  public let index: Int
  public let count: Int

  /// Parses `2/8`.
  public init(_ text: String) throws(SweepError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let index = parts[0], let count = parts[1], count >= 1,
      (1...count).contains(index)
    else {
      throw SweepError(
        description: "'--shard \(text)' is not i/n with i from 1 to n; number a Slurm array from 1 "
          + "(--array=1-N)")
    }
    (self.index, self.count) = (index, count)
  }

  public func has(_ point: Int) -> Bool { point % count == index - 1 }
}
