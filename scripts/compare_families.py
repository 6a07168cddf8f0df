#!/usr/bin/env python3
"""Compares gigatrain with transformers on random models of every family, wider than tests/data's.

For each model of reference_families.py: logits, loss and all gradients within 1e-5 relative norm a
tensor (in C++, tests/train/hugging_face_test.cpp); `gigatrain export` of the folder gives the same
bytes in bf16, f16 and f32; transformers opens what was exported and computes the same logits.
Usage: compare_families.py [--build build/cpu]
Needs: pip install torch transformers
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import reference_families

SIZES = dict(vocab_size=301, hidden_size=96, intermediate_size=200, num_attention_heads=6,
             num_key_value_heads=2)
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}


def logits(folder, dtype=torch.float32):
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype,
                                                         output_loading_info=True)
    left_over = {key: names for key, names in report.items() if names}
    assert not left_over, f"{folder} does not match the model: {left_over}"
    tokens = torch.arange(40).reshape(1, 40) * 7 % model.config.vocab_size
    with torch.no_grad():
        return model.eval()(tokens).logits


def check_export(command, folder, dtype, work):
    """The folder in `dtype`, exported as it is and through its own dtype's name."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[dtype])
    source, out = work / f"{folder.name}_{dtype}", work / f"{folder.name}_{dtype}_out"
    model.save_pretrained(source)
    subprocess.run([command, "--quiet", "export", source, out], check=True)
    ours, theirs = load_file(out / "model.safetensors"), load_file(source / "model.safetensors")
    assert ours.keys() == theirs.keys(), f"{out}: other tensors"
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype == DTYPES[dtype], name
        assert torch.equal(ours[name].view(torch.uint8), theirs[name].view(torch.uint8)), name
    assert torch.equal(logits(source), logits(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/cpu"))
    options = parser.parse_args()
    binaries = options.build.resolve() / "bin"
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        for family, (model_type, own) in reference_families.FAMILIES.items():
            sizes = {key: value for key, value in SIZES.items() if key not in own}
            reference_families.write(work / "models" / family, family, sizes, samples=3, length=50)
        subprocess.run([binaries / "gigatrain_tests", "[.reference_folders]"], check=True,
                       env=os.environ | {"GIGATRAIN_REFERENCE": str(work / "models")})
        for folder in sorted((work / "models").iterdir()):
            for dtype in DTYPES:
                check_export(binaries / "gigatrain", folder, dtype, work)
            print(f"{folder.name}: the same bytes in {', '.join(DTYPES)}; transformers agrees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
