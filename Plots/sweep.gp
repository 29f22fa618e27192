# A sweep's figures against what was varied, with 95 % intervals over seeds. Defined before: folder,
# title_text, systems, colours[], path (the column varied), log_x and bands (1 or 0).
file = folder . "/summary.csv"
is(i) = strcol("system") eq word(systems, i)
at(i) = is(i) ? column(path) : NaN
of(i, name) = is(i) ? column(name) : NaN
edge(i, name, side) = is(i) ? column(name) + side * column(name . "_ci95") : NaN
columns = "mean_ttft_ms p99_ttft_ms mean_tpot_ms request_throughput request_goodput prefix_cache_reused_ratio"
labels = '"Mean TTFT (ms)" "P99 TTFT (ms)" "Mean TPOT (ms)" "Throughput (requests/s)" "Goodput (requests/s)" "Prompt tokens reused (share)"'
set xlabel path noenhanced
set format y "%g"
if (log_x) { set logscale x 2 }
set style fill transparent solid 0.15 noborder
set multiplot layout 2,3 title title_text noenhanced
do for [c = 1:6] {
  name = word(columns, c)
  set ylabel word(labels, c)
  # TTFT spans decades around the knee.
  if (c <= 2) { set logscale y; set yrange [*:*] } else { unset logscale y; set yrange [0:*] }
  if (c == 1) { set key top left } else { unset key }
  plot for [i = 1:bands * words(systems)] file \
      using (at(i)):(edge(i, name, -1)):(edge(i, name, 1)) with filledcurves \
      linecolor rgb colours[i] notitle, \
    for [i = 1:words(systems)] file using (at(i)):(of(i, name)) with linespoints \
      pointtype 7 pointsize 0.6 linewidth 1.5 linecolor rgb colours[i] title word(systems, i)
}
unset multiplot
