#!/usr/bin/env bash
# Puts the headers of cuDNN's front end (PyPI: nvidia-cudnn-frontend) into build/cudnn_frontend, where
# the CUDA build looks for them. Without them attention on a GPU uses our own, slower kernel.
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.32.0
folder=build/cudnn_frontend
[[ -f $folder/include/cudnn_frontend.h ]] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! python3 -m pip download --quiet --no-deps --disable-pip-version-check -d "$work" \
  "nvidia-cudnn-frontend==$version" >"$work/log" 2>&1; then
  tail -n 3 "$work/log" >&2
  echo "cannot download nvidia-cudnn-frontend $version from PyPI" >&2
  echo "next: set CUDNN_FRONTEND_PATH to a folder with cudnn_frontend.h, or build without it" >&2
  exit 1
fi
python3 - "$work" "$folder" <<'PY'
import glob, pathlib, sys, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
target = pathlib.Path(sys.argv[2])
names = [n for n in wheel.namelist() if n.startswith("include/") or "/include/" in n]
for name in names:
    if name.endswith("/"):
        continue
    path = target / "include" / name.split("include/", 1)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wheel.read(name))
PY
[[ -f $folder/include/cudnn_frontend.h ]] || { echo "the wheel has no cudnn_frontend.h" >&2; exit 1; }
echo "cuDNN front end $version is in $folder"
