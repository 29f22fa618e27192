#!/usr/bin/env bash
# Racks of 2 to 32 hosts on Mooncake's conversation trace: racks.csv, racks.png and .svg in
# Results/paper, and the tables of RACKS.md.
#
#   Scripts/racks.sh          some four minutes on two cores
#   Scripts/racks.sh --plot   the plot only, from racks.csv
#
# Needs mooncake_conversation_trace.jsonl.xz (or .jsonl) in $TRACT_TRACES or ../shared/traces, and does
# nothing without. The trace's first 1 500 requests, of which 150 are warm-up; five seeds, which move
# arrivals within the trace's ticks of 3 s and break ties of the router.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
sim=.build/release/tract-sim
out=Results/paper
plot() { gnuplot -e "folder='$out'" Plots/racks.gp; }
if [[ "${1:-}" == --plot ]]; then plot && exit; fi
trace=
for file in "${TRACT_TRACES:-../shared/traces}"/mooncake_conversation_trace.jsonl{.xz,}; do
  [[ ! -e $file ]] || trace=$(realpath "$file")
done
if [[ -z $trace ]]; then
  echo "skipped: no mooncake_conversation_trace.jsonl in ${TRACT_TRACES:-../shared/traces} (TRACT_TRACES)"
  exit 0
fi
swift build -c release --product tract-sim 2>&1 | tail -1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The file is read once for every run.
case $trace in
*.xz) xz -dc "$trace" >"$work/trace.jsonl" ;;
*) cp "$trace" "$work/trace.jsonl" ;;
esac

# The rate at which the trace was recorded, and what is offered for each two hosts: seven tenths of
# what a prefill H100 computes without reuse.
recorded=3.401 a_pair=1.4

run() { # prefill, decode, devices ("" for systems without), systems as JSON, the first one's name
  local hosts=$(($1 + $2)) rate speedup
  rate=$(awk -v n=$hosts -v r=$a_pair 'BEGIN { printf "%.1f", n / 2 * r }')
  speedup=$(awk -v r="$rate" -v t=$recorded 'BEGIN { printf "%.6f", r / t }')
  rm -rf "$work/sweep"
  $sim sweep Workloads/paper/rack.json --seeds 1..5 --output "$work/sweep" \
    --set "traffic.file=$work/trace.jsonl" --set "traffic.speedup=$speedup" \
    --set "rack.prefill.count=$1" --set "rack.decode.count=$2" \
    --set "rack.cxl.devices=${3:-1}" --set "rack.cxl.capacity_gib=$((64 * hosts))" \
    --set "systems=$4" --set "baseline=$5" >/dev/null
  awk -f Scripts/racks.awk -v start="$hosts,$1,$2,$3,$rate" "$work/sweep/sweep.csv"
}

# The same memory for all: 64 GiB a host.
all() { # prefill, decode, numbers of devices
  local gib=$((64 * ($1 + $2))) devices
  run "$1" "$2" "" "[{\"base\":\"nixl\"},{\"base\":\"lmcache\",\"cache_gib\":$((gib / $1))},
    {\"base\":\"mooncake\",\"cache_gib\":64}]" nixl
  for devices in $3; do
    run "$1" "$2" $devices \
      "[{\"base\":\"beluga\",\"cache_gib\":$gib},{\"base\":\"tract\",\"cache_gib\":$gib}]" beluga
  done
}

{
  echo "hosts,prefill,decode,cxl_devices,offered_rps,system,seeds,mean_ttft_ms,mean_ttft_ms_ci95,p99_ttft_ms,p99_ttft_ms_ci95,request_throughput,request_throughput_ci95,reused,cxl_device_busy,busiest_nic,busiest_cxl_path,locks_per_s,mean_lookup_us,mean_reserve_us"
  for half in 1 2 4 8 16; do all $half $half "1 4"; done
  all 4 12 4
  all 12 4 4
  # What small blocks ask of the lock manager.
  run 16 16 4 '[{"base":"tract","name":"tract-16-tokens","cache_gib":2048,"block_tokens":16}]' \
    tract-16-tokens
} >"$work/racks.csv"
mv "$work/racks.csv" "$out/racks.csv"

table() { # name, condition on the columns
  awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i
      print "| hosts | P:D | CXL devices | system | mean TTFT (ms) | P99 (ms) | throughput (1/s) | reused | CXL devices busy | busiest NIC |"
      print "|---|---|---|---|---|---|---|---|---|---|"
      next }
    '"$2"' {
      printf "| %d | %d:%d | %s | %s | %.0f ± %.0f | %.0f ± %.0f | %.2f of %.1f | %.0f %% | %s | %s |\n", $1,
        $2, $3, $4 == "" ? "–" : $4, $6, $8, $9, $10, $11, $12, $5, 100 * $14,
        $15 == "" ? "–" : sprintf("%.0f %%", 100 * $15), $16 == "" ? "–" : sprintf("%.0f %%", 100 * $16)
    }' "$out/racks.csv" | Scripts/insert-table.sh "$out/RACKS.md" "$1"
}
table scale '$2 == $3 && $6 != "tract-16-tokens"'
table ratios '$1 == 16'
awk -F, '
  BEGIN {
    print "| hosts | CXL devices | block (tokens) | locks taken a second | lookup (us) | reservation (us) |"
    print "|---|---|---|---|---|---|"
  }
  $6 ~ /^tract/ && $2 == $3 {
    printf "| %d | %d | %d | %.0f | %.1f | %.0f |\n", $1, $4, $6 == "tract" ? 64 : 16, $18, $19, $20
  }' "$out/racks.csv" | Scripts/insert-table.sh "$out/RACKS.md" locks
plot
