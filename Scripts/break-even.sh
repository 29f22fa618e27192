#!/usr/bin/env bash
# The CXL bandwidth at which tract is as fast as nixl and lmcache, by NIC and reuse:
# Results/paper/break-even.csv and the tables of SENSITIVITY.md, in about two minutes on two cores.
#
# Five seeds, 1 000 requests each of which 100 are warm-up. tract does not use the NIC and the others
# do not use CXL, so each side runs once for each value of its own.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
sim=.build/release/tract-sim
out=Results/paper
swift build -c release --product tract-sim 2>&1 | tail -1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rack_testbed=()
# One pool of one device: its bandwidth is what varies.
rack_h100=(
  --set rack.preset=h100-rack --set rack.prefill.count=1 --set rack.decode.count=1
  --set rack.cxl.devices=1 --set engine.max_batched_tokens=8192
)
# Half of what nixl takes, half and nine tenths of what lmcache takes; without reuse of nixl only.
declare -A rates=(
  [testbed-none]=0.5 [testbed-a]="1.6 1.9 3.4" [testbed-b]="0.75 1.1 2" [testbed-c]="0.47 0.95 1.7"
  [h100-none]=3.4 [h100-a]="11 13 23" [h100-b]="5.3 7.4 13" [h100-c]="3.4 6 10.7"
)
# Bandwidths, for the two lower rates and for the highest; with much less, queues grow without bound.
declare -A bandwidths=(
  [testbed-low]="2.5 4 6.3 8 10.1 12.6 16 20 25 45" [testbed-high]="5 6.3 8 10.1 12.6 16 20 25 45"
  [h100-low]="8 10.1 12.6 16 20 25 32 45 64" [h100-high]="16 20 25 32 45 64"
)

# Prints "rack,reuse,rate,system,X,seed,mean TTFT".
run() { # rack, reuse, rates, system, X, settings...
  local rack=$1 reuse=$2 rates=$3 system=$4 x=$5 file=static set=() setting
  local -n settings=rack_$1
  shift 5
  for setting in "$@"; do set+=(--set "$setting"); done
  [[ $reuse == none ]] || file=synthetic-$reuse
  rm -rf "$work/sweep"
  $sim sweep "Workloads/paper/$file.json" --seeds 1..5 --output "$work/sweep" "${settings[@]}" \
    --vary "traffic.arrivals.rate_rps=$rates" \
    --set "systems=[\"$system\"]" --set "baseline=$system" "${set[@]}" >/dev/null
  awk -F, -v start="$rack,$reuse" -v rest="$system,$x" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { print start "," $column["traffic.arrivals.rate_rps"] "," rest "," $column["seed"] "," \
        $column["mean_ttft_ms"] }' "$work/sweep/sweep.csv"
}

larger() { awk -v a="$1" -v b="$2" 'BEGIN { print (a > b ? a : b) }'; }

nics() { # rack, reuse, rates, system
  local nic gbps
  for nic in 100:12.22 200:24.5 400:45; do
    gbps=${nic#*:}
    run "$@" "${nic%:*}" rack.nic.tx_gbps="$gbps" rack.nic.rx_gbps="$gbps" \
      rack.rdma_engine.bandwidth_gbps="$gbps"
  done
}

devices() { # rack, reuse, rates, system, bandwidths
  local gbps
  # The whole way from GPU to memory: what lies before the device is never slower than it.
  for gbps in $5; do
    run "$1" "$2" "$3" "$4" "$gbps" rack.cxl.device_read_gbps="$gbps" \
      rack.cxl.device_write_gbps="$gbps" rack.cxl.port_gbps="$gbps" \
      rack.cxl.gpu_dma_gbps="$(larger 26 "$gbps")" \
      rack.cxl.adapter_read_gbps="$(larger 46.2 "$gbps")" \
      rack.cxl.adapter_write_gbps="$(larger 33 "$gbps")"
  done
}

for rack in testbed h100; do
  for reuse in none a b c; do
    read -r of_nixl half most <<<"${rates[$rack-$reuse]}"
    nics $rack $reuse "$of_nixl" nixl
    if [[ $reuse == none ]]; then
      devices $rack none "$of_nixl" tract-nocache "${bandwidths[$rack-low]}"
    else
      nics $rack $reuse "$half,$most" lmcache
      devices $rack $reuse "$of_nixl,$half" tract "${bandwidths[$rack-low]}"
      devices $rack $reuse "$most" tract "${bandwidths[$rack-high]}"
    fi
  done
done >"$work/ttft.csv"
awk -f Scripts/break-even.awk "$work/ttft.csv" >"$work/break-even.csv"
mv "$work/break-even.csv" "$out/break-even.csv"

for rack in testbed h100; do
  awk -F, -v rack=$rack '
    BEGIN {
      print "| reuse | baseline | requests/s | NIC 100 Gb/s | 200 Gb/s | 400 Gb/s |"
      print "|---|---|---|---|---|---|"
    }
    $1 != rack { next }
    {
      key = $2 "|" $4 "|" $3
      if (!(key in cells)) keys[++count] = key
      cells[key] = cells[key] " " ($7 == "" ? $6 : sprintf("%.1f ± %.1f", $6, $7)) " |"
    }
    END {
      for (i = 1; i <= count; i++) {
        split(keys[i], part, "|")
        printf "| %s | %s | %s |%s\n", part[1] == "none" ? "none" : toupper(part[1]), part[2],
          part[3], cells[keys[i]]
      }
    }' "$out/break-even.csv" | Scripts/insert-table.sh "$out/SENSITIVITY.md" "break-even $rack"
done
