#!/usr/bin/env python3
"""Writes the type stubs of the Python package from the extension module that is importable.

Usage: PYTHONPATH=build/cpu/python scripts/make_stubs.py [--check]     (pip install pybind11-stubgen)

What pybind11 cannot know is added: arguments that are tensors take parameters too, dtypes and
devices may be given by name, and methods that derived classes write have signatures of theirs. --check writes
nothing and fails when the stubs are out of date.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "python" / "gigatrain" / "_core"
HEAD = '"""Made by scripts/make_stubs.py; not edited by hand."""\n'
WIDER = {"DType": "DType | str", "Device": "Device | str", "Tensor": "Tensor | Parameter | ParameterUse"}

# Methods that Python classes write: any signature of theirs is right.
OPEN = {("Layer", "forward"), ("Model", "loss"), ("Model", "predict"), ("Optimizer", "step")}


def widen(annotation):
    """`Tensor | None` to `Tensor | Parameter | ... | None`, with any module in front."""
    if "Callable" in annotation:
        return annotation  # its arguments are tensors
    def replace(match):
        module, name = match.group(1) or "", match.group(2)
        return " | ".join(n if n == "str" else module + n for n in WIDER[name].split(" | "))
    return re.sub(r"((?:[\w.]+\.)?)\b(DType|Device|Tensor)\b(?!\.)", replace, annotation)


def widen_arguments(line):
    match = re.match(r"(\s*def \w+\()(.*)(\) -> .*)$", line)
    if not match:
        return line
    arguments = re.sub(r"(: )([^=,\[\]]*(?:\[[^\]]*\])?[^=,\[\]]*)",
                       lambda m: m.group(1) + widen(m.group(2)), match.group(2))
    arguments = re.sub(r"(?<!\| None) = None", " | None = None", arguments)  # pointers, functions
    return match.group(1) + arguments + match.group(3)


def processed(text):
    owner, lines = "", []
    for line in text.splitlines():
        owner = re.match(r"class (\w+)", line).group(1) if line.startswith("class ") else owner
        method = re.match(r"    def (\w+)\(", line)
        if method and (owner, method.group(1)) in OPEN:
            line = re.sub(r"\(.*\)( -> .*)", r"(self, *args: typing.Any, **kwargs: typing.Any)\1", line)
        lines.append(widen_arguments(line).rstrip())
    return HEAD + "\n".join(lines) + "\n"


def generated():
    """{file name: text} of the stubs."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pybind11_stubgen", "gigatrain._core", "-o", folder,
                        "--numpy-array-use-type-var"], check=True, capture_output=True)
        root = pathlib.Path(folder) / "gigatrain" / "_core"
        return {path.name: processed(path.read_text()) for path in sorted(root.glob("*.pyi"))}


def main():
    stubs = generated()
    if "--check" in sys.argv[1:]:
        old = {path.name: path.read_text() for path in FOLDER.glob("*.pyi")}
        stale = sorted(n for n in set(old) | set(stubs) if old.get(n) != stubs.get(n))
        for name in stale:
            print(f"python/gigatrain/_core/{name} is out of date: run scripts/make_stubs.py")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.pyi"):
        path.unlink()
    for name, text in stubs.items():
        (FOLDER / name).write_text(text)
    print(f"wrote {', '.join(stubs)} in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
