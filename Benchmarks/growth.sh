#!/usr/bin/env bash
# Cost against size: CPU time of whole runs less that of a run of one request, with the exponent of
# the least-squares line through its logarithms. Results/bench/growth.csv and growth.md.
#
# Requests: nixl, 2+2 workers. Hosts: nixl, 10 requests/s and 1000 requests a host, so that the work
# of each host stays. Flows: a closed loop of as many users, from 16 prefill to 16 decode workers by a
# slow link, so that about all of them wait for their transfer; 30 000 requests, of whose time as many
# are counted as flows are under way. Sequences in a batch: aggregated, as many in a batch and as many
# waiting on one worker; 20 000 requests, of whose time as many are counted as a batch has. Cache
# entries: tract, a pool of as many blocks of 16 tokens, filled twice by 1024-token prompts. Runs of
# more than 100 000 requests or entries are made once.
set -euo pipefail
cd "$(dirname "$0")/.."
sim=.build/release/tract-sim
out=Results/bench
mkdir -p "$out" out
w1=Benchmarks/Workloads
repeats=${REPEATS:-3}

# cpu ARGUMENTS...: the least user and system time, seconds.
cpu() {
  for _ in $(seq "${times:-$repeats}"); do
    Benchmarks/cpu.py "$sim" run "$@" --jobs 1 || { echo "failed: $*" >&2; exit 70; }
  done | awk '{ if (!n++ || $1 < least) least = $1 } END { printf "%.6f", least }'
}
machine="$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) cores"
start=$(cpu $w1/w1-pd.json --set stop.requests=1)
csv=$out/growth.csv
echo "# $(date -u +%F), $machine, Benchmarks/growth.sh, REPEATS=$repeats; start $start s" >"$csv"
echo "axis,size,cpu_s" >>"$csv"
point() { # AXIS SIZE arguments...; counts the part ${part:-1} of the run
  local axis=$1 size=$2 seconds
  shift 2
  seconds=$(cpu "$@")
  echo "$axis,$size,$(awk -v a="$seconds" -v b="$start" -v c="${part:-1}" \
    'BEGIN { printf "%.3g", (a - b) * c }')" | tee -a "$csv" >&2
}
for n in ${REQUESTS:-1000 10000 100000 1000000 10000000}; do
  times=$((n > 100000 ? 1 : repeats)) point requests "$n" $w1/w1-pd.json --set stop.requests="$n"
done
for hosts in ${HOSTS:-2 4 8 16 32 64}; do
  point hosts "$hosts" $w1/w1-pd.json --set stop.requests=$((1000 * hosts)) \
    --set traffic.arrivals.rate_rps=$((5 * hosts)) --set rack.prefill.count=$((hosts / 2)) \
    --set rack.decode.count=$((hosts / 2))
done
for flows in ${FLOWS:-10 30 100 300 1000 3000 10000}; do
  part=$(awk "BEGIN { print $flows / 30000 }") point flows "$flows" $w1/w1-pd.json \
    --set stop.requests=30000 --set traffic.input_tokens=256 --set traffic.output_tokens=2 \
    --set "traffic.arrivals={\"process\":\"closed_loop\",\"concurrency\":$flows}" \
    --set rack.prefill.count=16 --set rack.decode.count=16 --set rack.nic.tx_gbps=0.01 \
    --set rack.nic.rx_gbps=0.01
done
for batch in ${BATCHES:-1 4 16 64 256 1024}; do
  part=$(awk "BEGIN { print $batch / 20000 }") point batch "$batch" $w1/w1-agg.json \
    --set stop.requests=20000 --set rack.prefill.count=1 \
    --set rack.decode.count=1 --set engine.max_sequences="$batch" --set traffic.input_tokens=64 \
    --set "traffic.arrivals={\"process\":\"closed_loop\",\"concurrency\":$((2 * batch))}"
done
for entries in ${ENTRIES:-10000 100000 1000000 10000000}; do
  # 2 MiB a block of 16 tokens; as many requests as fill the pool twice.
  times=$((entries > 100000 ? 1 : repeats)) point cache_entries "$entries" $w1/w1-tract.json \
    --set stop.requests=$((entries * 2 / 64)) --set rack.cxl.capacity_gib=20000 \
    --set 'systems=[{"base":"tract","block_tokens":16,"cache_gib":'"$((entries / 512))"'}]'
done
{
  echo "# Cost against size"
  echo
  echo "$(date -u +%F), $machine; \`Benchmarks/growth.sh\`: CPU seconds of whole runs, least of"
  echo "$repeats, less $start s of a run of one request. The script says what each axis is."
  echo
  echo "| axis | from | to | CPU s from | CPU s to | exponent |"
  echo "|---|---|---|---|---|---|"
  awk -F, 'NR > 2 && $3 > 0 {
      a = $1; if (!(a in n)) { order[++axes] = a; low[a] = $2; first[a] = $3 }
      x = log($2); y = log($3); n[a]++; sx[a] += x; sy[a] += y; sxx[a] += x * x; sxy[a] += x * y
      high[a] = $2; last[a] = $3
    } END { for (i = 1; i <= axes; i++) { a = order[i]
      printf "| %s | %s | %s | %s | %s | %.2f |\n", a, low[a], high[a], first[a], last[a],
        (n[a] * sxy[a] - sx[a] * sy[a]) / (n[a] * sxx[a] - sx[a] ^ 2) } }' "$csv"
  echo
  echo "What breaks it. Flows: a start or an end costs the classes of flows that full links connect with"
  echo "it; flows of one path and cap are one class. More flows use more of the paths, here at most 256;"
  echo "once all are in use, more flows cost the logarithm of those on a path."
} >"$out/growth.md"
cat "$out/growth.md"
