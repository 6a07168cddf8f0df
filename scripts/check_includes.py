#!/usr/bin/env python3
"""Checks the one-way rule of docs/design.md: includes point downward only.

base < runtime < {kernels, collectives} < tensor < ops < {nn, optim} < parallel < train < trust.
Also: vendor headers only in sources of runtime, kernels and collectives; other libraries' headers
never in public headers; nn and optim name no ranks, meshes, communicators or streams.
Usage: scripts/check_includes.py [--self-test]
"""
import pathlib
import re
import sys
import tempfile

LEVEL = {"base": 0, "runtime": 1, "kernels": 2, "collectives": 2, "tensor": 3, "ops": 4, "nn": 5,
         "optim": 5, "parallel": 6, "train": 7, "trust": 8}
VENDOR = re.compile(r"cuda|cublas|cudnn|cub/|nccl|mpi\.h|dnnl|oneapi/|nvml|nvtx")
THIRD_PARTY = re.compile(r"fmt/|nlohmann/|toml|openssl/|xxhash|CLI/|sodium|pcre2|hwloc")
DISTRIBUTED = re.compile(r"\b(ranks?|DeviceMesh|mesh|[Cc]ommunicator|[Ss]tream)\b")


def without_comments(text):
    keep_lines = lambda m: "\n" * m.group().count("\n")
    return re.sub(r"//[^\n]*|/\*.*?\*/", keep_lines, text, flags=re.S)


def violations_of(path, text):
    """Yields (line number, what is wrong) for the file `path`, relative to the repository."""
    public = path.parts[0] == "include"
    layer = path.parts[2 if public else 1]
    if layer not in LEVEL:
        return  # gigatrain.h and version.h belong to no layer
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*[<"]([^>"]+)', line)
        if include:
            name = include.group(1)
            other = re.sub(r"^gigatrain/", "", name).split("/")[0]
            if "/" in name and other in LEVEL and other != layer and LEVEL[other] >= LEVEL[layer]:
                yield number, f"{layer} must not include {other} ({name})"
            if VENDOR.match(name) and (layer not in ("runtime", "kernels", "collectives")
                                       or path.suffix not in (".cpp", ".cu")):
                yield number, f"vendor header {name} outside a source of the device layers"
            if public and THIRD_PARTY.match(name):
                yield number, f"public header includes {name}"
        # A tensor's own queue may be handed work; nothing else about streams belongs here.
        line = line.replace(".stream().submit(", "")
        if layer in ("nn", "optim") and (word := DISTRIBUTED.search(line)):
            yield number, f"{layer} must not mention '{word.group()}'"


def check(root):
    count = 0
    for folder in ("include/gigatrain", "src"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cuh", ".cpp", ".cu") or not path.is_file():
                continue
            relative = path.relative_to(root)
            for number, what in violations_of(relative, path.read_text()):
                print(f"{relative}:{number}: {what}")
                count += 1
    return count


SELF_TEST = {  # file: number of violations that must be found
    "include/gigatrain/base/a.h": ('#include "gigatrain/runtime/b.h"\n#include <fmt/core.h>\n', 2),
    "include/gigatrain/version.h": ("// no layer\n", 0),
    "src/kernels/a.cpp": ('#include "gigatrain/collectives/c.h"\n#include <cuda_runtime.h>\n', 1),
    "src/collectives/a.h": ('#include <mpi.h>\n#include "kernels/k.h"\n', 2),
    "src/nn/a.cpp": ('// a comment may say stream\n#include "gigatrain/ops/ops.h"\nint rank = 0;\n', 1),
    "src/optim/a.cpp": ('#include "gigatrain/nn/layer.h"\nint /* mesh */ frank;\nx.stream().submit(k);\nx.stream();\n', 2),
    "src/train/a.cpp": ('#include <fmt/core.h>\n#include "gigatrain/parallel/p.h"\n', 0),
    "src/tensor/a.cpp": ('#include <dnnl.h>\n#include "train/t.h"\n#include "tensor/own.h"\n', 2),
}


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, (text, _) in SELF_TEST.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        found = check(root)
    for name, (text, want) in SELF_TEST.items():
        got = len(list(violations_of(pathlib.Path(name), text)))
        if got != want:
            print(f"self-test: {name}: expected {want} violations, got {got}")
            return 1
    return 0 if found == sum(want for _, want in SELF_TEST.values()) else 1


if __name__ == "__main__":
    if "--self-test" in sys.argv:
        sys.exit(self_test())
    sys.exit(1 if check(pathlib.Path(__file__).resolve().parent.parent) else 0)
