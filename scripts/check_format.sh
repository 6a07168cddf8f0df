#!/usr/bin/env bash
# Checks that clang-format would change none of our sources. `--fix` formats them.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v clang-format >/dev/null; then
  echo "skipped: clang-format is not installed (apt-get install clang-format)"
  exit 77
fi
mode=(--dry-run -Werror)
[[ "${1:-}" == --fix ]] && mode=(-i)
find include src tests tools examples benchmarks python \
  \( -name '*.h' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu' -o -name '*.js' \) -print0 |
  xargs -0 -n 8 -P "$(nproc)" clang-format "${mode[@]}"
