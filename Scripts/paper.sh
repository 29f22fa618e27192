#!/usr/bin/env bash
# The paper's experiments that are modelled: Results/paper/*.csv, claims.txt and the plots.
#
#   Scripts/paper.sh           five seeds, fine grid (some minutes on two cores)
#   Scripts/paper.sh --quick   one seed, coarse grid, into out/paper; fails if a claim reads otherwise
#                              than in Results/paper/quick.txt
set -euo pipefail
cd "$(dirname "$0")/.."
sim=.build/release/tract-sim
if [[ "${1:-}" == --quick ]]; then
  out=out/paper seeds=1 lengths=1500:6000:4500 static=0.5:1:0.5 rates=1:3:1 bands=0
else
  out=Results/paper seeds=1..5 lengths=1500:6000:1500 static=0.25:1.5:0.25 rates=0.5:4:0.5 bands=1
fi
swift build -c release --product tract-sim 2>&1 | tail -1
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Sweeps; summaries alone are kept, as everything else follows from the seeds.
run() { # name, workload, arguments of the sweep
  local name=$1 file=$2
  shift 2
  $sim sweep "Workloads/paper/$file.json" --seeds "$seeds" --output "$work/$name" "$@" >/dev/null
  cp "$work/$name/summary.csv" "$out/$name.csv"
}
run lengths static --vary traffic.input_tokens="$lengths" --set traffic.arrivals.rate_rps=0.25
run static static --vary traffic.arrivals.rate_rps="$static"
for set in a b c; do
  run "synthetic-$set" "synthetic-$set" --vary traffic.arrivals.rate_rps="$rates"
done

# One parameter at a time: a claim about a ratio is worth what it says over these.
sensitivity() { # label, paths (of one value each, separated by commas), low, high
  local label=$1 low=$3 high=$4 value
  for value in "$low" "$high"; do
    local set=()
    for path in ${2//,/ }; do set+=(--set "$path=$value"); done
    for case in static:0.5:nixl:tract-nocache synthetic-b:2:lmcache:tract; do
      IFS=: read -r file rate base system <<<"$case"
      # systems.0 is the baseline then, systems.1 the other.
      $sim run "Workloads/paper/$file.json" --set "systems=[\"$base\",\"$system\"]" \
        --set "baseline=$base" --format csv --set traffic.arrivals.rate_rps="$rate" "${set[@]}" |
        awk -F, -v start="$label,$value,$file,$base,$system" '
          NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
          NR == 2 { t = $column["mean_ttft_ms"]; p = $column["p99_ttft_ms"] }
          NR == 3 { printf "%s,%.4f,%.4f\n", start, $column["mean_ttft_ms"] / t,
                      $column["p99_ttft_ms"] / p }'
    done
  done
}
if [[ "$out" == Results/paper ]]; then
  {
    echo "parameter,value,workload,baseline,system,mean_ttft_ratio,p99_ttft_ratio"
    sensitivity "CXL device GB/s" rack.cxl.device_read_gbps,rack.cxl.device_write_gbps 5 26
    sensitivity "GPU DMA from CXL GB/s" rack.cxl.gpu_dma_gbps 10 55
    sensitivity "CXL latency ns" rack.cxl.latency_ns 220 750
    sensitivity "NIC GB/s" rack.nic.tx_gbps,rack.nic.rx_gbps,rack.rdma_engine.bandwidth_gbps 6 45
    sensitivity "RDMA descriptor ns" rack.rdma_engine.descriptor_ns 100 8000
    sensitivity "transfer launch ms" systems.0.launch_ms 0 60
    sensitivity "GPUDirect" rack.nic.gpudirect false true
    sensitivity "tokens a block" systems.0.block_tokens,systems.1.block_tokens 16 256
    sensitivity "copy launch us" systems.1.copy_launch_us 1 100
    sensitivity "output tokens" traffic.output_tokens 3 512
  } >"$out/sensitivity.csv"
fi

awk -f Scripts/paper-claims.awk "$out"/lengths.csv "$out"/static.csv "$out"/synthetic-?.csv \
  >"$out/claims.txt"
cat "$out/claims.txt"
gnuplot -e "folder='$out'; bands=$bands" Plots/paper.gp
if [[ "$out" == out/paper ]]; then diff Results/paper/quick.txt "$out/claims.txt"; fi
