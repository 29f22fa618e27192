#!/usr/bin/env bash
# Instructions of small whole runs, counted by valgrind, beside those of
# Results/bench/instructions.csv: fails with 1 if any run takes over 5 % more. `--accept` writes the
# file anew. Counts depend on compiler and libraries, not on the machine's load or clock.
set -euo pipefail
cd "$(dirname "$0")/.."
reference=Results/bench/instructions.csv
if ! command -v valgrind >/dev/null; then
  { [ "$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq valgrind; } >/dev/null 2>&1 || {
    echo "instructions: skipped, valgrind is not there and cannot be installed" >&2
    exit 0
  }
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Valgrind cannot read the debug information of all compilers.
strip -o "$folder/tract-sim" .build/release/tract-sim

# The same copies of bytes on every processor.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-ERMS,-FSRM

# count NAME WORKLOAD REQUESTS
count() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$folder/tract-sim" run "$2" \
    --set "stop.requests=$3" --jobs 1 --output "$folder/out" 2>"$folder/log" >/dev/null ||
    { cat "$folder/log" >&2; exit 70; }
  awk -v name="$1" '/Collected :/ { print name "," $NF }' "$folder/log"
}
{
  echo "run,instructions"
  count startup Benchmarks/Workloads/w1-agg.json 1
  count w1_aggregated_5k Benchmarks/Workloads/w1-agg.json 5000
  count w1_disaggregated_5k Benchmarks/Workloads/w1-pd.json 5000
  count w1_tract_500 Benchmarks/Workloads/w1-tract.json 500
} >"$folder/counts.csv"
if [ "${1:-}" = --accept ]; then
  cp "$folder/counts.csv" "$reference"
  cat "$reference"
  exit 0
fi
awk -F, 'FNR == 1 { next }
  NR == FNR { expected[$1] = $2; next }
  {
    change = 100 * ($2 / expected[$1] - 1)
    printf "%s: %.1f M instructions, %+.1f %%\n", $1, $2 / 1e6, change
    if (change > 5) bad = 1
    if (change < -5) print "  fewer: take it over with Benchmarks/instructions.sh --accept"
  }
  END { if (bad) print "more than 5 % above " reference; exit bad }' \
  reference="$reference" "$reference" "$folder/counts.csv"
