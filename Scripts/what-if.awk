# What the paper's figures would be after one change: a row of what-if.csv from the summaries
# lengths.csv, static.csv and synthetic-?.csv of one folder. `start` is put before the row.
BEGIN { FS = "," }
FNR == 1 {
  delete column
  for (i = 1; i <= NF; i++) column[$i] = i
  file = FILENAME
  sub(/.*\//, "", file)
  sub(/\.csv$/, "", file)
  next
}
{
  at = file SUBSEP $1 SUBSEP $column["system"]
  ttft[at] = $column["mean_ttft_ms"]
  p99[at] = $column["p99_ttft_ms"]
  rate[at] = $column["request_throughput"]
  reading[at] = $column["mean_decode_kv_read_ms"]
  if (!((file, $1) in seen)) { seen[file, $1] = 1; points[file, ++count[file]] = $1 }
}
function gap(tokens) {
  return ttft["lengths", tokens, "nixl"] - ttft["lengths", tokens, "tract-nocache"]
}
function place(file, x) { return toupper(substr(file, 11)) " " x }
# Smallest and largest growth of decode KV read over the three sets.
function growth(name,   s, file, low, high, g) {
  for (s = 1; s <= 3; s++) {
    file = "synthetic-" substr("abc", s, 1)
    g = reading[file, points[file, count[file]], name] / reading[file, points[file, 1], name]
    if (s == 1 || g < low) low = g
    if (s == 1 || g > high) high = g
  }
  return sprintf("%.1f to %.1f", low, high)
}
END {
  for (i = 1; i <= count["static"]; i++) {
    x = points["static", i]
    r = rate["static", x, "tract-nocache"] / rate["static", x, "nixl"]
    if (i == 1 || r < six_low) six_low = r
    if (i == 1 || r > six_high) six_high = r
  }
  for (s = 1; s <= 3; s++) {
    file = "synthetic-" substr("abc", s, 1)
    for (i = 1; i <= count[file]; i++) {
      x = points[file, i]
      r = rate[file, x, "tract"] / rate[file, x, "lmcache"]
      if (r > seven) { seven = r; at_seven = place(file, x) }
      if (least == "" || r < least) least = r
      r = ttft[file, x, "lmcache"] / ttft[file, x, "tract"]
      if (r > nine) { nine = r; at_nine = place(file, x) }
      r = p99[file, x, "lmcache"] / p99[file, x, "tract"]
      if (r > tail) { tail = r; at_tail = place(file, x) }
    }
  }
  printf "%s,%.1f,%.1f,%.4f,%.4f,%.4f,%.4f,%s,%.2f,%s,%.2f,%s,%s,%s,%s\n", start, gap(1500),
    gap(6000), six_low, six_high, least, seven, at_seven, nine, at_nine, tail, at_tail,
    growth("nixl"), growth("lmcache"), growth("tract")
}
