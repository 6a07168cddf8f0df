#!/usr/bin/env bash
# The long checks, about half an hour on two cores; scripts/test.sh is the short form.
#   1. scripts/test.sh
#   2. the tests labelled slow
#   3. the committed reference data, made again by PyTorch and transformers
#   4. the quick start from a fresh clone: at most 10 minutes, and at most 1.45 nats per byte
#   5. transformers opens the checkpoint that the quick start made
#   6. it opens the newest checkpoint of a run that is still training, and gives its evaluation loss
#   7. the Python tests under AddressSanitizer
#   8. pip install . in a fresh environment, with the CUDA part when nvcc is there
#   9. every family of Hugging Face folders: numbers and bytes against transformers
#  10. a training killed and failed at every system call of its saves
# Usage: scripts/check_full.sh [--python PATH]   a Python that has torch and transformers; without
#        it both are installed from PyPI into build/reference_venv (several GB).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
source scripts/packages.sh

failed=()
check() {  # check <name> <command>...
  local name=$1 started=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then
    printf '== %s: ok, %d s\n' "$name" $((SECONDS - started))
  else
    failed+=("$name")
    printf '== %s: FAILED, %d s\n' "$name" $((SECONDS - started))
  fi
}

slow_tests() { ctest --preset cpu -L slow --no-tests=ignore; }

reference_python=build/reference_venv/bin/python
[[ "${1:-}" == --python ]] && reference_python=$2
reference_data() {
  if [[ ! -x $reference_python ]]; then
    install_packages python3-venv &&
      python3 -m venv build/reference_venv &&
      build/reference_venv/bin/pip install --quiet torch transformers || return 1
  fi
  "$reference_python" scripts/make_reference.py --check
}

clone=$PWD/build/fresh_clone
quick_start() {
  local started=$SECONDS
  rm -rf "$clone" && git clone --quiet . "$clone" &&
    (cd "$clone" && CCACHE_DISABLE=1 ./scripts/quickstart.sh) || return 1
  local seconds=$((SECONDS - started))
  echo "quick start took $seconds s"
  [[ $seconds -le 600 ]] && python3 - "$clone/runs/bible/metrics.jsonl" <<'PY'
import json, sys
losses = [e["loss"] for e in map(json.loads, open(sys.argv[1])) if e["kind"] == "eval"]
print(f"held-out loss {losses[-1]:.4f} nats per byte, limit 1.45")
sys.exit(losses[-1] > 1.45)
PY
}

opened_by_transformers() {
  local folder="$clone/runs/bible/ckpt" tokens
  tokens=$(printf 'And the LORD spake unto Moses, saying, Speak unto the children of Israel' | od -An -v -tu1)
  # shellcheck disable=SC2086  # the bytes are the arguments
  "$reference_python" scripts/compare_with_transformers.py "$folder/$(<"$folder/LATEST")" $tokens \
    --at-most 1.5
}

opened_while_training() {
  "$reference_python" scripts/check_open_while_training.py build/cpu/bin/gigatrain --ranks 2
}

# As the README says it: build isolation, everything from PyPI, no ccache.
pip_install() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  python3 -m venv "$work/env" && CCACHE_DISABLE=1 "$work/env/bin/pip" install --quiet '.[test]' &&
    cp -r python/tests "$work/tests" && cd "$work" && env/bin/gigatrain doctor &&
    env/bin/python -m pytest tests -q -p no:cacheprovider
)

check "test.sh" ./scripts/test.sh
check "slow tests" slow_tests
check "reference data" reference_data
check "quick start" quick_start
check "transformers opens a checkpoint of a run that is training" opened_while_training
check "Python tests under AddressSanitizer" ./scripts/check_python_asan.sh
check "pip install ., with the CUDA part when nvcc is there" pip_install
check "transformers opens our checkpoint" opened_by_transformers
check "families against transformers" "$reference_python" scripts/compare_families.py
check "every system call of a save" ./scripts/check_crashes.py

if [[ ${#failed[@]} -gt 0 ]]; then
  printf '\nfailed: %s\n' "${failed[*]}"
  exit 1
fi
printf '\nall long checks passed\n'
