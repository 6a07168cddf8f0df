#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh environment outside the source tree, and runs its tests
# there. Usage: scripts/test_python.sh [JUNIT_FILE] [pip option]...
#   scripts/test_python.sh                                              # without the CUDA part
#   scripts/test_python.sh build/python.xml -Ccmake.define.GIGATRAIN_CUDA=ON
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

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q "${wheel}[test]"
cp -r python/tests "$work/tests"
cd "$work"
# The stubs belong to the sources; what is installed is what they describe.
env/bin/python "$OLDPWD/scripts/make_stubs.py" --check
env/bin/python -m pytest tests -q -p no:cacheprovider --junitxml="$junit"
