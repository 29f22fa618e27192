# Rows of two sweeps with the same points, seeds and one system, compared seed by seed.
#
#   awk -f Scripts/paired.awk REFERENCE/sweep.csv OTHER/sweep.csv
#
# Prints, for each value of the varied rate, "rate,mean_ttft_ms,ratio,ci95,p99_ttft_ms,ratio,ci95,
# request_throughput,ratio,ci95": means of OTHER, and its ratio to REFERENCE with the half width of a
# 95 % confidence interval (Student's t over seeds).
BEGIN {
  FS = ","
  split("mean_ttft_ms p99_ttft_ms request_throughput", figures, " ")
  # 97.5 % quantiles of Student's t by degrees of freedom.
  split("12.706205 4.302653 3.182446 2.776445 2.570582 2.446912 2.364624 2.306004 2.262157", t, " ")
}
FNR == 1 {
  delete column
  for (i = 1; i <= NF; i++) column[$i] = i
  file++
  next
}
{
  rate = $column["traffic.arrivals.rate_rps"]
  seed = $column["seed"]
  if (!((rate, seed) in place)) {
    place[rate, seed] = 1
    if (!(rate in seeds)) rates[++count] = rate
    name[rate, ++seeds[rate]] = seed
  }
  if ($column["failed"] != 0) { print FILENAME ": requests failed" > "/dev/stderr"; exit 1 }
  for (f = 1; f <= 3; f++) value[file, rate, seed, f] = $column[figures[f]]
}
END {
  for (r = 1; r <= count; r++) {
    rate = rates[r]
    n = seeds[rate]
    line = rate
    for (f = 1; f <= 3; f++) {
      sum = sum2 = mean = 0
      for (s = 1; s <= n; s++) {
        other = value[2, rate, name[rate, s], f]
        ratio = other / value[1, rate, name[rate, s], f]
        mean += other / n
        sum += ratio / n
        sum2 += ratio * ratio / n
      }
      variance = n > 1 ? (sum2 - sum * sum) * n / (n - 1) : 0
      half = variance > 0 ? t[n - 1] * sqrt(variance / n) : 0
      line = line sprintf(f == 3 ? ",%.4f,%.4f,%.4f" : ",%.1f,%.4f,%.4f", mean, sum, half)
    }
    print line
  }
}
