# The paper's Figures 5 to 10 from the summaries in `folder`; `bands` is 1 where there are several
# seeds: gnuplot -e "folder='Results/paper'; bands=1" Plots/paper.gp
set datafile separator ","
set datafile columnheaders
# Rows of other systems do not interrupt a line.
set datafile missing NaN

# Okabe and Ito's palette; one colour a system in all plots.
colour(s) = s eq "nixl" ? 0x0072B2 : s eq "lmcache" ? 0xD55E00 : s eq "tract" ? 0x009E73 : 0xCC79A7
systems = "nixl lmcache tract-nocache tract"
is(s) = strcol("system") eq s
of(s, name) = is(s) ? column(name) : NaN
band(s, name, side) = is(s) ? column(name) + side * column(name . "_ci95") : NaN

set grid xtics ytics linetype 1 linecolor "#DDDDDD"
set border 3
set tics nomirror out
set key top left noenhanced box linecolor "#BBBBBB"
set xlabel "Requests offered per second"
set style fill transparent solid 0.15 noborder

do for [pass = 1:2] {
  if (pass == 1) {
    set terminal pngcairo size 1500,1300 font "DejaVu Sans,13" linewidth 1.8
    set output folder . "/figures.png"
  } else {
    set terminal svg size 1200,1040 font "DejaVu Sans,11" linewidth 1.4
    set output folder . "/figures.svg"
  }
  set multiplot layout 4,3
  file = folder . "/lengths.csv"
  set title "Figure 5: mean TTFT, 0.25 requests/s"
  set xlabel "Prompt (tokens)"
  set xtics 1500
  set ylabel "ms"
  plot for [s in "nixl tract-nocache"] file \
    using "traffic.input_tokens":(of(s, "mean_ttft_ms")) with linespoints pt 7 ps 0.7 \
    lc rgb colour(s) title s
  set xlabel "Requests offered per second"
  set xtics autofreq
  file = folder . "/static.csv"
  set title "Figure 6: throughput, 6000 tokens"
  set ylabel "requests/s"
  plot for [s in "nixl tract-nocache"] file \
    using "traffic.arrivals.rate_rps":(of(s, "request_throughput")) with linespoints pt 7 ps 0.7 \
    lc rgb colour(s) title s
  file = folder . "/synthetic-b.csv"
  set title "Figure 10: decode KV read, set B"
  set ylabel "ms"
  plot for [s in systems] file \
    using "traffic.arrivals.rate_rps":(of(s, "mean_decode_kv_read_ms")) with linespoints pt 7 ps 0.7 \
    lc rgb colour(s) title s
  do for [set in "a b c"] {
    file = folder . "/synthetic-" . set . ".csv"
    set title "Figure 7: throughput, set " . set
    set key bottom right
    set ylabel "requests/s"
    plot for [s in systems] file \
      using "traffic.arrivals.rate_rps":(of(s, "request_throughput")) with linespoints pt 7 ps 0.6 \
      lc rgb colour(s) title s
  }
  do for [set in "a b c"] {
    file = folder . "/synthetic-" . set . ".csv"
    set key bottom right
    set title "Figure 9: mean TTFT (band: 95 %), set " . set
    set ylabel "ms"
    set logscale y
    if (bands) {
      plot for [s in systems] file \
          using "traffic.arrivals.rate_rps":(band(s, "mean_ttft_ms", -1)): \
          (band(s, "mean_ttft_ms", 1)) with filledcurves lc rgb colour(s) notitle, \
        for [s in systems] file \
          using "traffic.arrivals.rate_rps":(of(s, "mean_ttft_ms")) with linespoints pt 7 ps 0.6 \
          lc rgb colour(s) title s
    } else {
      plot for [s in systems] file \
        using "traffic.arrivals.rate_rps":(of(s, "mean_ttft_ms")) with linespoints pt 7 ps 0.6 \
        lc rgb colour(s) title s
    }
    unset logscale y
  }
  set key bottom left
  do for [set in "a b c"] {
    file = folder . "/synthetic-" . set . ".csv"
    set title "Figure 8: prompt tokens reused, set " . set
    set ylabel "%"
    set yrange [0:100]
    plot for [s in "lmcache tract"] file \
      using "traffic.arrivals.rate_rps":(100 * of(s, "prefix_cache_reused_ratio")) \
      with linespoints pt 7 ps 0.6 lc rgb colour(s) title s
    set yrange [*:*]
  }
  set key top left
  unset multiplot
  unset output
}
