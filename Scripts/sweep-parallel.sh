#!/usr/bin/env bash
# A sweep over several machines with GNU parallel: a shard each, then merged. The folder, the workload
# and tract-sim must be at the same place on all of them (a shared file system).
#
# usage: sweep-parallel.sh SHARDS HOSTS FOLDER SWEEP-ARGUMENTS...
# HOSTS as for `parallel --sshlogin`: "node1,node2", ":" is this machine. What is interrupted goes on
# when run again.
#   sweep-parallel.sh 16 node1,node2,: out w.json --vary traffic.arrivals.rate_rps=1:8:1 --seeds 1..5
set -euo pipefail
sim=${TRACT_SIM:-$(cd "$(dirname "$0")/.." && pwd)/.build/release/tract-sim}
shards=$1 hosts=$2 folder=$3
shift 3
mkdir -p "$folder"
# -q keeps the arguments as they are; one shard at a time on a machine, which uses all its processors.
seq "$shards" | parallel -q --sshlogin "$hosts" --workdir . --jobs 1 --halt soon,fail=1 \
  "$sim" sweep "$@" --shard "{}/$shards" --resume --output "$folder/shard-{}"
TRACT_SIM=$sim "$(dirname "$0")/sweep-merge.sh" "$folder" "$@"
