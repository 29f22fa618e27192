# Lock handover against the number of nodes, from Results/store/handover.csv; run from the
# project's folder.

file = "Results/store/handover.csv"
set datafile separator ","
set datafile missing NaN

# Mean of one manager (ours, paper) at one bulk load; other rows are left out.
mean(manager, load) = \
  strcol(5) eq manager && column(4) == load ? column(8) : NaN

set title "Contended lock handover, Niagara 2.0, 19 locks" noenhanced
set xlabel "Nodes that share the pool"
set ylabel "Mean, release to grant seen (µs)"
set logscale x 2
set xtics (2, 4, 8, 16, 32)
set xrange [1.8:36]
set yrange [0:*]
set grid ytics linetype 1 linecolor "#DDDDDD"
set key top left Left reverse box linecolor "#BBBBBB" height 0.5 width -6
set border 3
set tics nomirror out

# Okabe and Ito's palette; shape and dash tell the curves apart without colour.
do for [pass = 1:2] {
  if (pass == 1) {
    set terminal pngcairo size 1200,800 font "DejaVu Sans,16" linewidth 2
    set output "Results/store/handover.png"
  } else {
    set terminal svg size 900,600 font "DejaVu Sans,14" linewidth 1.5
    set output "Results/store/handover.svg"
  }
  plot \
    file using 2:(mean("paper", 0.8)) every ::1 with linespoints dashtype 2 pointtype 9 \
      pointsize 1.6 linecolor rgb "#D55E00" title "paper-style manager, 80 % bulk traffic", \
    file using 2:(mean("paper", 0)) every ::1 with linespoints dashtype 1 pointtype 8 \
      pointsize 1.6 linecolor rgb "#D55E00" title "paper-style manager, idle link", \
    file using 2:(mean("ours", 0.8)) every ::1 with linespoints dashtype 2 pointtype 7 \
      pointsize 1.4 linecolor rgb "#0072B2" title "the store, 80 % bulk traffic", \
    file using 2:(mean("ours", 0)) every ::1 with linespoints dashtype 1 pointtype 6 \
      pointsize 1.4 linecolor rgb "#0072B2" title "the store, idle link"
  unset output
}
