#!/usr/bin/env bash
# Compares every model with its reference and writes Results/validation.
set -euo pipefail
cd "$(dirname "$0")/.."
swift build -c release --product model-check
.build/release/model-check --output Results/validation
