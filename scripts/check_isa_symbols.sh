#!/bin/sh
# The objects compiled with wide vector instructions must define nothing that the linker could take
# for the rest of the library: every symbol they define has the name of their class in it. An inline
# function of a shared header that was not inlined would show here as a weak symbol without it.
#
#   scripts/check_isa_symbols.sh BUILD_DIR
set -eu
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
  echo "usage: $0 BUILD_DIR (a folder that cmake built in)" >&2
  exit 2
fi
bad=0
for class in avx2 avx512; do
  objects=$(find "$1" -path "*gt_kernels_$class*" -name '*.o')
  if [ -z "$objects" ]; then
    case $(uname -m) in x86_64|amd64) ;; *) continue ;; esac  # other machines have no such class
    echo "no objects of class $class under $1: build there first" >&2
    exit 2
  fi
  for object in $objects; do
    # Global and weak symbols have capital letters (and u). What the compilers add for exceptions has
    # no vector code in it.
    leaks=$(nm -C --defined-only "$object" | grep -E '^[0-9a-f]* [A-TV-Zu] ' |
      grep -v "kernels::$class::" | grep -v -e 'DW.ref.__gxx_personality_v0' -e '__clang_call_terminate' || true)
    if [ -n "$leaks" ]; then
      printf '%s defines symbols outside gigatrain::kernels::%s:\n%s\n' "$object" "$class" "$leaks"
      bad=1
    fi
  done
done
[ $bad -eq 0 ] && echo "isa symbols: ok"
exit $bad
