#!/usr/bin/env bash
# A sweep without `tract-sim sweep`: `run --set` in a loop, for when a shell is all that is needed.
# Prints one CSV row a rate, seed and system.
#
# usage: sweep-loop.sh WORKLOAD "RATES" "SEEDS"      e.g. sweep-loop.sh w.json "0.5 1 2" "1 2 3"
set -euo pipefail
sim=${TRACT_SIM:-$(dirname "$0")/../.build/release/tract-sim}
workload=$1 rates=$2 seeds=$3
header=
for rate in $rates; do
  for seed in $seeds; do
    rows=$("$sim" run "$workload" --set "traffic.arrivals.rate_rps=$rate" --seed "$seed" --format csv)
    # The header once, with the two columns that the loop adds.
    if [ -z "$header" ]; then
      header=$(head -1 <<<"$rows")
      echo "rate_rps,seed,$header"
    fi
    tail -n +2 <<<"$rows" | sed "s/^/$rate,$seed,/"
  done
done
