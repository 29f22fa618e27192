# The CXL bandwidth at which tract's mean TTFT equals a baseline's, seed by seed.
#
# Reads "rack,reuse,rate,system,GB/s or Gb/s,seed,mean TTFT" and prints a row for each rack, reuse,
# rate, baseline and NIC: mean over seeds and half width of the 95 % interval. Between two bandwidths
# of the grid TTFT is a straight line over the logarithm of the bandwidth. Where a seed has no
# crossing within the grid, the row says on which side it would lie ("below" or "above") instead.
BEGIN {
  FS = ","
  split("12.706205 4.302653 3.182446 2.776445 2.570582 2.446912 2.364624 2.306004 2.262157", t, " ")
  print "rack,reuse,rate_rps,baseline,nic_gbits,cxl_gbps,cxl_gbps_ci95,seeds"
}
{
  key = $1 "," $2 "," $3
  if ($4 ~ /^tract/) {
    if (!((key, $5) in seen)) { seen[key, $5] = 1; x[key, ++points[key]] = $5 }
    y[key, $5, $6] = $7
  } else {
    if (!((key, $4, $5) in rows)) { rows[key, $4, $5] = 1; row[++count] = key SUBSEP $4 SUBSEP $5 }
    ttft[key, $4, $5, $6] = $7
    seeds = $6 > seeds ? $6 : seeds
  }
}
function crossing(key, limit, seed,   i, low, high) {
  if (y[key, x[key, 1], seed] <= limit) return "below"
  for (i = 2; i <= points[key]; i++) {
    low = y[key, x[key, i - 1], seed]
    high = y[key, x[key, i], seed]
    if (high > limit) continue
    return x[key, i - 1] * exp((low - limit) / (low - high) * log(x[key, i] / x[key, i - 1]))
  }
  return "above"
}
END {
  for (r = 1; r <= count; r++) {
    split(row[r], part, SUBSEP)
    sum = sum2 = n = 0
    side = ""
    for (seed = 1; seed <= seeds; seed++) {
      at = crossing(part[1], ttft[part[1], part[2], part[3], seed], seed)
      if (at == "below" || at == "above") { side = at; continue }
      n++
      sum += at
      sum2 += at * at
    }
    if (n < seeds) {
      edge = side == "below" ? x[part[1], 1] : x[part[1], points[part[1]]]
      printf "%s,%s,%s,%s %s,,%d\n", part[1], part[2], part[3], side, edge, n
    } else {
      half = t[n - 1] * sqrt((sum2 - sum * sum / n) / (n - 1) / n)
      printf "%s,%s,%s,%.2f,%.2f,%d\n", part[1], part[2], part[3], sum / n, half, n
    }
  }
}
