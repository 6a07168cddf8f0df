#!/usr/bin/env python3
"""transformers opens the newest checkpoint of a run that is still training, and gives its evaluation loss.

Trains a small model on the text of this repository's documentation, waits for a checkpoint of a step that
was evaluated, and computes the loss of the same held-out windows with the checkpoint as transformers
loads it, while training goes on.
Usage: check_open_while_training.py GIGATRAIN [--ranks N]
Needs: pip install torch transformers
"""
import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from transformers import AutoModelForCausalLM

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
SEQ_LEN = 64
CONFIG = """
[run]
name = "run"
dir = "{0}"
[model]
n_layer = 2
n_head = 4
n_embd = 64
dropout = 0.1
[data]
train = "{0}/train.bin"
val = "{0}/val.bin"
[train]
steps = 1000000
seq_len = {1}
global_batch = 8
micro_batch = 2
eval_every = 40
eval_batches = 0
[checkpoint]
every = 40
keep = 500
"""


def tokens_of(path):
    """Of a shard: 256 header integers, then 16-bit tokens."""
    header = numpy.fromfile(path, dtype="<i4", count=256)
    return numpy.fromfile(path, dtype="<u2", offset=1024, count=header[2]).astype(numpy.int64)


def loss_of(folder, tokens):
    """Mean cross-entropy (nats) of each held-out token, in windows of SEQ_LEN, in f32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for begin in range(0, len(tokens) - 1, SEQ_LEN):
            window = torch.tensor(tokens[begin:begin + SEQ_LEN + 1])[None]
            logits = model(window[:, :-1]).logits[0].double()
            total += torch.nn.functional.cross_entropy(logits, window[0, 1:], reduction="sum").item()
            count += window.shape[1] - 1
    return total / count


def saved_and_evaluated(path):
    """The newest checkpoint of an evaluated step, and the loss that the run gave."""
    if not path.exists():
        return None
    lines = [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    losses = {line["step"]: line["loss"] for line in lines if line["kind"] == "eval"}
    found = [line for line in lines if line["kind"] == "ckpt" and line["step"] in losses]
    return (found[-1]["path"], losses[found[-1]["step"]]) if len(found) >= 3 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gigatrain")
    parser.add_argument("--ranks", default="1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, document in (("train", "reference.md"), ("val", "index.md")):
            text = pathlib.Path(folder) / f"{name}.txt"
            text.write_text((DOCS / document).read_text())
            subprocess.run([options.gigatrain, "--quiet", "data", "tokenize", "--tokenizer", "byte", "--input",
                            str(text), "--output", folder], check=True)
        config = pathlib.Path(folder) / "config.toml"
        config.write_text(CONFIG.format(folder, SEQ_LEN))
        run = subprocess.Popen([options.gigatrain, "--quiet", "--ranks", options.ranks, "train", str(config)])
        try:
            deadline = time.monotonic() + 120
            while (newest := saved_and_evaluated(pathlib.Path(folder) / "run/metrics.jsonl")) is None:
                if run.poll() is not None or time.monotonic() > deadline:
                    sys.exit("the run made no checkpoint")
                time.sleep(0.05)
            path, expected = newest
            loss = loss_of(path, tokens_of(f"{folder}/val.bin"))
            if run.poll() is not None:
                sys.exit(f"the run ended with code {run.returncode} before its checkpoint was read")
        finally:
            run.send_signal(signal.SIGTERM)
            code = run.wait(timeout=60)
        print(f"{pathlib.Path(path).name}: the run's evaluation loss {expected:.8f}, transformers {loss:.8f}")
        if abs(loss - expected) > 1e-5 * abs(expected):
            sys.exit("they differ")
        if code != 75:
            sys.exit(f"a run that is asked to stop must end with code 75, not {code}")


if __name__ == "__main__":
    main()
