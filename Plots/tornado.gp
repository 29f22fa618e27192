# What one parameter at a time does to the ratio of mean TTFTs, from sensitivity.csv in `folder`:
# gnuplot -e "folder='Results/paper'" Plots/tornado.gp
load "Plots/style.gp"
set datafile nocolumnheaders
bars(workload, rate) = sprintf( \
  "< awk -f Scripts/tornado.awk -v workload=%s -v rate=%s %s/sensitivity.csv", workload, rate, folder)
set style fill solid 1 noborder
set grid xtics noytics
unset key
set xtics 0.1
set bmargin 3
do for [pass = 1:2] {
  if (pass == 1) {
    set terminal pngcairo size 2400,900 font "DejaVu Sans,14" linewidth 1.5
    set output folder . "/tornado.png"
  } else {
    set terminal svg size 1800,675 font "DejaVu Sans,11" linewidth 1.2
    set output folder . "/tornado.svg"
  }
  set multiplot layout 1,3 title "Mean TTFT of tract over the baseline's, one parameter at a time: the first value blue, the second orange; dashed: by default"
  do for [panel = 1:3] {
    data = bars(word("static synthetic-b synthetic-b", panel), word("0.5 1.1 2", panel))
    set title (panel == 1 ? "6000 tokens, no cache, against nixl" : panel == 2 ? \
      "Set B at half load, against lmcache" : "Set B at 0.9 load, against lmcache")
    stats data using 2 nooutput
    middle = STATS_max
    rows = STATS_records
    set lmargin at screen (panel - 1) / 3.0 + 0.145
    set rmargin at screen panel / 3.0 - 0.012
    set yrange [-0.7:rows - 0.3]
    set xrange [(panel == 3 ? 0.7 : 0.85):(panel == 3 ? 1.4 : 1.3)]
    set arrow 1 from 1, graph 0 to 1, graph 1 nohead lc rgb "#000000" lw 1.5 front
    set arrow 2 from middle, graph 0 to middle, graph 1 nohead lc rgb "#666666" dashtype 2 front
    # A bar that leaves the picture has its value written beside it.
    edge = panel == 3 ? 1.4 : 1.3
    shown(x) = x > edge ? edge : x
    plot data using (shown($3)):0:(middle):(shown($3)):($0 - 0.36):($0 + 0.36):yticlabels(5) \
        with boxxyerror lc rgb "#56B4E9", \
      data using (shown($4)):0:(middle):(shown($4)):($0 - 0.36):($0 + 0.36) with boxxyerror \
        lc rgb "#E69F00", \
      data using (edge - 0.06):0:($4 > edge ? sprintf("%.2f", $4) : "") with labels
  }
  unset multiplot
  unset output
}
