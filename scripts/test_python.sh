#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh environment outside the source tree, and runs its tests
# there. Usage: scripts/test_python.sh [JUNIT_FILE] [pip option]...
#   scripts/test_python.sh                                              # without the CUDA part
#   scripts/test_python.sh build/python.xml -Ccmake.define.GIGATRAIN_CUDA=ON
# GIGATRAIN_PYTHON_ENV: where to make that environment, to be kept; by default it is temporary.
# The tools that build it live in build/python/tools, so that a second run compiles only what changed.
set -euo pipefail
cd "$(dirname "$0")/.."
junit=$PWD/build/python/pytest.xml
if [[ $# -gt 0 ]]; then
  junit=$(realpath -m "$1")
  shift
fi
[[ $# -gt 0 ]] || set -- -Ccmake.define.GIGATRAIN_CUDA=OFF
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p build/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

started=$SECONDS
[[ -x build/python/tools/bin/pip ]] || python3 -m venv build/python/tools
build/python/tools/bin/pip install -q 'scikit-build-core>=0.11' 'pybind11>=3.0'
build/python/tools/bin/pip wheel -q . --no-deps --no-build-isolation -w "$work/dist" "$@"
wheel=$(echo "$work"/dist/*.whl)
echo "wheel: $(basename "$wheel"), $(($(stat -c %s "$wheel") / 1024)) KiB, built in $((SECONDS - started)) s"

env=${GIGATRAIN_PYTHON_ENV:-$work/env}
python3 -m venv "$env"
"$env/bin/pip" install -q "${wheel}[test]" scikit-learn  # which brings the examples' data
cp -r python/tests examples/python "$work"
export GIGATRAIN_EXAMPLES=$work/python
cd "$work"
status=0
# The stubs belong to the sources; what is installed is what they describe.
"$env/bin/python" "$OLDPWD/scripts/make_stubs.py" --check || status=1
"$env/bin/python" -m pytest tests -q -p no:cacheprovider --junitxml="$junit" || status=1
exit $status
