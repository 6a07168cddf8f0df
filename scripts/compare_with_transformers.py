#!/usr/bin/env python3
"""Opens a Hugging Face folder that gigatrain wrote with transformers, and prints its loss.

The loss is the mean cross-entropy (nats) of each token given those before it, in f32.
Usage: compare_with_transformers.py FOLDER TOKEN TOKEN... [--expect LOSS [--tolerance 1e-5]] [--at-most LOSS]
With --expect it fails unless the loss is within the relative tolerance, with --at-most if above.
Needs: pip install torch transformers
"""
import argparse
import sys

import torch
from transformers import AutoModelForCausalLM


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("tokens", type=int, nargs="+")
    parser.add_argument("--expect", type=float)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--at-most", type=float, default=float("inf"))
    options = parser.parse_intermixed_args()

    model, report = AutoModelForCausalLM.from_pretrained(options.folder, dtype=torch.float32,
                                                         output_loading_info=True)
    left_over = {key: names for key, names in report.items() if names}
    if left_over:
        sys.exit(f"the folder does not match the model: {left_over}")
    tokens = torch.tensor([options.tokens])
    with torch.no_grad():
        logits = model.eval()(tokens).logits[0, :-1].double()
    loss = torch.nn.functional.cross_entropy(logits, tokens[0, 1:]).item()
    print(f"loss {loss:.8f}")
    if options.expect is not None and abs(loss - options.expect) > options.tolerance * abs(loss):
        sys.exit(f"expected {options.expect:.8f}")
    if not loss <= options.at_most:
        sys.exit(f"expected at most {options.at_most:.8f}")


if __name__ == "__main__":
    main()
