#!/usr/bin/env bash
# Puts the shards of a sweep together: their rows in one file, which the sweep then finds complete and
# sorts. Points that no shard has are run here.
#
# usage: sweep-merge.sh FOLDER SWEEP-ARGUMENTS...      (those of the shards, without --shard)
set -euo pipefail
sim=${TRACT_SIM:-$(dirname "$0")/../.build/release/tract-sim}
folder=$1
shift
cat "$folder"/shard-*/sweep.jsonl >"$folder/sweep.jsonl.part"
mv "$folder/sweep.jsonl.part" "$folder/sweep.jsonl"
"$sim" sweep "$@" --resume --output "$folder"
