// Times of all-reduces, and straight lines in their place for vectors that were made with such.

import Rack
import Testing

extension GPUSpec {
  /// The same GPU with all-reduces of `latency + bytes·2(t−1)/t / bandwidth`: least-squares fits to
  /// the measured points, in us and GB/s by number of ranks.
  func withStraightAllReduces() throws -> GPUSpec {
    let fits: [String: [Int: (latency: Double, bandwidth: Double)]] = [
      "h100-sxm": [2: (4.24, 237.4), 4: (4.91, 264.9), 8: (5.63, 316.6)],
      "h200-sxm": [2: (4.42, 249.5), 4: (4.85, 277), 8: (5.57, 339.6)],
      "b200-sxm": [2: (7.37, 322), 4: (7.92, 411.9), 8: (9.53, 492.3)],
      "a100-80-sxm": [:],
    ]
    var straight = self
    straight.allReduce = try #require(fits[name]).reduce(into: [:]) { curves, fit in
      let sent = 2 * Double(fit.key - 1) / Double(fit.key)
      let latency = fit.value.latency * 1e-6
      curves[fit.key] = AllReduceCurve(points: [
        .init(bytes: 0, seconds: latency),
        .init(bytes: 1e9, seconds: latency + sent / fit.value.bandwidth),
      ])
    }
    return straight
  }
}

@Test(arguments: [
  (0.0, 10.0), (1000, 10), (1500, 15), (2000, 20), (3000, 15), (4000, 10), (6000, 0.5e1),
]) func linearBetweenPoints(bytes: Double, microseconds: Double) {
  let curve = AllReduceCurve(points: [
    .init(bytes: 1000, seconds: 10e-6), .init(bytes: 2000, seconds: 20e-6),
    .init(bytes: 4000, seconds: 10e-6), .init(bytes: 8000, seconds: 0),
  ])
  #expect(abs(curve.seconds(bytes: bytes) - microseconds * 1e-6) < 1e-12)
}

@Test func theLastSlopeGoesOn() {
  let curve = AllReduceCurve(points: [
    .init(bytes: 0, seconds: 1e-6), .init(bytes: 1000, seconds: 2e-6),
  ])
  #expect(abs(curve.seconds(bytes: 5000) - 6e-6) < 1e-15)
}

/// All measured points come back, and at the bump of eight B200 a larger message is a faster one.
@Test func measuredPointsComeBack() throws {
  for point in Catalogue.builtIn.allReducePoints {
    let gpu = try #require(Catalogue.builtIn.gpu(point.gpu))
    let curve = try #require(gpu.allReduce[point.ranks])
    #expect(abs(curve.seconds(bytes: point.bytes.si) / point.time.si - 1) < 1e-12)
  }
  let b200 = try #require(Catalogue.builtIn.gpu("b200-sxm")?.allReduce[8])
  #expect(b200.seconds(bytes: 512 * 1024) > b200.seconds(bytes: 1024 * 1024))
}
