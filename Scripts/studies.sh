#!/usr/bin/env bash
# What Results/paper holds beside the paper's own figures: one mechanism at a time, one parameter at a
# time, the bandwidth at which tract wins, what would make the figures come out, and racks. Ten minutes
# on two cores.
#
#   Scripts/studies.sh           all
#   Scripts/studies.sh --plots   the plots only, from committed data
set -euo pipefail
cd "$(dirname "$0")"
if [[ "${1:-}" == --plots ]]; then
  ./sensitivity.sh --plot
  ./racks.sh --plot
  exit
fi
for study in ablation sensitivity break-even what-if racks; do
  echo "$study"
  "./$study.sh"
done
