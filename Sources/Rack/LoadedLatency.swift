// Latency of small accesses to shared memory beside bulk traffic: a device's measured curves.

/// What bulk traffic does to the hop of a small access that it loads most.
public struct CXLLoad: Hashable, Sendable {
  /// Share of the hop's bandwidth in use, 0…1.
  public var utilisation: Double
  /// Share of writes in the bytes that pass, 0…1.
  public var writeShare: Double

  public init(utilisation: Double, writeShare: Double) {
    self.utilisation = utilisation
    self.writeShare = writeShare
  }

  public static let idle = CXLLoad(utilisation: 0, writeShare: 0)
}

/// The factor on idle latency as a function of utilisation, one curve for each measured mix of
/// reads and writes.
///
/// Between two mixes the factors at equal utilisation are interpolated; outside them the nearest
/// curve holds.
public struct LoadedLatency: Hashable, Sendable {
  public struct Curve: Hashable, Sendable {
    /// Share of writes in the bulk traffic, 0…1.
    public var writeShare: Double
    public var curve: LoadedLatencyCurve

    public init(writeShare: Double, curve: LoadedLatencyCurve) {
      self.writeShare = writeShare
      self.curve = curve
    }
  }

  /// Name in the catalogue.
  public let name: String
  public let curves: [Curve]

  /// - Precondition: at least one curve, write shares strictly ascending.
  public init(name: String, curves: [Curve]) {
    precondition(!curves.isEmpty)
    precondition(zip(curves, curves.dropFirst()).allSatisfy { $0.writeShare < $1.writeShare })
    self.name = name
    self.curves = curves
  }

  /// The factor by which latency exceeds its idle value under `load`.
  /// - Complexity: O(points of two curves).
  public func factor(at load: CXLLoad) -> Double {
    var below = 0
    while below + 1 < curves.count, curves[below + 1].writeShare <= load.writeShare { below += 1 }
    let low = curves[below].curve.factor(at: load.utilisation)
    guard below + 1 < curves.count, load.writeShare > curves[below].writeShare else { return low }
    let high = curves[below + 1].curve.factor(at: load.utilisation)
    let span = curves[below + 1].writeShare - curves[below].writeShare
    return low + (high - low) * (load.writeShare - curves[below].writeShare) / span
  }
}
