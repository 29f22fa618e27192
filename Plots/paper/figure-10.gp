# Figure 10: where a mean request's time goes, set B, against load.
file = folder . "/synthetic-b.csv"
parts = "scheduling kv_read compute kv_write"
names = '"scheduling" "KV read" "compute" "KV write"'
array shades[4] = ["#BBBBBB", "#56B4E9", "#E69F00", "#009E73"]
sum(i, side, from) = sum [p = 1:from] of(i, "mean_" . side . "_" . word(parts, p) . "_ms")
array shown[3] = [1, 2, 4]
set xlabel "Requests offered per second"
set ylabel "ms"
set xrange [0:4.3]
set xtics 1
set boxwidth 0.22
set multiplot layout 2,3 \
  title "Figure 10: breakdown of a mean request, set B (queues before prefill leave the picture)"
do for [side in "prefill decode"] { do for [k = 1:3] {
  set title word(systems, shown[k]) . ", " . side noenhanced
  set yrange [0:(side eq "prefill" ? 2500 : 1200)]
  if (side eq "prefill" && k == 3) { set key top left } else { unset key }
  # The tallest first: each covers the lower part of the one before.
  plot for [p = 4:1:-1] file using rate:(sum(shown[k], side, p)) with boxes \
    linecolor rgb shades[p] title word(names, p)
} }
unset multiplot
