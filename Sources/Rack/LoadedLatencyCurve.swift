// Latency of a small access against the load on its path, from measured points.

/// A piecewise-linear factor on idle latency as a function of utilisation in 0…1.
///
/// Points ascend in utilisation; outside them the end values hold.
public struct LoadedLatencyCurve: Hashable, Sendable {
  public struct Point: Hashable, Sendable {
    public var utilisation: Double
    public var factor: Double

    public init(utilisation: Double, factor: Double) {
      self.utilisation = utilisation
      self.factor = factor
    }
  }

  public let points: [Point]

  /// - Precondition: at least one point, utilisations strictly ascending.
  public init(points: [Point]) {
    precondition(!points.isEmpty)
    precondition(zip(points, points.dropFirst()).allSatisfy { $0.utilisation < $1.utilisation })
    self.points = points
  }

  /// The factor by which latency exceeds its idle value at `utilisation`.
  /// - Complexity: O(points).
  public func factor(at utilisation: Double) -> Double {
    var below = points[0]
    if utilisation <= below.utilisation { return below.factor }
    for point in points.dropFirst() {
      if utilisation <= point.utilisation {
        let t = (utilisation - below.utilisation) / (point.utilisation - below.utilisation)
        return below.factor + t * (point.factor - below.factor)
      }
      below = point
    }
    return below.factor
  }
}
