#!/usr/bin/env bash
# Every check that a change must pass, in some 40 minutes on two cores:
#   1. g++, optimized, and the CUDA plugin when nvcc is found: all ctests except those labelled slow;
#      gpu tests are skipped, with the reason, where there is no GPU
#   2. AddressSanitizer + UndefinedBehaviorSanitizer: the unit tests, and the GPU's kernels on the host
#      SIMT machine
#   3. ThreadSanitizer: the tests that use threads
#   4. the Python package: wheel, fresh environment, its tests
#   5. every reader of files under libFuzzer, 20 s each
#   6. clang++ without precompiled headers: the library and the command compile clean
# Installs what is missing on Debian 12 (root or sudo). The last line adds everything up.
# The long checks are in scripts/check_full.sh.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
source scripts/packages.sh
exec </dev/null

passed=0 failed=0 skipped=0
started=$SECONDS
jobs=$(nproc)

say() { printf '\n== %s (at %d s)\n' "$1" $((SECONDS - started)); }

# attribute <name> <file>: the first such attribute of a JUnit file, 0 if there is none.
attribute() { grep -o -m 1 "$1=\"[0-9]*\"" "$2" | head -n 1 | grep -o '[0-9]*' || echo 0; }

# add_report <JUnit file> <exit status>: adds to the totals. A failure that the report does not count
# must not be lost.
add_report() {
  local report=$1 status=$2
  if [[ ! -s $report ]]; then
    echo "there is no report $report"
    failed=$((failed + 1))
    return
  fi
  local all bad skip
  all=$(attribute tests "$report")
  bad=$(($(attribute failures "$report") + $(attribute errors "$report")))
  skip=$(($(attribute skipped "$report") + $(attribute disabled "$report")))
  passed=$((passed + all - bad - skip)) failed=$((failed + bad)) skipped=$((skipped + skip))
  if [[ $status -ne 0 && $bad -eq 0 ]]; then failed=$((failed + 1)); fi
}

# run_tests <preset> <ctest arguments>...: runs them and adds to the totals.
run_tests() {
  local preset=$1 report="$PWD/build/$1/ctest.xml"
  shift
  rm -f "$report"
  ctest --preset "$preset" -j "$jobs" --no-tests=error --output-junit "$report" "$@"
  add_report "$report" $?
}

# check <command>...: one check by itself.
check() {
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# build <preset> <targets>...: one check by itself, since a warning is an error.
build() {
  local preset=$1
  shift
  if cmake --preset "$preset" && cmake --build --preset "$preset" -j "$jobs" "${@/#/--target=}"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    return 1
  fi
}

say "packages"
install_packages g++ cmake ninja-build catch2 libcli11-dev libtomlplusplus-dev nlohmann-json3-dev \
  libfmt-dev libxxhash-dev libssl-dev clang libclang-rt-14-dev clang-format python3 \
  python3-dev python3-venv binutils git || exit 1

main=cpu
if command -v nvcc >/dev/null || [[ -x /usr/local/cuda/bin/nvcc ]]; then
  main=cuda
  ./scripts/fetch_cuda_parts.sh || failed=$((failed + 1))
fi
./scripts/fetch_datasets.sh >/dev/null || failed=$((failed + 1))  # for two examples
say "g++, all tests (preset $main)"
build $main && run_tests $main -LE slow

say "AddressSanitizer and UndefinedBehaviorSanitizer, unit tests"
export UBSAN_OPTIONS=print_stacktrace=1
build asan gigatrain_tests && run_tests asan -LE 'slow|gpu'

say "ThreadSanitizer, tests with threads"
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
build tsan gigatrain_tests && run_tests tsan -LE 'slow|gpu'

say "Python: wheel, fresh environment, tests"
rm -f build/python.xml
python_env=$(mktemp -d)/env
GIGATRAIN_PYTHON_ENV=$python_env ./scripts/test_python.sh build/python.xml
add_report build/python.xml $?

say "Tutorials, word for word; the documentation site"
check cmake --install build/$main --prefix build/installed
for tutorial in command python cpp; do
  check ./scripts/check_tutorials.py --path "$python_env/bin" --python "$python_env/bin/python" \
    --prefix build/installed "$tutorial"
done
check ./scripts/docs.sh --python "$python_env/bin/python"
rm -rf "${python_env%/env}"

say "Fuzzing what reads files, 20 s each"
./scripts/fuzz.sh 20
case $? in
  0) passed=$((passed + 1)) ;;
  77) skipped=$((skipped + 1)) ;;
  *) failed=$((failed + 1)) ;;
esac

say "clang++, library and command"
build clang gigatrain gigatrain_tool

say "done"
echo "total: $passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
