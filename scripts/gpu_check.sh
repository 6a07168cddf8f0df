#!/usr/bin/env bash
# Everything that only a machine with a GPU can prove, in one command and at most 9 minutes, from a
# folder built elsewhere (cmake --preset cuda). Parts:
#
#   tests      the tests tagged [gpu]
#   sanitizer  compute-sanitizer's memcheck and racecheck on our kernels, in a few of those tests
#   kernels    gigatrain bench kernels: time of each kernel, percentage of its limit
#   training   GPT-2 124M, one step at T = 1024: tokens a second
#   torch      the same step in PyTorch, eager and compiled, and a few single ops
#
# Usage: scripts/gpu_check.sh [PART...] [--build DIR] [--out FILE] [--python PATH] [--micro-batch N]
#   PART           none: all of them, in this order
#   --build DIR    default build/cuda
#   --out FILE     JSON of everything; default build/gpu_check.json
#   --python PATH  a Python with torch, for the last part; default python3
# A part that cannot run here is skipped, with the reason. Exit code: 1 when a part failed, 77 when
# none could run. cuBLASLt and cuDNN that were carried along are found through LD_LIBRARY_PATH.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

declare -A limit=([tests]=170 [sanitizer]=110 [kernels]=60 [training]=60 [torch]=140)  # seconds
all=(tests sanitizer kernels training torch)
build=build/cuda out=build/gpu_check.json python=python3 micro_batch=16 parts=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --build) build=$2 && shift ;;
    --out) out=$2 && shift ;;
    --python) python=$2 && shift ;;
    --micro-batch) micro_batch=$2 && shift ;;
    -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    *)
      if [[ -z ${limit[$1]:-} ]]; then
        echo "unknown argument '$1'; parts: ${all[*]} (see --help)" >&2
        exit 2
      fi
      parts+=("$1")
      ;;
  esac
  shift
