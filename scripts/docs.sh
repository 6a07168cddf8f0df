#!/usr/bin/env bash
# Builds the documentation site into build/docs/html: Doxygen reads the public headers, Sphinx the pages
# and the docstrings of the installed Python package. Warnings are errors.
# Usage: scripts/docs.sh --python EXE    EXE: an interpreter with `gigatrain` installed
# Installs what is missing: doxygen (Debian); Sphinx, Breathe, MyST and Furo into that environment.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh

python=${2:-}
if [[ ${1:-} != --python || -z $python ]] || ! (cd / && "$python" -c "import gigatrain"); then
  echo "usage: scripts/docs.sh --python EXE, an interpreter with gigatrain installed" >&2
  echo "next: python3 -m venv build/env && build/env/bin/pip install . &&" \
    "scripts/docs.sh --python build/env/bin/python" >&2
  exit 2
fi

install_packages doxygen
mkdir -p build/docs/doxygen
"$python" -m pip install -q --disable-pip-version-check sphinx breathe myst-parser furo
doxygen docs/Doxyfile
rm -rf build/docs/source
cp -r docs build/docs/source
python3 docs/api_pages.py build/docs/source/api
"$python" -m sphinx -W --keep-going -q -b html build/docs/source build/docs/html
echo "documentation: build/docs/html/index.html"
