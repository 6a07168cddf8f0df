#!/usr/bin/env bash
# The Python tests under AddressSanitizer and UndefinedBehaviorSanitizer: lifetimes of arrays, tensors,
# layers and callbacks on both sides of the border. Leaks are not looked for here, since the interpreter
# keeps much until the end; test_package.py counts them over 10,000 steps.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ -x build/python/tools/bin/pip ]] || python3 -m venv build/python/tools
build/python/tools/bin/pip install -q 'pybind11>=3.0' numpy ml_dtypes pytest
python=$PWD/build/python/tools/bin/python

export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
cmake --preset asan -DGIGATRAIN_PYTHON=ON -DPython_EXECUTABLE="$python" \
  -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)"
cmake --build --preset asan -j "${GIGATRAIN_JOBS:-$(nproc)}" --target gigatrain_python
# libstdc++ too, or the sanitizer finds no exceptions to intercept.
preload="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)"
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
cd build/asan
env LD_PRELOAD="$preload" PYTHONPATH="$PWD/python" PYTHONDONTWRITEBYTECODE=1 "$python" -m pytest \
  ../../python/tests -q -p no:cacheprovider --junitxml="$PWD/python.xml" \
  -k 'not leak and not import_is_quick and not type_checkers' "$@"
