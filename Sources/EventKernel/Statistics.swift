// Summary statistics of samples, by GSL.

import CGSL

/// Statistics as `numpy` and the load generators compute them.
public enum Statistics {
  /// Arithmetic mean; NaN of nothing.
  public static func mean(_ samples: [Double]) -> Double {
    samples.isEmpty ? .nan : gsl_stats_mean(samples, 1, samples.count)
  }

  /// Standard deviation of the whole population (divisor n); NaN of nothing.
  public static func populationDeviation(_ samples: [Double]) -> Double {
    guard !samples.isEmpty else { return .nan }
    return gsl_stats_sd_with_fixed_mean(samples, 1, samples.count, mean(samples))
  }

  /// Quantile `p` in 0…1 of ascending samples, interpolated linearly as numpy's default.
  public static func quantile(sorted samples: [Double], _ p: Double) -> Double {
    samples.isEmpty ? .nan : gsl_stats_quantile_from_sorted_data(samples, 1, samples.count, p)
  }

  /// Half width of Student's confidence interval of the mean; NaN below two samples.
  public static func confidenceHalfWidth(_ samples: [Double], level: Double = 0.95) -> Double {
    guard samples.count > 1 else { return .nan }
    let n = Double(samples.count)
    let error = gsl_stats_sd(samples, 1, samples.count) / n.squareRoot()
    return gsl_cdf_tdist_Pinv(1 - (1 - level) / 2, n - 1) * error
  }
}
