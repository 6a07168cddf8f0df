#!/usr/bin/env python3
"""The same training step of GPT-2 124M from a Python loop and from C++, in turns.

    benchmarks/python_vs_cpp.py [--build build/cpu] [--compute f32|bf16] [--steps 3] [--rounds 3]
                                [--seq-len 256] [--micro-batch 1]

Runs `gigatrain bench step` (C++) and this file's own loop one after the other, `rounds` times, each in a
process of its own, and prints the medians of their steps and the ratio. Needs gigatrain installed, or
PYTHONPATH=build/cpu/python.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time

import numpy as np


def python_step(args):
    import gigatrain as gt

    model = gt.nn.gpt(gt.nn.GptConfig(n_positions=max(args.seq_len, 1024)))
    gt.nn.materialize(model, "cpu", compute=args.compute)
    adamw = gt.optim.AdamW(model)
    count = args.micro_batch * args.seq_len
    ids = np.arange(count, dtype=np.int64) * 7919 % 50257
    tokens = gt.from_numpy(ids.astype(np.int32).reshape(args.micro_batch, args.seq_len))
    seconds = []
    for step in range(args.steps + 1):
        start = time.perf_counter()
        with gt.nn.BatchContext(training=True, step=step):
            loss = model.loss(tokens, tokens, 1 / count)
        loss.backward()
        gt.collect_gradients(model)
        adamw.step(step=step + 1, lr=1e-4, clip=gt.optim.clip(model, 1.0))
        loss.item()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])  # the first step allocates


def cpp_step(args):
    out = subprocess.run([f"{args.build}/bin/gigatrain", "bench", "step", "--model", "gpt2", "--device",
                          "cpu", "--json", "--steps", str(args.steps), "--micro-batch",
                          str(args.micro_batch), f"train.seq_len={args.seq_len}",
                          f"precision.compute={args.compute}"],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)["ms"] / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build/cpu")
    parser.add_argument("--compute", default="f32")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--micro-batch", type=int, default=1)
    parser.add_argument("--once", action="store_true", help="one Python round, its seconds alone")
    args = parser.parse_args()
    if args.once:
        return print(python_step(args))
    ours, theirs = [], []
    for _ in range(args.rounds):
        theirs.append(cpp_step(args))
        out = subprocess.run([sys.executable, *sys.argv, "--once"], check=True, capture_output=True,
                             text=True).stdout
        ours.append(float(out))
        print(f"C++ {theirs[-1] * 1e3:.1f} ms, Python {ours[-1] * 1e3:.1f} ms")
    python, cpp = min(ours), min(theirs)
    print(f"GPT-2 124M, {args.compute}, {args.micro_batch} x {args.seq_len}: Python's best round "
          f"{python * 1e3:.1f} ms a step, C++'s {cpp * 1e3:.1f} ms: ratio {python / cpp:.4f}")


if __name__ == "__main__":
    main()
