#!/usr/bin/env bash
#SBATCH --job-name=tract-sweep
#SBATCH --output=%x-%A_%a.log
# A shard of a sweep as a task of a Slurm array, numbered from 1. Tasks that were stopped go on when the
# array is submitted again; afterwards Scripts/sweep-merge.sh puts the shards together.
#
# usage: sbatch --array=1-16 Scripts/sweep-slurm.sh FOLDER SWEEP-ARGUMENTS...
#   sbatch --array=1-16 --cpus-per-task=8 Scripts/sweep-slurm.sh out w.json --seeds 1..5 \
#     --vary traffic.arrivals.rate_rps=1:8:1
#   Scripts/sweep-merge.sh out w.json --seeds 1..5 --vary traffic.arrivals.rate_rps=1:8:1
set -euo pipefail
# Slurm runs a copy of this file: the program is found from where it was submitted.
sim=${TRACT_SIM:-.build/release/tract-sim}
folder=$1
shift
"$sim" sweep "$@" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
  --jobs "${SLURM_CPUS_PER_TASK:-1}" --resume --output "$folder/shard-$SLURM_ARRAY_TASK_ID"
