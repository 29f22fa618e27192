#!/usr/bin/env bash
# One parameter at a time over its plausible range, and where the winner flips: sensitivity.csv,
# break-even.csv, tornado.png and .svg in Results/paper, and the tables of SENSITIVITY.md.
#
#   Scripts/sensitivity.sh          about four minutes on two cores
#   Scripts/sensitivity.sh --plot   the plot only, from sensitivity.csv
#
# Five seeds, 1 000 requests each of which 100 are warm-up; ratios are paired, with 95 % intervals.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
sim=.build/release/tract-sim
out=Results/paper
plot() { gnuplot -e "folder='$out'" Plots/tornado.gp; }
if [[ "${1:-}" == --plot ]]; then plot && exit; fi
swift build -c release --product tract-sim 2>&1 | tail -1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints "rate,mean TTFT ratio,ci,P99 ratio,ci,throughput ratio,ci" of a system to its baseline.
ratios() { # workload, baseline, system, seeds, rates, settings...
  local file=$1 base=$2 system=$3 seeds=$4 rates=$5 set=() setting
  shift 5
  for setting in "$@"; do set+=(--set "$setting"); done
  rm -rf "$work/sweep"
  # systems.0 is the baseline, systems.1 the other.
  $sim sweep "Workloads/paper/$file.json" --seeds "$seeds" --output "$work/sweep" \
    --vary "traffic.arrivals.rate_rps=$rates" \
    --set "systems=[\"$base\",\"$system\"]" --set "baseline=$base" "${set[@]}" >/dev/null
  awk -F, -v system_name="$system" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    $column["system"] == system_name {
      printf "%s,%.4f,%.4f,%.4f,%.4f,%.4f,%.4f\n", $1,
        $column["mean_ttft_ms_ratio"], $column["mean_ttft_ms_ratio_ci95"],
        $column["p99_ttft_ms_ratio"], $column["p99_ttft_ms_ratio_ci95"],
        $column["request_throughput_ratio"], $column["request_throughput_ratio_ci95"]
    }' "$work/sweep/summary.csv"
}

# The hand-over alone: static prompts of 6000 tokens. With reuse: set B at a half and nine tenths of
# the rate that both take. The last rate of each is far beyond, for throughput.
point() { # parameter, value, settings...
  local label="$1,$2"
  shift 2
  ratios static nixl tract-nocache 1..5 0.5,2 "$@" | sed "s|^|$label,static,nixl,tract-nocache,|"
  ratios synthetic-b lmcache tract 1..5 1.1,2,4 "$@" | sed "s|^|$label,synthetic-b,lmcache,tract,|"
}

nic() { # Gb/s, GB/s reached
  point "NIC (Gb/s)" "$1" rack.nic.tx_gbps="$2" rack.nic.rx_gbps="$2" \
    rack.rdma_engine.bandwidth_gbps="$2"
}

device() { # GB/s
  point "CXL device (GB/s)" "$1" rack.cxl.device_read_gbps="$1" rack.cxl.device_write_gbps="$1" \
    rack.cxl.port_gbps="$2"
}

{
  echo "parameter,value,workload,baseline,system,rate_rps,mean_ttft_ratio,mean_ttft_ratio_ci95,p99_ttft_ratio,p99_ttft_ratio_ci95,throughput_ratio,throughput_ratio_ci95"
  point default ""
  device 5 22 && device 22.5 22.5 && device 45 45
  # The other reading of 10.1 GB/s: not the device, but each host's port to it is so slow.
  point "10.1 GB/s is of each" port rack.cxl.device_read_gbps=20.2 \
    rack.cxl.device_write_gbps=20.2 rack.cxl.adapter_read_gbps=10.1 rack.cxl.adapter_write_gbps=10.1
  for gbps in 5 10 55; do point "GPU DMA to CXL (GB/s)" $gbps rack.cxl.gpu_dma_gbps=$gbps; done
  for factor in 1 2; do
    point "CXL duplex factor" $factor rack.cxl.device_duplex_factor=$factor
  done
  for ns in 220 750; do point "CXL latency (ns)" $ns rack.cxl.latency_ns=$ns; done
  nic 100 12.22 && nic 200 24.5 && nic 400 45
  for ns in 100 2000; do
    point "RDMA descriptor (ns)" $ns rack.rdma_engine.descriptor_ns=$ns
  done
  for ms in 0 30; do point "RDMA launch (ms)" $ms systems.0.launch_ms=$ms; done
  point GPUDirect false rack.nic.gpudirect=false
  for factor in 1 2; do point "PCIe duplex factor" $factor rack.pcie.duplex_factor=$factor; done
  for tokens in 16 256; do
    point "block (tokens)" $tokens systems.0.block_tokens=$tokens systems.1.block_tokens=$tokens
  done
  for us in 2.3 12; do point "copy launch (us)" $us systems.1.copy_launch_us=$us; done
  for tokens in 3 512; do point "output (tokens)" $tokens traffic.output_tokens=$tokens; done
  # Neither nixl nor tract-nocache keeps anything, nor does nixl load before it computes.
  for gib in 12 192; do
    ratios synthetic-b lmcache tract 1..5 1.1,2,4 rack.cxl.capacity_gib=256 \
      systems.0.cache_gib=$gib systems.1.cache_gib=$gib |
      sed "s|^|cache (GiB),$gib,synthetic-b,lmcache,tract,|"
  done
  for loads in "loads of lmcache,asynchronous,systems.0.synchronous_load=false" \
    "loads of tract,synchronous,systems.1.synchronous_load=true"; do
    ratios synthetic-b lmcache tract 1..5 1.1,2,4 "${loads##*,}" |
      sed "s|^|${loads%,*},synthetic-b,lmcache,tract,|"
  done
} >"$work/sensitivity.csv"
mv "$work/sensitivity.csv" "$out/sensitivity.csv"

awk -F, '
  NR == 1 {
    print "| parameter | value | no cache to nixl, half load | set B to lmcache, half load | 0.9 load | peak throughput, set B |"
    print "|---|---|---|---|---|---|"
    next
  }
  {
    key = $1 "|" $2
    if (!(key in seen)) { seen[key] = 1; keys[++count] = key }
    cell = sprintf("%.3f ± %.3f", $7, $8)
    if ($3 == "static" && $6 == 0.5) alone[key] = cell
    if ($3 != "static" && $6 == 1.1) half[key] = cell
    if ($3 != "static" && $6 == 2) most[key] = cell
    if ($3 != "static" && $6 == 4) peak[key] = sprintf("%.3f ± %.3f", $11, $12)
  }
  END {
    for (i = 1; i <= count; i++) {
      key = keys[i]
      split(key, part, "|")
      printf "| %s | %s | %s | %s | %s | %s |\n", part[1], part[2], alone[key] == "" ? "–" : alone[key],
        half[key], most[key], peak[key]
    }
  }' "$out/sensitivity.csv" | Scripts/insert-table.sh "$out/SENSITIVITY.md" sensitivity
plot
