#!/usr/bin/env bash
# The two small data sets that examples learn from, out of scikit-learn's package (nothing is installed):
#   data/digits.csv         1,797 images of digits, 8 x 8 values from 0 to 16, then the digit
#   data/breast_cancer.csv  569 tumours, 30 measurements, then 0 (malignant) or 1 (benign)
# Needs Python with pip or venv, and a package index. What is there already is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ -s data/digits.csv && -s data/breast_cancer.csv ]] && exit 0

wheel=$(mktemp -d)
trap 'rm -rf "$wheel"' EXIT
python=python3
if ! python3 -m pip --version >/dev/null 2>&1; then  # Debian's has none of its own
  python3 -m venv "$wheel/venv"
  python=$wheel/venv/bin/python
fi
if ! "$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: \
  --dest "$wheel" scikit-learn; then
  echo "could not download scikit-learn, which holds the data sets" >&2
  echo "next: check the network, or pip's index (pip config list), and run this again" >&2
  exit 1
fi
mkdir -p data
python3 - "$wheel"/*.whl <<'PYTHON'
import gzip, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
digits = gzip.decompress(wheel.read("sklearn/datasets/data/digits.csv.gz"))
open("data/digits.csv", "wb").write(digits)
cancer = wheel.read("sklearn/datasets/data/breast_cancer.csv").split(b"\n", 1)[1]  # without its title
open("data/breast_cancer.csv", "wb").write(cancer)
PYTHON
wc -l data/digits.csv data/breast_cancer.csv
