# TTFT distribution per system. `tract-sim plot DIR` defines folder, title_text, systems and the
# data blocks $system1, $system2, ... before it loads this file.

# Okabe and Ito's palette, distinguishable with any colour vision.
array colours[7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

set title title_text noenhanced
set xlabel "Time to first token (ms)"
set ylabel "Share of requests"
set yrange [0:1]
set xrange [0:*]
set grid xtics ytics linetype 1 linecolor "#DDDDDD"
set key bottom right noenhanced box linecolor "#BBBBBB"
set border 3
set tics nomirror out

do for [pass = 1:2] {
  if (pass == 1) {
    set terminal pngcairo size 1200,800 font "DejaVu Sans,16" linewidth 2
    set output folder . "/ttft-cdf.png"
  } else {
    set terminal svg size 900,600 font "DejaVu Sans,14" linewidth 1.5
    set output folder . "/ttft-cdf.svg"
  }
  plot for [i = 1:words(systems)] "$system" . i using 1:2 with steps linewidth 2 \
    linecolor rgb colours[1 + (i - 1) % 7] title word(systems, i)
  unset output
}