done
[[ ${#parts[@]} -eq 0 ]] && parts=("${all[@]}")
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# What a part found, for the table and the JSON file. `status`: passed, failed or skipped.
declare -A status detail seconds data
finish() { status[$part]=$1 detail[$part]=$2; }
skip() { finish skipped "$1"; }
# needs FILE: is this part's program there?
needs() {
  [[ -x $1 ]] && return
  finish failed "$1 is not there: build it with cmake --preset cuda"
  return 1
}

# limited SECONDS LOG COMMAND...: its output goes to the screen and to LOG.
limited() {
  local time=$1 log=$2
  shift 2
  timeout --kill-after=5 "$time" "$@" 2>&1 | tee "$log"
  return "${PIPESTATUS[0]}"
}
# why RC LOG: the exit code in words, with what was said.
why() {
  local said
  said=$(grep '^error: ' "$2" | tail -1)
  [[ -z $said ]] && said=$(grep -v '^[[:space:]]*$' "$2" | tail -1)
  case $1 in
    124 | 137) echo "stopped at its time limit" ;;
    *) echo "exit code $1: $said" ;;
  esac
}
# fail RC LOG [WHAT]: failed, unless there is no GPU here.
fail() {
  if [[ -z $gpu ]]; then
    skip "no GPU: $(why "$1" "$2")"
  else
    finish failed "${3:+$3: }$(why "$1" "$2")"
  fi
}
# The reason why tests were skipped, if any was.
skipped_because() { grep -m 1 '^gpu test skipped: ' "$1" | cut -d: -f2- | cut -c2-; }

run_tests() {
  local program=$build/bin/gigatrain_tests log=$logs/tests rc summary skipped
  needs "$program" || return
  limited "${limit[tests]}" "$log" "$program" "[gpu]" --durations yes
  rc=$?
  # Catch2's last words: "All tests passed (N assertions in M test cases)", or a table of counts.
  summary=$(grep -E '^All tests passed|^test cases:|^assertions:' "$log" | tr -s ' ' |
    paste -sd ';' | sed 's/;/; /g')
  skipped=$(grep -c '^gpu test skipped: ' "$log")
  [[ $skipped -gt 0 ]] && summary+="; $skipped skipped: $(skipped_because "$log")"
  if [[ $rc -ne 0 ]]; then
    finish failed "${summary:-$(why $rc "$log")}"
  elif ! grep -q 'passed.*[1-9][0-9]* assertion' "$log"; then
    if [[ -z $gpu && $skipped -gt 0 ]]; then
      skip "$(skipped_because "$log")"
    else
      finish failed "not one assertion was made; ${summary:-no test has the tag [gpu]}"
    fi
  elif ! limited 30 "$log.fault" "$program" "[.fault]"; then  # it ends its process's GPU context
    finish failed "a kernel that faults is not named: $(why 1 "$log.fault")"
  else
    finish passed "$summary"
  fi
}

# Our kernels only, and small tensors: a check runs 10 to 100 times slower.
run_sanitizer() {
  local program=$build/bin/gigatrain_tests tool check log rc only found=""
  local norm="gpu: the gradient norm*" small="gpu: every op at small*"
  local -A tests=([memcheck]="$small,$norm,gpu: AdamW beside*,gpu: every op at a middle*"
    [racecheck]="$small,$norm") share=([memcheck]=40 [racecheck]=70)
  needs "$program" || return
  tool=$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer) ||
    { skip "compute-sanitizer is not installed" && return; }
  only=--kernel-regex  # its old name
  "$tool" --help 2>&1 | grep -q -e --kernel-name && only=--kernel-name
  for check in memcheck racecheck; do
    log=$logs/$check
    limited "${share[$check]}" "$log" "$tool" --tool "$check" "$only" kns=run_kernel \
      --error-exitcode 9 "$program" "${tests[$check]}"
    rc=$?
    if [[ $rc -eq 124 || $rc -eq 137 ]] && ! grep -q '^=* *\(Invalid\|Error\)' "$log"; then
      found+="${found:+; }$check: no error before its time limit"
    elif [[ $rc -ne 0 ]]; then
      fail $rc "$log" "$check"
      return
    elif grep -q '^gpu test skipped: ' "$log"; then
      skip "$(skipped_because "$log")"
      return
    else
      found+="${found:+; }$check: $(grep -E 'SUMMARY' "$log" | tail -1 | sed 's/^=* *//')"
    fi
  done
  finish passed "$found"
}

run_kernels() {
  local program=$build/bin/gigatrain json=$logs/kernels.json log=$logs/kernels rc
  needs "$program" || return
  timeout --kill-after=5 "${limit[kernels]}" "$program" bench kernels --device cuda --json \
    >"$json" 2>"$log"
  rc=$?
  cat "$log"
  if [[ $rc -ne 0 ]]; then
    fail $rc "$log"
    return
  fi
  data[kernels]=$(<"$json")
  finish passed "$(grep -o '"percent_of_limit"' "$json" | wc -l) kernels timed"
  command -v python3 >/dev/null || return
  python3 - "$json" <<'PY'
import json, sys
report = json.load(open(sys.argv[1]))
print(f"copy {report['copy_bytes_per_s'] / 1e9:.0f} GB/s, products " + ", ".join(
    f"{dtype} {rate / 1e12:.0f} TFLOP/s" for dtype, rate in report["gemm_flops"].items()))
for k in report["kernels"]:
    print(f"{k['name']:32} {k['dtype']:5} {str(k['shape']):28} {k['ms']:9.4f} ms "
          f"{k['percent_of_limit']:4.0f} % of its limit")
PY
}

# tokens_per_s LOG: the number before "tokens/s".
tokens_per_s() { grep -oE '[0-9]+ tokens/s' "$1" | tail -1 | cut -d' ' -f1; }

