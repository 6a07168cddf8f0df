#!/usr/bin/env python3
"""Writes the pages of the C++ reference, one a layer, one section a public header.

    docs/api_pages.py OUTPUT_FOLDER
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADERS = ROOT / "include/gigatrain"
LAYERS = {
    "ops": "Operations",
    "tensor": "Tensors, tape, parameters",
    "nn": "Layers and models",
    "optim": "Optimizers",
    "train": "Training",
    "parallel": "The gradient tree",
    "collectives": "Communicators and meshes of ranks",
    "runtime": "Devices and memory",
    "base": "Basics",
}
SECTIONS = ("innernamespace innerclass briefdescription detaileddescription func public-func "
            "public-attrib public-static-func public-type enum typedef var")


def introduction(header):
    """The comment that opens a header: prose, lists, and indented formulas or examples as they are."""
    out, inside = [], False
    for line in header.read_text().splitlines():
        if not line.startswith("//"):
            break
        line = line[3:]
        verbatim = line.startswith("  ") and not line.lstrip().startswith("- ")
        if verbatim != inside:
            out += ["```", ""] if inside else ["", "```text"]
            inside = verbatim
        out.append(line)
    return "\n".join(out + (["```"] if inside else []))


def section(header):
    return (f"## {header.stem}\n\n`#include \"gigatrain/{header.relative_to(HEADERS)}\"`\n\n"
            f"{introduction(header)}\n\n"
            f"```{{doxygenfile}} {header.name}\n:sections: {SECTIONS}\n```\n")


def main():
    out = pathlib.Path(sys.argv[1])
    (out / "cpp").mkdir(parents=True, exist_ok=True)
    for layer, title in LAYERS.items():
        headers = sorted((HEADERS / layer).rglob("*.h"))
        text = f"# {title}\n\n" + "\n".join(section(h) for h in headers)
        (out / "cpp" / f"{layer}.md").write_text(text)
    names = "\n".join(f"cpp/{layer}" for layer in LAYERS)
    (out / "cpp.md").write_text(
        "# C++ reference\n\nEverything is in namespace `gigatrain` (alias `gt`). "
        "`gigatrain/gigatrain.h` includes it all.\n\n"
        f"```{{toctree}}\n:maxdepth: 2\n{names}\n```\n")


if __name__ == "__main__":
    main()
