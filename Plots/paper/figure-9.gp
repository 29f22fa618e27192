# Figure 9: mean and P99 of the TTFT against load, three sets.
set xlabel "Requests offered per second"
set xrange [0:*]
set logscale y
set format y "10^{%L}"
set yrange [100:1e6]
set key top left
set style fill transparent solid 0.15 noborder
set multiplot layout 2,3 title "Figure 9: time to first token of 1000 requests, with 95 % intervals"
do for [name in "mean p99"] { do for [set in "a b c"] {
  file = folder . "/synthetic-" . set . ".csv"
  set title sprintf("Set %s, %s", system("echo " . set . " | tr abc ABC"), name eq "mean" ? "mean" : "P99")
  set ylabel "ms"
  key = name . "_ttft_ms"
  plot for [i = 1:4] file using rate:(edge(i, key, -1)):(edge(i, key, 1)) with filledcurves \
      linecolor rgb colours[i] notitle, \
    for [i = 1:4] file using rate:(of(i, key)) with linespoints pointtype 7 pointsize 0.6 \
      linecolor rgb colours[i] title word(systems, i)
  unset key
} }
unset multiplot
