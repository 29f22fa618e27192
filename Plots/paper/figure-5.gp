# Figure 5: distribution of the TTFT by prompt length, without a cache.
file = folder . "/ttft-quantiles.csv"
set xlabel "Time to first token (ms)"
set ylabel "Share of requests (%)"
set key center left
set multiplot layout 2,2 title "Figure 5: static prompts without a cache, 0.25 requests/s"
do for [tokens in "1500 3000 4500 6000"] {
  set title tokens . " tokens"
  at(name) = column("input_tokens") == tokens + 0 ? column(name) : NaN
  set yrange [*:*]
  # The last percentiles alone would be half of the axis.
  stats file using (column("percent") <= 97 ? at("tract-nocache") : NaN) name "t" nooutput
  set yrange [0:100]
  set xrange [0:1.25 * t_max]
  plot file using (at("nixl")):"percent" with lines linewidth 2 linecolor rgb colours[1] title "nixl", \
    file using (at("tract-nocache")):"percent" with lines linewidth 2 linecolor rgb colours[3] \
      title "tract-nocache"
}
unset multiplot
