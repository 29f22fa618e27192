# Racks of 2 to 32 hosts, from racks.csv in `folder`: gnuplot -e "folder='Results/paper'" Plots/racks.gp
load "Plots/style.gp"
file = folder . "/racks.csv"
colour(s) = s eq "nixl" ? 0x0072B2 : s eq "lmcache" ? 0xD55E00 : s eq "mooncake" ? 0xE69F00 : \
  s eq "beluga" ? 0x56B4E9 : 0x009E73
of(s, devices, name) = strcol("system") eq s && column("prefill") == column("decode") && \
  (devices == 0 || column("cxl_devices") == devices) ? column(name) : NaN
hosts(s, devices) = of(s, devices, "hosts")
plain = "nixl lmcache mooncake"
pooled = "beluga tract"
do for [pass = 1:2] {
  if (pass == 1) {
    set terminal pngcairo size 1600,1100 font "DejaVu Sans,14" linewidth 1.8
    set output folder . "/racks.png"
  } else {
    set terminal svg size 1200,825 font "DejaVu Sans,11" linewidth 1.4
    set output folder . "/racks.svg"
  }
  set multiplot layout 2,2
  set xlabel "Hosts, half of them prefill; load grows with them"
  set logscale x 2
  set xrange [1.8:36]
  set key top left reverse Left
  set ylabel "Mean TTFT (ms)"
  set logscale y
  plot for [s in plain] file using (hosts(s, 0)):(of(s, 0, "mean_ttft_ms")) with linespoints pt 7 \
      lc rgb colour(s) title s, \
    for [s in pooled] file using (hosts(s, 4)):(of(s, 4, "mean_ttft_ms")) with linespoints pt 7 \
      lc rgb colour(s) title s . ", 4 devices", \
    for [s in pooled] file using (hosts(s, 1)):(of(s, 1, "mean_ttft_ms")) with linespoints pt 6 \
      dashtype 2 lc rgb colour(s) title s . ", 1 device"
  unset logscale y
  unset key
  set ylabel "Throughput (requests/s)"
  plot for [s in plain] file using (hosts(s, 0)):(of(s, 0, "request_throughput")) with linespoints \
      pt 7 lc rgb colour(s) notitle, \
    for [s in pooled] file using (hosts(s, 4)):(of(s, 4, "request_throughput")) with linespoints \
      pt 7 lc rgb colour(s) notitle, \
    for [s in pooled] file using (hosts(s, 1)):(of(s, 1, "request_throughput")) with linespoints \
      pt 6 dashtype 2 lc rgb colour(s) notitle
  set key top left reverse Left
  set ylabel "Busy (%)"
  set yrange [0:100]
  plot file using (hosts("tract", 1)):(100 * of("tract", 1, "cxl_device_busy")) with linespoints pt 6 \
      dashtype 2 lc rgb colour("tract") title "the CXL device (tract)", \
    file using (hosts("tract", 4)):(100 * of("tract", 4, "cxl_device_busy")) with linespoints pt 7 \
      lc rgb colour("tract") title "each of 4 CXL devices", \
    file using (hosts("tract", 4)):(100 * of("tract", 4, "busiest_cxl_path")) with linespoints pt 5 \
      lc rgb 0xCC79A7 title "busiest host's way to CXL", \
    file using (hosts("mooncake", 0)):(100 * of("mooncake", 0, "busiest_nic")) with linespoints pt 5 \
      lc rgb colour("mooncake") title "busiest NIC (mooncake)"
  set yrange [*:*]
  set ylabel "Reused prompt tokens (%)"
  plot for [s in "lmcache mooncake"] file using (hosts(s, 0)):(100 * of(s, 0, "reused")) \
      with linespoints pt 7 lc rgb colour(s) title s, \
    for [s in pooled] file using (hosts(s, 4)):(100 * of(s, 4, "reused")) with linespoints pt 7 \
      lc rgb colour(s) title s
  unset multiplot
  unset output
}
