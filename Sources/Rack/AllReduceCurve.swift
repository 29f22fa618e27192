// Time of one all-reduce against its size, from measured points.

/// A piecewise-linear time over the bytes that each rank contributes.
///
/// Measured all-reduces are no straight lines: libraries change the algorithm with the size, and
/// over PCIe the ranks disturb each other. Below the first point its time holds; beyond the last
/// the last two points' slope does.
public struct AllReduceCurve: Hashable, Sendable {
  public struct Point: Hashable, Sendable {
    public var bytes: Double
    public var seconds: Double

    public init(bytes: Double, seconds: Double) {
      self.bytes = bytes
      self.seconds = seconds
    }
  }

  public let points: [Point]

  /// - Precondition: at least two points, bytes strictly ascending.
  public init(points: [Point]) {
    precondition(points.count >= 2)
    precondition(zip(points, points.dropFirst()).allSatisfy { $0.bytes < $1.bytes })
    self.points = points
  }

  /// What an all-reduce of next to nothing takes, seconds.
  public var latencySeconds: Double { points[0].seconds }

  /// Time of an all-reduce of `bytes`, seconds.
  /// - Complexity: O(log points).
  public func seconds(bytes: Double) -> Double {
    guard bytes > points[0].bytes else { return points[0].seconds }
    // The first point at or beyond `bytes`, or the last.
    var low = 1
    var high = points.count - 1
    while low < high {
      let middle = (low + high) / 2
      if points[middle].bytes < bytes { low = middle + 1 } else { high = middle }
    }
    let from = points[low - 1]
    let to = points[low]
    return from.seconds
      + (to.seconds - from.seconds) * ((bytes - from.bytes) / (to.bytes - from.bytes))
  }
}
