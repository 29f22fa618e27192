#!/usr/bin/env bash
# The same bytes from debug and release, one job and several, in several locales.
set -euo pipefail
cd "$(dirname "$0")/.."
swift build -c release --product tract-sim 2>&1 | tail -1
swift build --product tract-sim 2>&1 | tail -1
out=out/determinism
rm -rf "$out"
for run in release:1:C release:2:de_DE.UTF-8 debug:1:C.UTF-8 debug:2:tr_TR.UTF-8; do
  IFS=: read -r build jobs locale <<<"$run"
  for workload in examples/quickstart ci/faults; do
    folder=$(basename "$workload")
    LC_ALL=$locale LANG=$locale ".build/$build/tract-sim" run "Workloads/$workload.json" \
      --jobs "$jobs" --output "$out/$run/$folder" >/dev/null
    for file in report.json requests.jsonl series.csv; do
      cmp "$out/release:1:C/$folder/$file" "$out/$run/$folder/$file"
    done
  done
done
echo "identical: report.json, requests.jsonl and series.csv of 4 runs of two workloads"
