#!/usr/bin/env bash
# Fuzzes everything that reads files: builds the targets of tests/fuzz (libFuzzer, AddressSanitizer,
# UndefinedBehaviorSanitizer) and runs each, as many at a time as there are cores.
#   ./scripts/fuzz.sh [SECONDS | --runs N] [TARGET]...      20 seconds, all targets
# The last lines are a table. What is found lies in build/fuzz/found/, and `build/fuzz/bin/fuzz_TARGET
# FILE` shows it again. Inputs that reach new code are kept in build/fuzz/corpus/, beside the seeds
# in tests/fuzz/corpus/. Exit code 77: this clang++ has no libFuzzer.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

limit="-max_total_time=20"
if [[ ${1:-} == --runs ]]; then
  limit="-runs=${2:?a number of runs}"
  shift 2
elif [[ ${1:-} =~ ^[0-9]+$ ]]; then
  limit="-max_total_time=$1"
  shift
fi

if ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
  clang++ -fsanitize=fuzzer,address,undefined -x c++ - -o /dev/null 2>/dev/null; then
  echo "skipped: clang++ or its libFuzzer is missing; next: apt-get install clang libclang-rt-14-dev"
  exit 77
fi

cmake --preset fuzz >/dev/null && cmake --build --preset fuzz -j "$(nproc)" || exit 1
mapfile -t targets < <(ls build/fuzz/bin | sed -n 's/^fuzz_//p')
if [[ $# -gt 0 ]]; then targets=("$@"); fi

# Few frames of each allocation are kept, and little of what was freed: half of the time went there.
export ASAN_OPTIONS=malloc_context_size=4:quarantine_size_mb=8
export UBSAN_OPTIONS=print_stacktrace=1

# run <target>: at most a minute for an input (of a busy machine), 1 GiB in all, 256 MiB in one allocation.
run() {
  mkdir -p "build/fuzz/corpus/$1" build/fuzz/found build/fuzz/log
  "build/fuzz/bin/fuzz_$1" "$2" -max_len=2048 -entropic=0 -timeout=60 -rss_limit_mb=1024 \
    -malloc_limit_mb=256 -print_final_stats=1 -artifact_prefix="build/fuzz/found/$1-" \
    "build/fuzz/corpus/$1" "tests/fuzz/corpus/$1" >"build/fuzz/log/$1.txt" 2>&1
  echo $? >"build/fuzz/log/$1.status"
}
export -f run
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c "run {} $limit"

# stat <target> <name>: a figure from libFuzzer's last lines.
stat() { sed -n "s/^stat::$2: *//p" "build/fuzz/log/$1.txt"; }

found=0
printf '\n%-16s %12s %12s %8s  %s\n' target runs "runs/s" corpus result
for target in "${targets[@]}"; do
  result="nothing found"
  if [[ $(cat "build/fuzz/log/$target.status") -ne 0 ]]; then
    found=1 result="FOUND: see build/fuzz/log/$target.txt"
  fi
  printf '%-16s %12s %12s %8s  %s\n' "$target" "$(stat "$target" number_of_executed_units)" \
    "$(stat "$target" average_exec_per_sec)" "$(ls "build/fuzz/corpus/$target" | wc -l)" "$result"
done
exit $found
