#!/usr/bin/env python3
"""Checks that the Python package has every public op, layer and optimizer of the headers.

Compared with the stubs, which scripts/make_stubs.py --check compares with the module.
Usage: scripts/check_python_coverage.py [--self-test]
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What Python has otherwise: Norm is what LayerNorm and RmsNorm share.
EXCEPT = {"nn": {"Norm"}, "ops": set(), "optim": set()}
STUBS = {"nn": "nn.pyi", "ops": "__init__.pyi", "optim": "optim.pyi"}


def ops_of(header):
    """Functions that are declared at the beginning of a line and return tensors."""
    return set(re.findall(r"^(?:Tensor|TopK|ResidualNorm|std::\w+<.*Tensor.*>) (\w+)\(", header,
                          flags=re.M))


def classes_of(header):
    return set(re.findall(r"^class (\w+)(?: final)? : public (?:\w+::)?"
                          r"(?:Layer|Norm|Function|Model|LanguageModel|Optimizer)\b", header,
                          flags=re.M))


def wanted():
    public = ROOT / "include" / "gigatrain"
    headers = {layer: [p for p in public.glob(f"{layer}/**/*.h")] for layer in STUBS}
    # composed.h defines the ops again, of simpler ones, for tests.
    ops = [ops_of(p.read_text()) for p in headers["ops"] if p.name != "composed.h"]
    out = {"ops": set().union(*ops)}
    for layer in ("nn", "optim"):
        out[layer] = set().union(*(classes_of(p.read_text()) for p in headers[layer]))
    return out


def bound(layer):
    stub = (ROOT / "python" / "gigatrain" / "_core" / STUBS[layer]).read_text()
    return set(re.findall(r"^(?:def|class) (\w+)", stub, flags=re.M))


def self_test():
    header = "Tensor add(const Tensor& a);\nTopK top_k(int k);\n  Tensor inner();\nclass A : public Layer {"
    assert ops_of(header) == {"add", "top_k"} and classes_of(header) == {"A"}
    return 0


def main():
    if "--self-test" in sys.argv[1:]:
        return self_test()
    failed = False
    for layer, names in sorted(wanted().items()):
        assert len(names) > 5, f"found only {sorted(names)} in include/gigatrain/{layer}"
        for name in sorted(names - EXCEPT[layer] - bound(layer)):
            failed = True
            print(f"{layer}::{name} has no Python binding\n"
                  "  next: bind it in python/src and run scripts/make_stubs.py")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
