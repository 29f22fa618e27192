# A row for each system of a sweep over seeds, for racks.csv: means with half widths of the 95 %
# interval (Student's t), and what the busiest parts of the rack did. `start` is put before each row.
BEGIN {
  FS = ","
  split("12.706205 4.302653 3.182446 2.776445 2.570582 2.446912 2.364624 2.306004 2.262157", t, " ")
}
NR == 1 {
  for (i = 1; i <= NF; i++) column[$i] = i
  next
}
function busiest(pattern,   name, most) {
  most = ""
  for (name in column)
    if (name ~ pattern && $column[name] != "" && $column[name] + 0 > most + 0) most = $column[name]
  return most
}
function add(name, value) { if (value != "") { sum[s, name] += value; has[s, name] = 1 } }
{
  if ($column["failed"] != 0) { print FILENAME ": requests failed" > "/dev/stderr"; exit 1 }
  s = $column["system"]
  if (!(s in n)) systems[++count] = s
  n[s]++
  split("mean_ttft_ms p99_ttft_ms request_throughput", figures, " ")
  for (f = 1; f <= 3; f++) {
    x = $column[figures[f]]
    total[s, f] += x
    squares[s, f] += x * x
  }
  add("reused", $column["prefix_cache_reused_ratio"])
  if ("utilisation_cxl_device_duplex" in column)
    add("device", $column["utilisation_cxl_device_duplex"])
  add("nic", busiest("_nic_"))
  add("path", busiest("_cxl_(adapter|dma)_"))
  if (s ~ /^tract/) {
    add("locks", $column["store_lock_acquisitions"] / $column["duration"])
    add("lookup", $column["store_mean_lookup_us"])
    add("reserve", $column["store_mean_reserve_us"])
  }
}
function mean(name, format) {
  return "," (has[s, name] ? sprintf(format, sum[s, name] / n[s]) : "")
}
END {
  for (k = 1; k <= count; k++) {
    s = systems[k]
    line = start "," s "," n[s]
    for (f = 1; f <= 3; f++) {
      average = total[s, f] / n[s]
      variance = (squares[s, f] - n[s] * average * average) / (n[s] - 1)
      half = variance > 0 ? t[n[s] - 1] * sqrt(variance / n[s]) : 0
      line = line sprintf(f == 3 ? ",%.4f,%.4f" : ",%.1f,%.1f", average, half)
    }
    print line mean("reused", "%.4f") mean("device", "%.4f") mean("nic", "%.4f") mean("path", "%.4f") \
      mean("locks", "%.1f") mean("lookup", "%.2f") mean("reserve", "%.1f")
  }
}
