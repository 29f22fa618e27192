#!/usr/bin/env bash
# Installs what is missing, builds the release and runs the embedded quickstart: a table and a plot.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=()
pkg-config --exists gsl 2>/dev/null || missing+=(libgsl-dev pkg-config)
command -v gnuplot >/dev/null || missing+=(gnuplot-nox fonts-dejavu-core)
command -v xz >/dev/null || missing+=(xz-utils)
if ((${#missing[@]})); then
  sudo=""
  if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq "${missing[@]}"
fi
swift build -c release
.build/release/tract-sim run --output out/quickstart --plot
