#!/usr/bin/env bash
# Runs all tests.
set -euo pipefail
cd "$(dirname "$0")/.."
pkg-config --exists gsl || { echo "libgsl-dev is missing; run Scripts/quickstart.sh first" >&2; exit 1; }
swift test
