#!/usr/bin/env bash
# Lock handover against nodes and bulk traffic, for the store and for a paper-style manager:
# Results/store/handover.csv and its plot.
set -euo pipefail
cd "$(dirname "$0")/.."
swift build -c release --product tract-sim 2>&1 | tail -1
out=Results/store
mkdir -p "$out"
for nodes in 2 4 8 16 32; do
  for bulk in 0 0.8; do
    .build/release/tract-sim probe store --nodes "$nodes" --device niagara-2.0 \
      --bulk-load "$bulk" --format csv
  done
done | awk 'NR == 1 || !/^device,/' >"$out/probe.csv"
# Handovers alone, the table of the plot.
awk -F, 'NR == 1 || $6 == "handover"' "$out/probe.csv" >"$out/handover.csv"
rm "$out/probe.csv"
gnuplot Plots/store-handover.gp
