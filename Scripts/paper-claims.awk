# What the paper's experiments say of each of its figures, a line a fact: means over the seeds with
# half widths of 95 % intervals. With -v orderings=1 only which system comes before which, without
# figures. Reads lengths.csv, static.csv, synthetic-?.csv and, if given, run-length.csv, path-*.csv
# and utilisation.csv.
BEGIN {
  FS = ","
  split("a b c", sets, " ")
}
FNR == 1 {
  delete column
  for (i = 1; i <= NF; i++) column[$i] = i
  file = FILENAME
  sub(/.*\//, "", file)
  sub(/\.csv$/, "", file)
  next
}
file == "utilisation" { note_utilisation(); next }
{
  # Rows of one key: the sweep, and what its first columns say.
  key = file
  x = $1
  if (file == "run-length") { key = $1 "/" $2; x = $3 }
  if (file == "path-synthetic") { key = "path " $1 "/" $2; x = $3 }
  if (file == "path-lengths" || file == "path-static") { key = file " " $1; x = $2 }
  sub(/^synthetic-/, "", key)
  if (file ~ /^path/ && !(($1) in path_seen)) { path_seen[$1] = 1; path[++paths] = $1 }
  if (file == "run-length" && !($2 in count_seen)) { count_seen[$2] = 1; counts[++lengths] = $2 }
  s = $column["system"]
  for (name in column) value[key, x, s, name] = $column[name]
  if (!((key, x) in seen)) { seen[key, x] = 1; point[key, ++points[key]] = x }
}

function get(key, x, s, name) { return value[key, x, s, name] }
function measured(key, x, s, name, digits) {
  return sprintf("%." digits "f ± %." digits "f", get(key, x, s, name), get(key, x, s, name "_ci95"))
}
# Another system's figure divided by TraCT's.
function times(key, x, s, name) { return measured(key, x, s, name "_ratio", 2) }
# TraCT's throughput divided by another's.
function inverse(key, x, s, name,   r) {
  r = get(key, x, s, name "_ratio")
  return sprintf("%.3f ± %.3f", 1 / r, get(key, x, s, name "_ratio_ci95") / (r * r))
}
function growth(key, s, name, first, last,   a, b, da, db) {
  a = get(key, first, s, name)
  b = get(key, last, s, name)
  da = get(key, first, s, name "_ci95") / a
  db = get(key, last, s, name "_ci95") / b
  return sprintf("%.2f ± %.2f", b / a, b / a * sqrt(da * da + db * db))
}
# "a < b" or "a ~ b" if they differ by less than a hundredth.
function order(a, va, b, vb) {
  return a (va < 0.99 * vb ? " < " : vb < 0.99 * va ? " > " : " ~ ") b
}
function note_utilisation(   i) {
  k = $1 SUBSEP $3
  n_runs[k]++
  for (i = 4; i <= NF; i++) {
    sum[k, i] += $i
    squares[k, i] += $i * $i
  }
  utilisation_columns = NF
  for (name in column) if (column[name] > 3) utilisation_name[column[name]] = name
}
function utilised(set, s, name, digits,   k, n, i, mean, deviation) {
  k = set SUBSEP s
  n = n_runs[k]
  for (i = 4; utilisation_name[i] != name; i++) continue
  mean = sum[k, i] / n
  deviation = sqrt((squares[k, i] - n * mean * mean) / (n - 1))
  # Student's t for five seeds.
  return sprintf("%." digits "f ± %." digits "f", mean, 2.776 * deviation / sqrt(n))
}

function print_orderings(   i, j, x, s, key) {
  for (i = 1; i <= points["lengths"]; i++) {
    x = point["lengths", i]
    for (j = 1; j <= 4; j++) {
      s = j == 1 ? "p5_ttft_ms" : j == 2 ? "median_ttft_ms" : j == 3 ? "p90_ttft_ms" : "p99_ttft_ms"
      print "Fig 5, " x " tokens, " s ": " \
        order("nixl", get("lengths", x, "nixl", s), "tract-nocache", get("lengths", x, "tract-nocache", s))
    }
  }
  for (i = 1; i <= points["static"]; i++) {
    x = point["static", i]
    s = "request_throughput"
    print "Fig 6, " x " requests/s: " \
      order("nixl", get("static", x, "nixl", s), "tract-nocache", get("static", x, "tract-nocache", s))
  }
  for (j = 1; j <= 3; j++) {
    key = sets[j]
    for (i = 1; i <= points[key]; i++) {
      x = point[key, i]
      print "Fig 7, " key ", " x " requests/s: " pair(key, x, "request_throughput")
      print "Fig 8, " key ", " x " requests/s: " order("lmcache",
        get(key, x, "lmcache", "prefix_cache_reused_ratio"), "tract",
        get(key, x, "tract", "prefix_cache_reused_ratio"))
      print "Fig 9, " key ", " x " requests/s: mean " pair(key, x, "mean_ttft_ms") "; P99 " \
        pair(key, x, "p99_ttft_ms")
      print "Fig 10, " key ", " x " requests/s: decode KV read " pair(key, x, "mean_decode_kv_read_ms")
    }
  }
}
function pair(key, x, name) {
  return order("nixl", get(key, x, "nixl", name), "tract", get(key, x, "tract", name)) ", " \
    order("lmcache", get(key, x, "lmcache", name), "tract", get(key, x, "tract", name))
}

function extremes(figure, key, s, name,   i, x, r, high, low, at_high, at_low) {
  for (i = 1; i <= points[key]; i++) {
    x = point[key, i]
    r = 1 / get(key, x, s, name "_ratio")
    if (i == 1 || r > high) { high = r; at_high = x }
    if (i == 1 || r < low) { low = r; at_low = x }
  }
  printf "%s, set %s: throughput of tract to %s's at most %s (%s requests/s), at least %s (%s)\n",
    figure, key, s, inverse(key, at_high, s, name), at_high, inverse(key, at_low, s, name), at_low
}
function within(v, low, high) { return v >= low && v <= high ? " (in range)" : "" }
# Loads of one run length at which ratios of the mean and of the P99 are what the paper's are.
function headline(key, requests,   i, x, j, s, m, p, t) {
  for (j = 1; j <= 2; j++) {
    s = j == 1 ? "nixl" : "lmcache"
    for (i = 1; i <= points[key]; i++) {
      x = point[key, i]
      m = within(get(key, x, s, "mean_ttft_ms_ratio"), 7.83, 11.83)
      p = within(get(key, x, s, "p99_ttft_ms_ratio"), 4.7, 7.7)
      t = within(1 / get(key, x, s, "request_throughput_ratio"), 1.3, 1.9)
      if (m p t != "")
        printf "Fig 9, %s requests, set %s, %s requests/s: %s/tract mean %s%s, P99 %s%s; throughput %s%s\n",
          requests, substr(key, 1, 1), x, s, times(key, x, s, "mean_ttft_ms"), m,
          times(key, x, s, "p99_ttft_ms"), p, inverse(key, x, s, "request_throughput"), t
    }
  }
}
function print_facts(   i, j, k, x, s, name, key, first, last, longest) {
  split("mean_ttft_ms p5_ttft_ms median_ttft_ms p90_ttft_ms p99_ttft_ms", percentile, " ")
  for (i = 1; i <= points["lengths"]; i++) {
    x = point["lengths", i]
    printf "Fig 5, %s tokens: mean TTFT nixl %s ms, tract-nocache %s ms; tract-nocache to nixl", x,
      measured("lengths", x, "nixl", "mean_ttft_ms", 0),
      measured("lengths", x, "tract-nocache", "mean_ttft_ms", 0)
    for (j = 1; j <= 5; j++) {
      name = percentile[j]
      sub(/_ttft_ms/, "", name)
      printf "%s %s %s", j == 1 ? "" : ",", name, \
        measured("lengths", x, "tract-nocache", percentile[j] "_ratio", 3)
    }
    print ""
  }
  for (i = 1; i <= points["static"]; i++) {
    x = point["static", i]
    printf "Fig 6, %s requests/s: throughput nixl %s, tract-nocache to nixl %s\n", x,
      measured("static", x, "nixl", "request_throughput", 3),
      measured("static", x, "tract-nocache", "request_throughput_ratio", 4)
  }
  for (j = 1; j <= 3; j++) for (k = 1; k <= 2; k++)
    extremes("Fig 7", sets[j], k == 1 ? "nixl" : "lmcache", "request_throughput")
  for (j = 1; j <= 3; j++) {
    key = sets[j]
    for (i = 1; i <= points[key]; i++) {
      x = point[key, i]
      printf "Fig 8, set %s, %s requests/s: reuse lmcache %s, tract %s\n", key, x,
        measured(key, x, "lmcache", "prefix_cache_reused_ratio", 4),
        measured(key, x, "tract", "prefix_cache_reused_ratio", 4)
    }
  }
  for (j = 1; j <= 3; j++) {
    key = sets[j]
    for (i = 1; i <= points[key]; i++) {
      x = point[key, i]
      printf "Fig 9, 1000 requests, set %s, %s requests/s: nixl/tract mean %s, P99 %s; lmcache/tract mean %s, P99 %s\n",
        key, x, times(key, x, "nixl", "mean_ttft_ms"), times(key, x, "nixl", "p99_ttft_ms"),
        times(key, x, "lmcache", "mean_ttft_ms"), times(key, x, "lmcache", "p99_ttft_ms")
    }
  }
  for (j = 1; j <= 3; j++) {
    for (k = 1; k <= lengths; k++) headline(sets[j] "/" counts[k], counts[k])
    headline(sets[j], 1000)
  }
  for (j = 1; j <= 3 && lengths > 0; j++) for (k = 1; k <= 3; k++) {
    s = k == 1 ? "nixl" : k == 2 ? "lmcache" : "tract"
    longest = get(sets[j] "/" counts[lengths], 4, s, "request_throughput")
    printf "Fig 9, set %s, 4 requests/s: throughput of %s with %d requests to that with 1000: %.4f\n",
      sets[j], s, counts[lengths], longest / get(sets[j], 4, s, "request_throughput")
  }
  for (j = 1; j <= 3; j++) {
    key = sets[j]
    first = point[key, 1]
    last = point[key, points[key]]
    printf "Fig 10, set %s: decode KV read from %s to %s requests/s", key, first, last
    for (k = 1; k <= 3; k++) {
      s = k == 1 ? "nixl" : k == 2 ? "lmcache" : "tract"
      printf "%s %s %s to %s ms (%s times)", k == 1 ? "" : ",", s,
        measured(key, first, s, "mean_decode_kv_read_ms", 1),
        measured(key, last, s, "mean_decode_kv_read_ms", 1),
        growth(key, s, "mean_decode_kv_read_ms", first, last)
    }
    print ""
  }
  for (j = 1; j <= 3; j++) for (k = 1; k <= 3 && utilisation_columns > 0; k++) {
    s = k == 1 ? "nixl" : k == 2 ? "lmcache" : "tract"
    printf "Fig 11, set %s, 3 requests/s, %s: GPU busy prefill %s, decode %s; W a GPU prefill %s, decode %s;",
      sets[j], s, utilised(sets[j], s, "prefill_busy", 3), utilised(sets[j], s, "decode_busy", 3),
      utilised(sets[j], s, "prefill_gpu_power_w", 1), utilised(sets[j], s, "decode_gpu_power_w", 1)
    printf " GB/s to the prefill GPU mean %s, peak %s, to the decode GPU mean %s, peak %s, from the prefill GPU %s\n",
      utilised(sets[j], s, "prefill_pcie_rx_gbps", 3),
      utilised(sets[j], s, "prefill_pcie_rx_peak_gbps", 2),
      utilised(sets[j], s, "decode_pcie_rx_gbps", 3),
      utilised(sets[j], s, "decode_pcie_rx_peak_gbps", 2),
      utilised(sets[j], s, "prefill_pcie_tx_gbps", 3)
  }
  for (j = 1; j <= 3; j++) for (i = 1; i <= points[sets[j]]; i++) {
    key = sets[j]
    x = point[key, i]
    if (x != 1 && x != 3) continue
    printf "Energy, set %s, %s requests/s: J a request tract %s; nixl/tract %s, lmcache/tract %s\n",
      key, x, measured(key, x, "tract", "energy_per_request_j", 0),
      times(key, x, "nixl", "energy_per_request_j"), times(key, x, "lmcache", "energy_per_request_j")
  }
  for (i = 1; i <= paths; i++) print_path(path[i])
}
# What would come out if the path of the baselines' transfers carried `gbps` in sum.
function print_path(gbps,   j, x, key, k, s) {
  printf "Path of %s GB/s: Fig 5, tract-nocache to nixl, mean at 1500 tokens %s, at 6000 %s", gbps,
    measured("path-lengths " gbps, 1500, "tract-nocache", "mean_ttft_ms_ratio", 3),
    measured("path-lengths " gbps, 6000, "tract-nocache", "mean_ttft_ms_ratio", 3)
  printf "; Fig 6, throughput at 1.5 requests/s %s\n",
    measured("path-static " gbps, 1.5, "tract-nocache", "request_throughput_ratio", 4)
  for (j = 1; j <= 3; j++) {
    key = "path " gbps "/" sets[j]
    printf "Path of %s GB/s, set %s: Fig 7, tract to lmcache at 3 requests/s %s;", gbps, sets[j],
      inverse(key, 3, "lmcache", "request_throughput")
    printf " Fig 10, decode KV read from 0.25 to 4 requests/s nixl %s, lmcache %s, tract %s times;",
      growth(key, "nixl", "mean_decode_kv_read_ms", 0.25, 4),
      growth(key, "lmcache", "mean_decode_kv_read_ms", 0.25, 4),
      growth(key, "tract", "mean_decode_kv_read_ms", 0.25, 4)
    printf " Fig 9, lmcache/tract mean, P99"
    for (k = 1; k <= points[key]; k++) {
      x = point[key, k]
      printf "%s at %s: %s, %s", k == 1 ? "" : ";", x, times(key, x, "lmcache", "mean_ttft_ms"),
        times(key, x, "lmcache", "p99_ttft_ms")
    }
    print ""
  }
}
END { if (orderings) print_orderings(); else print_facts() }
