#!/usr/bin/env bash
# One mechanism at a time: Results/paper/ablation.csv and the tables of ABLATION.md, in about two
# minutes on two cores.
#
# Five seeds, 1 000 requests of set B each (100 are warm-up), at about a half and nine tenths of the
# rate that a system takes, and at far more than that for its peak throughput.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
sim=.build/release/tract-sim
out=Results/paper/ablation.csv
swift build -c release --product tract-sim 2>&1 | tail -1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The paper's testbed, and one H100 each with a NIC of 400 Gb/s and a switch with four devices.
rack_testbed=()
# Steps of as many tokens as vLLM takes there: 8192 on a GPU of 80 GB, 2048 in the workload's file.
rack_h100=(
  --set rack.preset=h100-rack --set rack.prefill.count=1 --set rack.decode.count=1
  --set engine.max_batched_tokens=8192
)
declare -A rates=(
  [testbed-nixl]=0.75,1.4,4 [testbed-lmcache]=1.1,2,4 [testbed-tract]=1.1,2,4
  [h100-nixl]=5.5,10,32 [h100-lmcache]=7.5,14,32 [h100-tract]=7.5,14,32
)

# Mechanism; members of the system, or path=value of the rack; the systems that have it.
mechanisms() {
  cat <<'END'
descriptors cost nothing|rack.rdma_engine.descriptor_ns=0|nixl lmcache
launch of a transfer costs nothing|"launch_ms":0|nixl lmcache
launch of a copy costs nothing|"copy_launch_us":0|lmcache tract
bytes are staged in DRAM|rack.nic.gpudirect=false|nixl lmcache
the engine does not wait for loads|"synchronous_load":false|lmcache
the engine waits for loads|"synchronous_load":true|tract
the engine waits for loads layer by layer|"synchronous_load":true,"layerwise":true|lmcache tract
GPU memory is free at once|"hold_until_sent":false|nixl lmcache tract
decode waits for the whole prompt|"ready_wait":"whole_prompt"|tract
each block is published alone|"write_batch_blocks":1|tract
PCIe directions do not slow each other|rack.pcie.duplex_factor=2|nixl lmcache tract
CXL devices' directions do not either|rack.cxl.device_duplex_factor=2|tract
END
}

sweep() { # folder, rack, system, members of the system or path=value
  local -n settings=rack_$2
  local members="" set=("${settings[@]}")
  case $4 in
  "") ;;
  rack.*) set+=(--set "$4") ;;
  *) members=",$4" ;;
  esac
  $sim sweep Workloads/paper/synthetic-b.json --seeds 1..5 --output "$1" "${set[@]}" \
    --vary "traffic.arrivals.rate_rps=${rates[$2-$3]}" \
    --set "systems=[{\"base\":\"$3\",\"name\":\"$3\"$members}]" --set "baseline=$3" >/dev/null
}

{
  echo "rack,system,mechanism,rate_rps,mean_ttft_ms,mean_ttft_ratio,mean_ttft_ratio_ci95,p99_ttft_ms,p99_ttft_ratio,p99_ttft_ratio_ci95,request_throughput,throughput_ratio,throughput_ratio_ci95"
  for rack in testbed h100; do
    for system in nixl lmcache tract; do
      reference=$work/$rack-$system
      sweep "$reference" $rack $system ""
      awk -f Scripts/paired.awk "$reference/sweep.csv" "$reference/sweep.csv" |
        sed "s/^/$rack,$system,as it is,/"
      while IFS='|' read -r mechanism change systems; do
        [[ " $systems " == *" $system "* ]] || continue
        sweep "$work/case" $rack $system "$change"
        awk -f Scripts/paired.awk "$reference/sweep.csv" "$work/case/sweep.csv" |
          sed "s/^/$rack,$system,$mechanism,/"
        rm -r "$work/case"
      done < <(mechanisms)
    done
  done
} >"$work/ablation.csv"
mv "$work/ablation.csv" "$out"

for rack in testbed h100; do
  awk -F, -v rack=$rack '
    function ratio(value, half) { return sprintf("%.3f ± %.3f", value, half) }
    BEGIN {
      print "| system | mechanism | mean TTFT, half load | mean TTFT, 0.9 load | P99, 0.9 load | peak throughput |"
      print "|---|---|---|---|---|---|"
    }
    $1 != rack { next }
    {
      if ($3 == "as it is") cell = sprintf("%.0f ms", $5); else cell = ratio($6, $7)
      if ($2 "," $3 != row) { row = $2 "," $3; n = 0 }
      n++
      if (n == 1) line = sprintf("| %s | %s | %s |", $2, $3, cell)
      if (n == 2) line = line sprintf(" %s | %s |", cell,
        $3 == "as it is" ? sprintf("%.0f ms", $8) : ratio($9, $10))
      if (n == 3) print line sprintf(" %s |",
        $3 == "as it is" ? sprintf("%.3f/s", $11) : ratio($12, $13))
    }' "$out" | Scripts/insert-table.sh Results/paper/ABLATION.md $rack
done
