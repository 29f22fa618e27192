# set,seed,system,prefill_busy,decode_busy,prefill_gpu_power_w,decode_gpu_power_w,prefill_pcie_rx_gbps,prefill_pcie_rx_peak_gbps,decode_pcie_rx_gbps,decode_pcie_rx_peak_gbps,prefill_pcie_tx_gbps,power_w
# One row a system from a series.csv of a window a second, with 3 requests a second of which 100 are
# warm-up and 1 000 all: means, and the largest of the windows for what GPUs receive.
BEGIN {
  from = 100 / 3
  to = 1000 / 3
  split("prefill_busy decode_busy prefill_gpu_power_w decode_gpu_power_w prefill_pcie_rx_gbps " \
    "- decode_pcie_rx_gbps - prefill_pcie_tx_gbps power_w", names, " ")
}
NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
$2 - 1 >= from && $2 <= to {
  if (!($1 in rows)) order[++systems] = $1
  rows[$1]++
  for (n = 1; n <= 10; n++) {
    if (names[n] == "-") continue
    value = $column[names[n]]
    sum[$1, n] += value
    if (value > peak[$1, n]) peak[$1, n] = value
  }
}
END {
  for (s = 1; s <= systems; s++) {
    name = order[s]
    printf "%s,%s,%s", set, seed, name
    for (n = 1; n <= 10; n++)
      printf ",%.6g", names[n] == "-" ? peak[name, n - 1] : sum[name, n] / rows[name]
    print ""
  }
}
