# Engines over time. Defined before: folder, title_text, systems, colours[].
file = folder . "/series.csv"
# Means over eightieths of the run: single samples hide behind each other.
stats file using "time_s" name "time" nooutput
bin = time_max / 80
middle(t) = (ceil(t / bin) - 0.5) * bin
is(i) = strcol("system") eq word(systems, i)
columns = "prefill_busy decode_busy prefill_waiting decode_running " \
  . "prefill_pcie_rx_gbps decode_pcie_rx_gbps prefill_pcie_tx_gbps power_w " \
  . "prefill_gpu_power_w decode_gpu_power_w"
labels = '"GPUs busy (share)" "GPUs busy (share)" "Waiting (requests)" "Running (sequences)" ' \
  . '"PCIe to GPUs (GB/s)" "PCIe to GPUs (GB/s)" "PCIe from GPUs (GB/s)" ' \
  . '"Power of the rack (W)" "Power of a GPU (W)" "Power of a GPU (W)"'
set xlabel "Time (s)"
set xrange [0:*]
set multiplot layout 5,2 title title_text \
  . " (left: prefill, right: decode, or as said; means of a worker)" noenhanced
do for [c = 1:10] {
  set ylabel word(labels, c)
  if (c <= 2) { set yrange [0:1.05] } else { set yrange [0:*] }
  if (c == 1) { set key bottom right } else { unset key }
  plot for [i = 1:words(systems)] file \
    using (is(i) ? middle(column("time_s")) : NaN):(is(i) ? column(word(columns, c)) : NaN) \
    smooth unique with lines linewidth 1.5 linecolor rgb colours[i] title word(systems, i)
}
unset multiplot
