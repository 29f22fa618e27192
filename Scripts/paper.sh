#!/usr/bin/env bash
# The paper's Figures 5 to 11: Results/paper/*.csv, claims.txt and a plot of each; then what decides
# them (Scripts/studies.sh).
#
#   Scripts/paper.sh           five seeds, fine grids: about fifteen minutes on two cores
#   Scripts/paper.sh --plots   claims and plots anew from the committed CSVs, without a simulation
#   Scripts/paper.sh --quick   one seed, coarse grids, into out/paper: half a minute; fails if systems
#                              come in another order than Results/paper/quick-orderings.txt says
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
sim=.build/release/tract-sim
out=Results/paper seeds="1 2 3 4 5" lengths=1500:6000:1500 static=0.25:1.75:0.25
rates=0.25,0.5,1,1.5,2,2.5,3,3.5,4 counts="250 500 2000" paths="0.8 1 1.5 3"
mode=${1:-full}
case $mode in
  full | --plots) ;;
  --quick)
    out=out/paper seeds=1 lengths=1500:6000:4500 static=0.5:1:0.5 rates=0.5,2,3,4 counts="" paths=""
    ;;
  *)
    echo "$0: $1 is neither --plots nor --quick" >&2
    exit 64
    ;;
esac
synthetic="a b c" rate=traffic.arrivals.rate_rps

# Figures 5 to 10. Ratios of summaries are to the baseline's of the same seed: NIXL's in static
# workloads, TraCT's in synthetic ones. Summaries alone are kept, as all else follows from the seeds.
sweep() { # workload, arguments
  local workload=$1
  shift
  rm -rf "$work/sweep"
  [[ $workload == static ]] || set -- "$@" --set baseline=tract
  $sim sweep "Workloads/paper/$workload.json" --seeds "${seeds// /,}" --output "$work/sweep" \
    "$@" >/dev/null
}

# Adds to a CSV: given columns, then those of a summary that the claims need.
labelled() { # CSV, header, values
  awk -F, -v header="$2" -v values="$3" -v first="$([[ -s "$1" ]] || echo 1)" '
    NR == 1 {
      for (i = 1; i <= NF; i++)
        if (i <= 3 || $i ~ /^(mean_ttft|p99_ttft|request_throughput|mean_decode_kv_read)(_ms)?(_ratio)?(_ci95)?$/)
          kept[++count] = i
    }
    NR > 1 || first {
      line = NR == 1 ? header : values
      for (k = 1; k <= count; k++) line = line "," $kept[k]
      print line
    }' "$work/sweep/summary.csv" >>"$1"
}

# Percentiles of the TTFT, counted requests of all seeds together.
quantiles() { # tokens
  for seed in $seeds; do
    $sim run Workloads/paper/static.json --set traffic.input_tokens="$1" --set $rate=0.25 \
      --set seed="$seed" --output "$work/run" >/dev/null
    awk -F'[:,{}"]+' '{
      for (i = 2; i < NF; i++) value[$i] = $(i + 1)
      if (value["request_id"] >= 100) print value["system"], value["ttft_ms"]
    }' "$work/run/requests.jsonl"
  done | sort -k1,1 -k2,2g | awk -v tokens="$1" '
    { sample[$1, ++count[$1]] = $2 }
    function quantile(s, p,   at, below) {
      at = 1 + p / 100 * (count[s] - 1)
      below = int(at)
      if (below == count[s]) return sample[s, below]
      return sample[s, below] + (at - below) * (sample[s, below + 1] - sample[s, below])
    }
    END {
      for (p = 1; p <= 99; p++)
        printf "%d,%d,%.3f,%.3f\n", tokens, p, quantile("nixl", p), quantile("tract-nocache", p)
    }'
}

# Figure 11: means over windows of a second, from the first counted arrival on until all have arrived.
# The paper does not say which set it shows; A is below saturation at 3 requests a second.
utilisation() { # set, seed
  $sim run "Workloads/paper/synthetic-$1.json" --systems nixl,lmcache,tract \
    --set seed="$2" --set $rate=3 --output "$work/run" >/dev/null
  awk -F, -v set="$1" -v seed="$2" -f Scripts/paper-utilisation.awk "$work/run/series.csv"
}

simulate() {
  swift build -c release --product tract-sim 2>&1 | tail -1
  mkdir -p "$out"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  sweep static --vary traffic.input_tokens="$lengths" --set $rate=0.25
  cp "$work/sweep/summary.csv" "$out/lengths.csv"
  sweep static --vary $rate="$static"
  cp "$work/sweep/summary.csv" "$out/static.csv"
  for set in $synthetic; do
    sweep "synthetic-$set" --vary $rate="$rates"
    cp "$work/sweep/summary.csv" "$out/synthetic-$set.csv"
  done
  if [[ $mode == --quick ]]; then return; fi

  {
    echo "input_tokens,percent,nixl,tract-nocache"
    for tokens in 1500 3000 4500 6000; do quantiles $tokens; done
  } >"$out/ttft-quantiles.csv"

  # Run lengths; the first tenth is warm-up. Those of 1 000 requests stand in synthetic-*.csv.
  for set in $synthetic; do
    for count in $counts; do
      sweep "synthetic-$set" --vary $rate=1:4:0.5 --systems nixl,lmcache,tract \
        --set stop.requests="$count" --set stop.warmup_requests=$((count / 10))
      labelled "$work/run-length.csv" set,requests "$set,$count"
    done
  done
  cp "$work/run-length.csv" "$out/run-length.csv"

  # What if the NICs carried less, in sum, than 100 Gb/s?
  for path in $paths; do
    local slow=(--set rack.nic.tx_gbps="$path" --set rack.nic.rx_gbps="$path")
    sweep static --vary traffic.input_tokens=1500,6000 --set $rate=0.25 "${slow[@]}"
    labelled "$work/path-lengths.csv" path_gbps "$path"
    sweep static --vary $rate=0.5:1.5:0.5 "${slow[@]}"
    labelled "$work/path-static.csv" path_gbps "$path"
    for set in $synthetic; do
      sweep "synthetic-$set" --vary $rate=0.25,1,2,3,4 --systems nixl,lmcache,tract \
        "${slow[@]}"
      labelled "$work/path-synthetic.csv" path_gbps,set "$path,$set"
    done
  done
  cp "$work"/path-*.csv "$out"

  {
    head -n 1 Scripts/paper-utilisation.awk | sed 's/^# //'
    for set in $synthetic; do for seed in $seeds; do utilisation "$set" "$seed"; done; done
  } >"$out/utilisation.csv"
  utilisation a 1 >/dev/null
  # What the figure shows: the pools' columns and the rack's power.
  awk -F, '{ line = $1; for (i = 2; i <= 13; i++) line = line "," $i; print line "," $NF }' \
    "$work/run/series.csv" >"$out/series.csv"
}

if [[ $mode != --plots ]]; then simulate; fi
facts=("$out"/lengths.csv "$out"/static.csv "$out"/synthetic-?.csv)
if [[ $mode == --quick ]]; then
  awk -f Scripts/paper-claims.awk -v orderings=1 "${facts[@]}" | tee "$out/orderings.txt"
  diff Results/paper/quick-orderings.txt "$out/orderings.txt"
  exit
fi
awk -f Scripts/paper-claims.awk "${facts[@]}" "$out"/run-length.csv "$out"/path-*.csv \
  "$out/utilisation.csv" >"$out/claims.txt"
gnuplot -e "folder='$out'" Plots/paper.gp

if [[ $mode == full ]]; then ./Scripts/studies.sh; else ./Scripts/studies.sh --plots; fi
