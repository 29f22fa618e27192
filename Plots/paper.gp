# The paper's Figures 5 to 11 from the CSVs in `folder`, each as PNG and SVG:
# gnuplot -e "folder='Results/paper'" Plots/paper.gp
array widths[11]; array heights[11]
widths[5] = 1400; heights[5] = 1000
widths[6] = 1000; heights[6] = 700
do for [figure = 7:8] { widths[figure] = 1700; heights[figure] = 620 }
widths[9] = 1700; heights[9] = 1100
widths[10] = 1700; heights[10] = 1100
widths[11] = 1400; heights[11] = 1700

do for [figure = 5:11] { do for [suffix in "png svg"] {
  reset
  load "Plots/style.gp"
  # The same colour for a system in every plot (Okabe and Ito's palette).
  systems = "nixl lmcache tract-nocache tract"
  array colours[4] = ["#0072B2", "#D55E00", "#CC79A7", "#009E73"]
  is(i) = strcol("system") eq word(systems, i)
  of(i, name) = is(i) ? column(name) : NaN
  edge(i, name, side) = is(i) ? column(name) + side * column(name . "_ci95") : NaN
  rate = "traffic.arrivals.rate_rps"
  width = widths[figure]; height = heights[figure]
  if (suffix eq "png") {
    set terminal pngcairo size width,height font "DejaVu Sans,14" linewidth 2
  } else {
    set terminal svg size width * 3 / 4,height * 3 / 4 font "DejaVu Sans,11" linewidth 1.5
  }
  set output sprintf("%s/figure-%d.%s", folder, figure, suffix)
  load sprintf("Plots/paper/figure-%d.gp", figure)
  unset output
} }
