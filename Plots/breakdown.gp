# Where a request's time goes on either side, mean per system. Defined before: folder, title_text.
file = folder . "/report.csv"
parts = "scheduling kv_read compute kv_write"
names = '"scheduling" "KV read" "compute" "KV write"'
array shades[4] = [0xBBBBBB, 0x56B4E9, 0xE69F00, 0x009E73]
part(side, name) = column("mean_" . side . "_" . name . "_ms")
set style data histograms
set style histogram rowstacked
set boxwidth 0.7
set yrange [0:*]
unset grid
set grid ytics linetype 1 linecolor "#DDDDDD"
set xtics noenhanced
set multiplot layout 1,2 title title_text noenhanced
do for [side in "prefill decode"] {
  set title side . " side"
  set ylabel "Mean time (ms)"
  set key outside bottom center horizontal samplen 1
  plot for [i = 1:4] file using (part(side, word(parts, i))):xtic(strcol("system")) \
    linecolor rgb shades[i] title word(names, i)
}
unset multiplot
