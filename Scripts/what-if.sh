#!/usr/bin/env bash
# What would have to be different for the paper's figures to come out: Results/paper/what-if.csv and a
# table of SENSITIVITY.md, in about two minutes on two cores.
#
# Five seeds, 1 000 requests each of which 100 are warm-up; means over seeds.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
sim=.build/release/tract-sim
out=Results/paper
swift build -c release --product tract-sim 2>&1 | tail -1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sweep() { # name, workload, arguments...
  local name=$1 file=$2
  shift 2
  $sim sweep "Workloads/paper/$file.json" --seeds 1..5 --output "$work/$name" "$@" >/dev/null
  mv "$work/$name/summary.csv" "$work/$name.csv"
  rm -r "${work:?}/$name"
}

change() { # label, path=value...
  local label=$1 set=() setting reuse
  shift
  for setting in "$@"; do set+=(--set "$setting"); done
  sweep lengths static --vary traffic.input_tokens=1500,6000 \
    --set traffic.arrivals.rate_rps=0.25 "${set[@]}"
  sweep static static --vary traffic.arrivals.rate_rps=0.5,1,1.5 "${set[@]}"
  for reuse in a b c; do
    sweep synthetic-$reuse synthetic-$reuse --vary traffic.arrivals.rate_rps=0.5,1,2,3 "${set[@]}" \
      --set 'systems=["nixl","lmcache","tract"]'
  done
  awk -f Scripts/what-if.awk -v start="$label" "$work"/{lengths,static,synthetic-?}.csv
}

nic() { echo "rack.nic.tx_gbps=$1 rack.nic.rx_gbps=$1 rack.rdma_engine.bandwidth_gbps=$1"; }
port="rack.cxl.device_read_gbps=20.2 rack.cxl.device_write_gbps=20.2 rack.cxl.adapter_read_gbps=10.1
  rack.cxl.adapter_write_gbps=10.1"
# Word splitting is meant below: each word is a setting.
{
  echo "change,fig5_gap_1500_ms,fig5_gap_6000_ms,fig6_least,fig6_most,fig7_least,fig7_most,fig7_at,fig9_mean,fig9_mean_at,fig9_p99,fig9_p99_at,fig10_nixl,fig10_lmcache,fig10_tract"
  change "as it is"
  change "NIC reaches 6 GB/s" $(nic 6)
  change "NIC reaches 2 GB/s" $(nic 2)
  change "NIC reaches 1.2 GB/s" $(nic 1.2)
  change "NIC reaches 1 GB/s" $(nic 1)
  change "CXL device 22.5 GB/s" rack.cxl.device_read_gbps=22.5 rack.cxl.device_write_gbps=22.5 \
    rack.cxl.port_gbps=22.5
  change "10.1 GB/s is of each port" $port
  change "of each port; NIC reaches 1.2 GB/s" $port $(nic 1.2)
} >"$work/what-if.csv"
mv "$work/what-if.csv" "$out/what-if.csv"

awk -F, '
  NR == 1 {
    print "| change | Fig 5: nixl later by, 1500 and 6000 tokens | Fig 6 | Fig 7 | Fig 9: mean | Fig 9: P99 | Fig 10: nixl | lmcache | tract |"
    print "|---|---|---|---|---|---|---|---|---|"
    print "| the paper | > 0, growing | 0.9 to 1.1 | up to 1.6 (QPS 3) | 9.8 | 6.2 | > 2 | > 2 | < 1.3 |"
    next
  }
  {
    printf "| %s | %.0f, %.0f ms | %.2f to %.2f | %.2f to %.2f (%s) | %.1f (%s) | %.1f (%s) | %s | %s | %s |\n",
      $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
  }' "$out/what-if.csv" | Scripts/insert-table.sh "$out/SENSITIVITY.md" what-if
