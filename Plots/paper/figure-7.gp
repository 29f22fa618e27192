# Figure 7: throughput against load, three sets.
set xlabel "Requests offered per second"
set ylabel "Requests completed per second"
set xrange [0:*]
set yrange [0:4]
set key top left
set style fill transparent solid 0.15 noborder
set multiplot layout 1,3 title "Figure 7: throughput of 1000 requests, with 95 % intervals"
do for [set in "a b c"] {
  file = folder . "/synthetic-" . set . ".csv"
  set title "Set " . system("echo " . set . " | tr abc ABC")
  plot for [i = 1:4] file using rate:(edge(i, "request_throughput", -1)): \
      (edge(i, "request_throughput", 1)) with filledcurves linecolor rgb colours[i] notitle, \
    for [i = 1:4] file using rate:(of(i, "request_throughput")) with linespoints pointtype 7 \
      pointsize 0.8 - 0.12 * i linecolor rgb colours[i] title word(systems, i)
  unset key
}
unset multiplot
