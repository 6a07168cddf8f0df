#!/usr/bin/env bash
# From a fresh Debian 12 to a transformer that writes: installs what is missing (root or sudo),
# builds, makes a corpus of real text, trains for about two minutes, and lets the model write.
# Run it again at any time: what is done already is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh

started=$SECONDS
gigatrain=build/cpu/bin/gigatrain
corpus=data/bible/bible.txt
log=build/quickstart.log

stage() { printf '[%3d s] %s\n' $((SECONDS - started)) "$1"; }

# quietly <next thing to do> <command>...: shows the end of the output only on failure.
quietly() {
  local next=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    printf '\nfailed: %s\nfull output: %s\nnext: %s\n' "$*" "$log" "$next" >&2
    exit 1
  fi
}

# One verse a line, without its label, and an empty line between chapters: text that flows.
make_corpus() {
  mkdir -p "$(dirname "$corpus")"
  bible -f Gen1:1-Rev22:21 | awk '
    { chapter = $1; sub(/:.*/, "", chapter); sub(/^[^ ]+ +/, "") }
    chapter != last && NR > 1 { print "" }
    { last = chapter; print }' >"$corpus.tmp"
  mv "$corpus.tmp" "$corpus"
}

mkdir -p build
stage "installing what is missing: compiler, libraries, and a text to learn from"
install_packages g++ cmake ninja-build libcli11-dev libtomlplusplus-dev nlohmann-json3-dev \
  libfmt-dev libxxhash-dev libssl-dev bible-kjv

stage "building the gigatrain command"
quietly "remove build/cpu and run this again" cmake --preset cpu
quietly "remove build/cpu and run this again" cmake --build --preset cpu --target gigatrain_tool

if [[ ! -s data/bible/train.bin ]]; then
  stage "making a corpus: the King James Bible, 4 MB of English"
  make_corpus
  quietly "remove data/bible and run this again" "$gigatrain" data tokenize --tokenizer byte \
    --input "$corpus" --output data/bible --val-fraction 0.1
fi

stage "training (Ctrl-C saves a checkpoint; run this again to continue)"
status=0
"$gigatrain" --ranks 2 train examples/recipes/bible.toml || status=$?
if [[ $status -eq 75 ]]; then
  stage "stopped, and saved: run ./scripts/quickstart.sh again to continue"
fi
[[ $status -eq 0 ]] || exit "$status"

stage "the model writes:"
"$gigatrain" generate runs/bible --prompt "And it came to pass" --max-tokens 400

# digest_on <ranks>: of the state after a short run
digest_on() {
  "$gigatrain" --ranks "$1" --json train examples/recipes/bible.toml run.name="bits_$1" --overwrite \
    train.steps=40 schedule.warmup=10 train.eval_every=0 train.sample_every=0 checkpoint.every=0 |
    sed -n 's/.*"digest":"\([0-9a-f]*\)".*/\1/p'
}
stage "the same 40 steps on 1, 2 and 4 ranks: state digests"
for ranks in 1 2 4; do
  digest=$(digest_on "$ranks")
  printf '  --ranks %d   %s\n' "$ranks" "$digest"
  if [[ -z $digest || $digest != "${first:=$digest}" ]]; then
    printf 'failed: the digests differ\nnext: please report it\n' >&2
    exit 1
  fi
done

stage "done. What to do next:"
cat <<'NEXT'
  build/cpu/bin/gigatrain generate runs/bible --prompt "In the beginning"     let it write more
  build/cpu/bin/gigatrain data tokenize --tokenizer byte --input FILES --output data/mine
                                                                              use your own text
  build/cpu/bin/gigatrain train examples/recipes/bible.toml run.name=mine data.train=data/mine/train.bin \
      data.val=data/mine/val.bin train.steps=3000                             and train on it
  build/cpu/bin/gigatrain report runs/bible                                   its curves, as one page
NEXT
