#!/usr/bin/env bash
# Ours beside NVIDIA Dynamo's offline replay (ai-dynamo 1.4.2, polynomial timing) on the same work, one
# run after the other: CPU time (user and system) and peak memory of the whole process, the least of
# REPEATS (3) each. Results/bench/peers.csv and peers.md; the virtual environment (1.2 GB) is made in
# PEERS_VENV (out/peers-venv).
#
# Equivalent configurations: W1 is 1024 input and 128 output tokens, no shared blocks, Poisson at 20
# requests/s (320 with 64 workers), Llama-3.1-8B on one H100 a worker, blocks of 16 tokens, 256
# sequences, a budget of 8192 tokens, 25 000 blocks there and what the memory holds (about 29 000)
# here, round robin, hand-over at 50 GB/s: per transfer there, shared by all that use a NIC here. Each
# side makes its own requests (same law, other seeds) and writes its report.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${PEERS_VENV:-out/peers-venv}
repeats=${REPEATS:-3}
trace=${CONVERSATION_TRACE:-}
out=Results/bench
mkdir -p "$out" out/peers
if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/pip" show -q ai-dynamo 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q ai-dynamo==1.4.2
fi
[ -x .build/release/tract-sim ] || swift build -c release --product tract-sim

# least COMMAND...: CPU seconds and peak MiB, the least of all repeats.
least() {
  for _ in $(seq "$repeats"); do
    Benchmarks/cpu.py "$@" 2>/dev/null || { echo "failed: $*" >&2; exit 70; }
  done | awk '{ if (!n++ || $1 < c) c = $1; if (n == 1 || $2 < m) m = $2 }
    END { printf "%.3f %.1f", c, m / 1024 }'
}

replay=("$venv/bin/python" -m dynamo.replay --replay-mode offline --router-mode round_robin)
engine='"block_size":16,"max_num_seqs":256,"max_num_batched_tokens":8192,"num_gpu_blocks":25000'
link='"kv_transfer_bandwidth":50.0,"kv_bytes_per_token":131072'
rows=()
# row NAME peer-arguments... -- our arguments...
row() {
  local name=$1 peer=() theirs ours
  shift
  while [ "$1" != -- ]; do peer+=("$1"); shift; done
  shift
  theirs=$(least "${replay[@]}" "${peer[@]}" --report-json out/peers/theirs.json)
  ours=$(least .build/release/tract-sim run "$@" --jobs 1 --output out/peers/ours)
  rows+=("$name $theirs $ours")
  echo "$name: theirs $theirs, ours $ours (CPU s, MiB)" >&2
}
w1() { echo --input-tokens 1024 --output-tokens 128 --request-count "$1" --request-rate "$2" --arrival-seed 42; }
aggregated() { echo --num-workers "$1" --extra-engine-args "{$engine}"; }
split() {
  echo --num-prefill-workers "$1" --num-decode-workers "$1" \
    --prefill-engine-args "{$engine,\"worker_type\":\"prefill\",$link}" \
    --decode-engine-args "{$engine,\"worker_type\":\"decode\",$link}"
}
ours() { echo "Benchmarks/Workloads/$1.json --set stop.requests=$2 --set traffic.arrivals.rate_rps=$3"; }
pools() { echo "--set rack.prefill.count=$1 --set rack.decode.count=$1"; }

row w1_10k_aggregated_4 $(w1 10000 20) $(aggregated 4) -- $(ours w1-agg 10000 20)
row w1_100k_aggregated_4 $(w1 100000 20) $(aggregated 4) -- $(ours w1-agg 100000 20)
row w1_10k_disaggregated_2_2 $(w1 10000 20) $(split 2) -- $(ours w1-pd 10000 20)
row w1_10k_tract_2_2 $(w1 10000 20) $(split 2) -- $(ours w1-tract 10000 20)
row w1_100k_disaggregated_32_32 $(w1 100000 320) $(split 32) -- $(ours w1-pd 100000 320) $(pools 32)
if [ -n "$trace" ]; then
  row conversation_aggregated_8 "$trace" --trace-format mooncake --trace-block-size 512 \
    $(aggregated 8) -- Benchmarks/Workloads/conversation.json --set traffic.file="$trace" $(pools 4)
else
  echo "conversation: skipped, CONVERSATION_TRACE does not name the trace" >&2
fi

machine="$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) cores"
{
  echo "# $(date -u +%F), $machine, Benchmarks/peers.sh, REPEATS=$repeats"
  echo "workload,dynamo_cpu_s,dynamo_peak_mib,tract_sim_cpu_s,tract_sim_peak_mib,cpu_ratio,memory_ratio"
  printf '%s\n' "${rows[@]}" |
    awk '{ printf "%s,%s,%s,%s,%s,%.2f,%.2f\n", $1, $2, $3, $4, $5, $2 / $4, $3 / $5 }'
} >"$out/peers.csv"
{
  echo "# Ours beside Dynamo replay 1.4.2"
  echo
  echo "$(date -u +%F), $machine; \`Benchmarks/peers.sh\`, least of $repeats, CPU time of whole processes."
  echo "Equivalent configurations are in the script. A ratio above 1 is in our favour."
  echo
  echo "| workload | theirs, CPU s | ours, CPU s | ratio | theirs, MiB | ours, MiB | ratio |"
  echo "|---|---|---|---|---|---|---|"
  awk -F, 'NR > 2 { printf "| %s | %s | %s | %s | %s | %s | %s |\n", $1, $2, $4, $6, $3, $5, $7 }' \
    "$out/peers.csv"
} >"$out/peers.md"
cat "$out/peers.md"
