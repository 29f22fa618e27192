// Named random streams: one generator per purpose, so that a draw here moves nothing there.

import CGSL

/// A reproducible stream of random numbers for one purpose.
///
/// The generator is GSL's `taus2` (L'Ecuyer 1996, 1999), seeded from the run's seed and the
/// stream's name, so streams of different names are unrelated and adding draws to one changes no
/// other.
public struct RandomStream: ~Copyable {
  private let generator: UnsafeMutablePointer<gsl_rng>

  public init(seed: UInt64, name: String) {
    // Name and run's seed, spread over the generator's seed.
    let z = StableHash.spread(StableHash.of(name.utf8) ^ (seed &+ 0x9E37_79B9_7F4A_7C15))
    generator = gsl_rng_alloc(tract_gsl_rng_taus2())
    gsl_rng_set(generator, UInt(z & 0xFFFF_FFFF))
  }

  deinit { gsl_rng_free(generator) }

  /// A number in [0, 1).
  public mutating func uniform() -> Double { gsl_rng_uniform(generator) }

  public mutating func exponential(mean: Double) -> Double { gsl_ran_exponential(generator, mean) }

  /// Mean `shape · scale`.
  public mutating func gamma(shape: Double, scale: Double) -> Double {
    gsl_ran_gamma(generator, shape, scale)
  }

  public mutating func normal(mean: Double, deviation: Double) -> Double {
    mean + gsl_ran_gaussian(generator, deviation)
  }

  /// `exp` of a normal number with this mean and deviation.
  public mutating func lognormal(mean: Double, deviation: Double) -> Double {
    gsl_ran_lognormal(generator, mean, deviation)
  }

  public mutating func poisson(mean: Double) -> Int { Int(gsl_ran_poisson(generator, mean)) }

  /// A whole number in `0..<bound`; `bound` must be positive and below 2³².
  public mutating func integer(below bound: Int) -> Int {
    Int(gsl_rng_uniform_int(generator, UInt(bound)))
  }

  /// 64 random bits.
  public mutating func bits() -> UInt64 {
    UInt64(gsl_rng_get(generator)) << 32 | UInt64(gsl_rng_get(generator))
  }
}
