#!/usr/bin/env bash
# What single operations and whole runs cost: Results/bench/figures.jsonl and figures.md.
#
# Whole runs: W1 (1024 tokens in, 128 out, Poisson), aggregated on 4 workers and split 2+2, at 20
# requests/s; on 64 workers at 320; the systems of the quickstart, 10 000 requests each; the conversation
# trace on 8 workers, if CONVERSATION_TRACE names it, aggregated and split 4+4. A run is a process of its
# own, whose start counts, without a report. "Of the floor": CPU time over events times the hold operation
# of a queue of 100 events. Events are those handled, steps what the engines went through: many steps are
# one event. Operations of the store are on simulated memory, for each hash or lock, its manager's steps
# included. Allocations are calls of malloc and its kin: for one operation, and in a whole run.
set -euo pipefail
cd "$(dirname "$0")/.."
out=Results/bench
repeats=${REPEATS:-3}
swift build -c release --package-path Benchmarks --product bench >&2
bench=Benchmarks/.build/release/bench
w1=Benchmarks/Workloads
lines=$out/figures.jsonl
mkdir -p "$out"
: >"$lines.tmp"

"$bench" micro | tee -a "$lines.tmp" >&2
# run NAME FILE path=value...: the repetition of the least CPU time.
run() {
  for _ in $(seq "$repeats"); do "$bench" run "$@"; done |
    python3 -c 'import json, sys
print(min(sys.stdin, key=lambda line: json.loads(line)["cpu_s"]), end="")' | tee -a "$lines.tmp" >&2
}
for n in ${REQUESTS:-1000 10000 100000 1000000}; do
  run "w1_aggregated_$n" $w1/w1-agg.json stop.requests="$n"
  run "w1_disaggregated_$n" $w1/w1-pd.json stop.requests="$n"
done
run w1_tract_10000 $w1/w1-tract.json stop.requests=10000
run w1_disaggregated_64_workers_100000 $w1/w1-pd.json stop.requests=100000 \
  traffic.arrivals.rate_rps=320 rack.prefill.count=32 rack.decode.count=32
for system in nixl lmcache tract; do
  run "quickstart_$system" Workloads/examples/quickstart.json "systems=[\"$system\"]" "baseline=\"$system\"" \
    stop.requests=10000
done
if [ -n "${CONVERSATION_TRACE:-}" ]; then
  run conversation_aggregated_8 $w1/conversation.json traffic.file="$CONVERSATION_TRACE" \
    rack.prefill.count=4 rack.decode.count=4
  for system in nixl tract; do
    run "conversation_$system" $w1/conversation.json traffic.file="$CONVERSATION_TRACE" \
      rack.prefill.count=4 rack.decode.count=4 "systems=[\"$system\"]"
  done
fi
mv "$lines.tmp" "$lines"

machine="$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) cores"
{
  echo "# What it costs"
  echo
  echo "$(date -u +%F), $machine; \`Benchmarks/figures.sh\`, least CPU time of $repeats (operations: of 7)."
  echo "The script says what each is."
  echo
  python3 - "$lines" <<'P'
import json, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
single = [row for row in rows if "cpu_s" not in row]
print("| operation | ns | allocations |\n|---|---|---|")
for row in single:
    print(f"| {row['benchmark']} | {row['ns']:.4g} | {row.get('allocations', '')} |")
hold = next(row["ns"] for row in single if row["benchmark"] == "queue_hold_100") * 1e-9
print()
print("| run | requests | CPU s | requests/CPU s | events | steps | of the floor: events | steps | "
      "allocations | MiB |")
print("|---|---|---|---|---|---|---|---|---|---|")
for row in rows:
    if "cpu_s" not in row:
        continue
    # Each step beyond those that were events would be one more.
    stepwise = row["events"] + max(0, row["steps"] - row["step_events"])
    print(
        f"| {row['benchmark']} | {row['requests']} | {row['cpu_s']:.3f} | "
        f"{row['requests_per_cpu_s']:.0f} | {row['events']} | {row['steps']} | "
        f"{row['cpu_s'] / (row['events'] * hold):.1f} | {row['cpu_s'] / (stepwise * hold):.1f} | "
        f"{row['allocations']} | {row['peak_mib']:.0f} |"
    )
P
} >"$out/figures.md"
cat "$out/figures.md"
