# The bars of a tornado plot from sensitivity.csv: for `workload` and `rate`, a row for each parameter,
# "width,ratio by default,ratio at its lowest value,ratio at its highest,label", the widest last. A
# parameter with one value has one bar.
BEGIN { FS = "," }
NR == 1 {
  for (i = 1; i <= NF; i++) column[$i] = i
  next
}
$column["workload"] != workload || $column["rate_rps"] != rate { next }
{
  name = $1
  ratio = $column["mean_ttft_ratio"]
  if (name == "default") { middle = ratio; next }
  if (!(name in low)) {
    names[++count] = name
    low[name] = high[name] = $2
    at_low[name] = at_high[name] = ratio
  }
  if ($2 + 0 < low[name] + 0) { low[name] = $2; at_low[name] = ratio }
  if ($2 + 0 > high[name] + 0) { high[name] = $2; at_high[name] = ratio }
}
function distance(x) { return x > middle ? x - middle : middle - x }
END {
  for (i = 1; i <= count; i++) {
    name = names[i]
    label = name " " (low[name] == high[name] ? high[name] : low[name] " | " high[name])
    if (low[name] == high[name]) at_low[name] = middle
    width = distance(at_low[name])
    if (distance(at_high[name]) > width) width = distance(at_high[name])
    printf "%.4f,%s,%s,%s,%s\n", width, middle, at_low[name], at_high[name], label \
      | "LC_ALL=C sort -t, -k1,1g -k5"
  }
}
