# What summaries of the paper's experiments say of each of its figures: one line a fact.
function number(name) { return $column[name] }
FNR == 1 {
  delete column
  for (i = 1; i <= NF; i++) column[$i] = i
  file = FILENAME
  sub(/.*\//, "", file)
  sub(/\.csv$/, "", file)
  next
}
{
  x = $1
  system_name = $column["system"]
  ttft[file, x, system_name] = number("mean_ttft_ms")
  half[file, x, system_name] = number("mean_ttft_ms_ci95")
  p99[file, x, system_name] = number("p99_ttft_ms")
  rate[file, x, system_name] = number("request_throughput")
  hits[file, x, system_name] = number("prefix_cache_reused_ratio")
  reading[file, x, system_name] = number("mean_decode_kv_read_ms")
  if (!((file, x) in seen)) { seen[file, x] = 1; points[file, ++count[file]] = x }
}
BEGIN { FS = "," }
END {
  for (i = 1; i <= count["lengths"]; i++) {
    x = points["lengths", i]
    printf "Fig 5, %d tokens: TTFT nixl %.1f ms, tract-nocache %.1f ms, %+.1f ms\n", x,
      ttft["lengths", x, "nixl"], ttft["lengths", x, "tract-nocache"],
      ttft["lengths", x, "tract-nocache"] - ttft["lengths", x, "nixl"]
  }
  for (i = 1; i <= count["static"]; i++) {
    x = points["static", i]
    printf "Fig 6, %s requests/s: throughput of tract-nocache %.4f of nixl's\n", x,
      rate["static", x, "tract-nocache"] / rate["static", x, "nixl"]
  }
  for (s = 1; s <= 3; s++) {
    file = "synthetic-" substr("abc", s, 1)
    best = 0
    for (i = 1; i <= count[file]; i++) {
      x = points[file, i]
      r = rate[file, x, "tract"] / rate[file, x, "lmcache"]
      if (r > best) { best = r; at = x }
      if (i == 1 || r < least) { least = r; low = x }
    }
    printf "Fig 7, %s: throughput of tract to lmcache's at most %.4f (%s requests/s), at least %.4f (%s)\n",
      file, best, at, least, low
    for (i = 1; i <= count[file]; i++) {
      x = points[file, i]
      printf "Fig 8, %s, %s requests/s: reuse lmcache %.4f, tract %.4f\n", file, x,
        hits[file, x, "lmcache"], hits[file, x, "tract"]
    }
    for (i = 1; i <= count[file]; i++) {
      x = points[file, i]
      printf "Fig 9, %s, %s requests/s: mean TTFT nixl/tract %.2f, lmcache/tract %.2f; P99 %.2f, %.2f\n",
        file, x, ttft[file, x, "nixl"] / ttft[file, x, "tract"],
        ttft[file, x, "lmcache"] / ttft[file, x, "tract"],
        p99[file, x, "nixl"] / p99[file, x, "tract"],
        p99[file, x, "lmcache"] / p99[file, x, "tract"]
    }
    first = points[file, 1]
    last = points[file, count[file]]
    printf "Fig 10, %s: decode KV read grows from %s to %s requests/s by", file, first, last
    split("nixl lmcache tract", names, " ")
    for (n = 1; n <= 3; n++)
      printf " %s %.2f%s", names[n],
        reading[file, last, names[n]] / reading[file, first, names[n]], n < 3 ? "," : "\n"
  }
}