run_training() {
  local program=$build/bin/gigatrain log rc run dtype flags batch rows=() found=""
  needs "$program" || return
  # As it comes, with algorithms chosen by timing, and f32, exact and on tensor cores.
  for run in "bf16" "bf16 --tune" "f32" "f32 --tf32"; do
    read -r dtype flags <<<"$run"
    batch=$micro_batch log=$logs/training_${run// /}
    [[ $dtype == f32 && $batch -gt 8 ]] && batch=8
    # shellcheck disable=SC2086  # no flags, no argument
    limited $((limit[training] / 3)) "$log" "$program" bench step --model gpt2 \
      "precision.compute=$dtype" --micro-batch "$batch" --steps 12 --device cuda $flags
    rc=$?
    if [[ $rc -ne 0 ]]; then
      fail $rc "$log" "$run"
      return
    fi
    rows+=("{\"dtype\": \"$dtype\", \"flags\": \"$flags\", \"micro_batch\": $batch, \"tokens_per_s\": $(tokens_per_s "$log"),
      \"line\": $(quote "$(grep -m 1 tokens/s "$log")")}")
    found+="${found:+; }$run $(tokens_per_s "$log") tokens/s"
  done
  data[training]="[$(IFS=, && echo "${rows[*]}")]"
  finish passed "$found"
}

run_torch() {
  local log=$logs/torch rc
  command -v "$python" >/dev/null || { skip "$python is not there" && return; }
  "$python" -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else 3)' 2>/dev/null
  case $? in
    0) ;;
    3) skip "torch sees no GPU" && return ;;
    *) skip "$python has no torch" && return ;;
  esac
  limited "${limit[torch]}" "$log" "$python" benchmarks/gpu_vs_torch.py --micro-batch "$micro_batch"
  rc=$?
  # What was measured before a time limit counts.
  data[torch]="[$(grep '^{' "$log" | paste -sd ',')]"
  local found
  found=$(sed -n 's/^{.*"what": "step \([a-z]*\)".*"tokens_per_s": \([0-9]*\).*/\1 \2 tokens\/s/p' "$log" |
    paste -sd ';' | sed 's/;/; /g')
  if [[ $rc -ne 0 && -z $found ]]; then
    finish failed "$(why $rc "$log")"
  else
    finish passed "$found$([[ $rc -ne 0 ]] && echo " (the rest: $(why $rc "$log"))")"
  fi
}

# quote TEXT: as a JSON string.
quote() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "${text//[$'\t\r\n']/ }"
}

write_json() {
  local part first=1
  mkdir -p "$(dirname "$out")"
  {
    printf '{"gpu": %s,\n "commit": %s,\n "parts": {' "$(quote "$gpu")" \
      "$(quote "$(git rev-parse --short HEAD 2>/dev/null)")"
    for part in "${parts[@]}"; do
      ((first)) || printf ','
      first=0
      printf '\n  "%s": {"status": "%s", "seconds": %s, "detail": %s, "data": %s}' "$part" \
        "${status[$part]}" "${seconds[$part]}" "$(quote "${detail[$part]}")" "${data[$part]:-null}"
    done
    printf '\n }\n}\n'
  } >"$out"
}

gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null |
  head -1)
echo "GPU: ${gpu:-none that nvidia-smi sees}"
for part in "${parts[@]}"; do
  printf '\n== %s (at most %d s)\n' "$part" "${limit[$part]}"
  started=$SECONDS
  "run_$part"
  seconds[$part]=$((SECONDS - started))
done

printf '\n%-10s %-8s %5s  %s\n' part result s detail
for part in "${parts[@]}"; do
  printf '%-10s %-8s %5d  %s\n' "$part" "${status[$part]}" "${seconds[$part]}" "${detail[$part]}"
done
write_json
echo "written: $out"
[[ " ${status[*]} " == *" failed "* ]] && exit 1
[[ " ${status[*]} " == *" passed "* ]] || exit 77
