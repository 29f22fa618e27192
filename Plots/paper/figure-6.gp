# Figure 6: throughput against load without a cache.
file = folder . "/static.csv"
set title "Figure 6: 6000 tokens without a cache (the lines lie on each other)"
set xlabel "Requests offered per second"
set ylabel "Requests completed per second"
set xrange [0:*]
set yrange [0:*]
set key bottom right
plot file using rate:(of(1, "request_throughput")) with linespoints pointtype 6 pointsize 1.4 \
    linewidth 2 linecolor rgb colours[1] title word(systems, 1), \
  file using rate:(of(3, "request_throughput")) with linespoints pointtype 7 pointsize 0.6 \
    linecolor rgb colours[3] title word(systems, 3)
