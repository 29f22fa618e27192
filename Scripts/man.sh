#!/usr/bin/env bash
# Makes man pages of the commands in out/man, with the manual generator of swift-argument-parser.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p out/man
swift package --allow-writing-to-directory out/man generate-manual \
  --multi-page --output-directory out/man
ls out/man
