# Figure 8: reuse, as bars with 95 % intervals.
set xlabel "Requests offered per second"
set ylabel "Prompt tokens reused (%)"
set yrange [0:80]
set xrange [0:4.4]
set xtics 1
set boxwidth 0.17
set key top right
set multiplot layout 1,3 title "Figure 8: prefix reuse, with 95 % intervals"
do for [set in "a b c"] {
  file = folder . "/synthetic-" . set . ".csv"
  set title "Set " . system("echo " . set . " | tr abc ABC")
  plot for [k = 0:1] file \
    using (column(rate) < 0.5 ? NaN : column(rate) - 0.09 + 0.18 * k):(100 * of(2 + 2 * k, "prefix_cache_reused_ratio")): \
      (100 * column("prefix_cache_reused_ratio_ci95")) with boxerrorbars linewidth 0.7 \
    linecolor rgb colours[2 + 2 * k] title word(systems, 2 + 2 * k)
  unset key
}
unset multiplot
