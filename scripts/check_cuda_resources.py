#!/usr/bin/env python3
"""Checks the machine code in libgigatrain_cuda.so: every kernel of ours, on every architecture,
without stack or local memory (a spill, or an array that is indexed at run time), and none of the
architectures missing. Prints how many kernels there are and which use the most registers.

Usage: scripts/check_cuda_resources.py LIB [--archs 80,90a,100] | --self-test
Exit code 77: cuobjdump is not there, and the check cannot be made. It is looked for beside nvcc, on
PATH, in build/cuda_parts (scripts/fetch_cuda_parts.sh) and in Python's nvidia packages.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

OURS = "9gigatrain"  # in the mangled name of everything in namespace gigatrain


def find_cuobjdump():
    root = pathlib.Path(__file__).resolve().parent.parent
    folders = [str(root / "build/cuda_parts/bin"), os.environ.get("CUDA_HOME", "") + "/bin",
               "/usr/local/cuda/bin"]
    if nvcc := shutil.which("nvcc"):
        folders.insert(0, os.path.dirname(os.path.realpath(nvcc)))
    for packages in filter(None, sys.path):
        folders += map(str, pathlib.Path(packages).glob("nvidia/*/bin"))
    beside = shutil.which("cuobjdump", path=os.pathsep.join(folders))
    return beside or shutil.which("cuobjdump")


def parse(text):
    """The output of `cuobjdump -res-usage`: ({architecture: {kernel: {"REG": 32, ...}}}, [PTX])."""
    kernels, ptx, is_ptx, arch, function = {}, [], False, None, None
    for line in text.splitlines():
        if section := re.match(r"Fatbin (elf|ptx) code", line):
            is_ptx, arch, function = section.group(1) == "ptx", None, None
        elif match := re.match(r"arch = sm_(\w+)", line):
            arch = match.group(1)
            if is_ptx:
                ptx.append(arch)
            else:
                kernels.setdefault(arch, {})
        elif match := re.match(r"\s*Function (\S+):", line):
            function = match.group(1)
        elif function and "REG:" in line:
            if OURS in function:
                usage = re.findall(r"(REG|STACK|SHARED|LOCAL):(\d+)", line)
                kernels[arch][function] = {what: int(count) for what, count in usage}
            function = None
    return kernels, ptx


def violations(kernels, ptx, wanted):
    for arch in wanted:
        if not kernels.get(arch):
            yield f"there is no machine code for sm_{arch}"
    if wanted[-1] not in ptx:
        yield f"there is no PTX of compute_{wanted[-1]}, which newer GPUs need"
    counts = {arch: len(of) for arch, of in kernels.items() if of}
    if len(set(counts.values())) > 1:
        yield f"the architectures differ in their number of kernels: {counts}"
    for arch, of in kernels.items():
        for name, usage in of.items():
            for what, why in (("STACK", "stack"), ("LOCAL", "local memory")):
                if usage.get(what, 0) > 0:
                    yield f"sm_{arch}: {usage[what]} bytes of {why} in {readable(name)}"


def readable(name):
    if not shutil.which("c++filt"):
        return name
    plain = subprocess.run(["c++filt", name], capture_output=True, text=True).stdout.strip()
    inner = re.search(r"run_kernel<(.*)>\(", plain)
    plain = inner.group(1) if inner else plain
    return plain.replace("gigatrain::kernels::cuda::", "").replace("gigatrain::", "").strip()


def report(kernels, ptx):
    for arch, of in sorted(kernels.items()):
        if not of:
            continue
        most = sorted(of, key=lambda name: -of[name]["REG"])[:3]
        listed = ", ".join(f"{of[name]['REG']} {readable(name)}" for name in most)
        print(f"sm_{arch}: {len(of)} kernels; most registers: {listed}")
    print(f"PTX: {', '.join('compute_' + arch for arch in ptx) or 'none'}")


def check(library, wanted):
    tool = find_cuobjdump()
    if not tool:
        print("skipped: cuobjdump is not installed (scripts/fetch_cuda_parts.sh)")
        return 77
    if not os.path.exists(library):
        print(f"{library} is not there: build it with `cmake --preset cuda`")
        return 1
    dump = subprocess.run([tool, "-res-usage", library], capture_output=True, text=True)
    if dump.returncode != 0:
        print(f"{tool} -res-usage {library} failed: {dump.stderr.strip()}")
        return 1
    kernels, ptx = parse(dump.stdout)
    report(kernels, ptx)
    bad = list(violations(kernels, ptx, wanted))
    print("\n".join(bad) or "cuda resources: ok")
    return 1 if bad else 0


def self_test():
    def section(arch, *functions, kind="elf"):
        lines = [f"Fatbin {kind} code:", "================", f"arch = sm_{arch}", "host = linux"]
        for name, usage in functions:
            lines += [f" Function {name}:", f"  {usage} CONSTANT[0]:936 TEXTURE:0"]
        return "\n".join(lines) + "\n\n"

    good = ("_ZN9gigatrain7kernels4cuda10run_kernelINS1_3AddEEEvT_",
            "REG:32 STACK:0 SHARED:2048 LOCAL:0")
    theirs = ("_ZN6cublas4gemmEv", "REG:255 STACK:64 SHARED:0 LOCAL:0")
    stack = ("_ZN9gigatrain3SubE", "REG:40 STACK:128 SHARED:0 LOCAL:0")
    spill = ("_ZN9gigatrain3MulE", "REG:255 STACK:0 SHARED:0 LOCAL:16")
    ptx = section("100", kind="ptx")
    archs = ["80", "90a", "100"]
    fine = "".join(section(arch, good, theirs) for arch in archs)
    cases = [
        (fine + ptx, []),
        (fine, ["no PTX of compute_100"]),
        (section("80", good) + section("100", good) + ptx, ["no machine code for sm_90a"]),
        (fine + section("90a", stack) + ptx, ["differ in their number", "sm_90a: 128 bytes of stack"]),
        ("".join(section(arch, good, spill) for arch in archs) + ptx,
         [f"sm_{arch}: 16 bytes of local memory" for arch in archs]),
        ("", ["sm_80", "sm_90a", "sm_100", "no PTX"]),
    ]
    for text, expected in cases:
        found = list(violations(*parse(text), archs))
        assert len(found) == len(expected), (found, expected)
        assert all(part in line for part, line in zip(expected, found)), (found, expected)
    kernels, _ = parse(fine)
    assert kernels["90a"][good[0]] == {"REG": 32, "STACK": 0, "SHARED": 2048, "LOCAL": 0}
    assert theirs[0] not in kernels["90a"]
    print("self-test: ok")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("library", nargs="?")
    parser.add_argument("--archs", default="80,90a,100", help="the last one with PTX too")
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    if not args.library:
        parser.error("give the path of libgigatrain_cuda.so")
    return check(args.library, args.archs.split(","))


if __name__ == "__main__":
    sys.exit(main())
