#!/usr/bin/env bash
# Runs all tests, optimised but with assertions: simulating and exploring the store takes minutes
# that way, and hours without optimisation. Arguments go to the test runner, e.g. --filter StoreTests.
set -euo pipefail
cd "$(dirname "$0")/.."
pkg-config --exists gsl || { echo "libgsl-dev is missing; run Scripts/quickstart.sh first" >&2; exit 1; }
swift test -c release --scratch-path .build-test -Xswiftc -enable-testing \
  -Xswiftc -assert-config -Xswiftc Debug "$@"
