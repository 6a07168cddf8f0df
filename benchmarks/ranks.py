"""What thread ranks cost and gain: GPT-2 124M on a CPU, all ways in turns, medians of the steps.

    python3 benchmarks/ranks.py [--gigatrain build/cpu/bin/gigatrain] [--rounds 2] [--steps 4]
                                [--seq-len 1024] [--leaves 8] [--compute bf16] [--cores 2]
                                [--only "ZeRO 1"]

One rank with every core is the reference; then as many ranks with one core each, at every stage of
ZeRO, and with train.numerics = "fast", whose ranks add all their leaves in one buffer: the price of
the gradient tree. Wait: the longest of a rank, for others and for data. Exposed: of it, after the
last rank had called, so while data moved; the rest is that ranks were not equally quick. Every
deterministic way must end with one state digest. Tokens are random; the first step is not counted.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import tempfile
from array import array

VOCABULARY = 50257


def write_tokens(path, count=400_000):
    random.seed(1)
    ids = array("H", (int(VOCABULARY * random.random() ** 3) for _ in range(count)))
    header = [20240520, 1, count] + [0] * 253
    with open(path, "wb") as f:
        f.write(struct.pack("<256i", *header) + ids.tobytes())


def config(folder, a):
    return f"""
[run]
dir = "{folder}/runs"
[model]
kind = "gpt"
n_layer = 12
n_head = 12
n_embd = 768
vocab_size = {VOCABULARY}
[data]
train = "{folder}/train.bin"
tokenizer = "none"
[train]
steps = {a.steps + 1}
seq_len = {a.seq_len}
global_batch = {a.leaves}
micro_batch = 1
leaves = {a.leaves}
eval_every = 0
sample_every = 0
[precision]
compute = "{a.compute}"
[checkpoint]
every = 0
[log]
every = 1
"""


def run(a, folder, ranks, *overrides):
    """The steps' times, waits and exposed waits in ms, a rank's peak of memory, the last digest."""
    command = [a.gigatrain, "--ranks", str(ranks), "--json", "train", f"{folder}/c.toml",
               "run.name=r", "--overwrite", *overrides]
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    steps = [e for e in map(json.loads, open(f"{folder}/runs/r/metrics.jsonl"))
             if e["kind"] == "step" and e["step"] > 1]
    waits, exposed = ([max((r[name] for r in e.get("ranks", [])), default=0.0) for e in steps]
                      for name in ("wait_ms", "exposed_ms"))
    shutil.rmtree(f"{folder}/runs/r")
    return [e["step_ms"] for e in steps], waits, exposed, steps[-1]["mem_bytes"], out["digest"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--gigatrain", default="build/cpu/bin/gigatrain")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--steps", type=int, default=4)
    p.add_argument("--seq-len", type=int, default=1024)
    p.add_argument("--leaves", type=int, default=8)
    p.add_argument("--compute", default="bf16")
    p.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--only", default="", help="ways whose name has this; the first is the reference")
    a = p.parse_args()
    ways = {f"1 rank, {a.cores} threads": (1,)}
    for zero in range(4):
        ways[f"{a.cores} ranks, ZeRO {zero}"] = (a.cores, f"parallel.zero={zero}")
    ways[f"{a.cores} ranks, ZeRO 1, fast"] = (a.cores, "parallel.zero=1", "train.numerics=fast")
    ways = {name: way for name, way in ways.items() if a.only in name}
    if not ways:
        p.error(f"--only {a.only!r}: no way has it in its name")
    times, waits, exposed, memory, digests = ({name: [] for name in ways} for _ in range(5))
    with tempfile.TemporaryDirectory() as folder:
        write_tokens(f"{folder}/train.bin")
        with open(f"{folder}/c.toml", "w") as f:
            f.write(config(folder, a))
        for _ in range(a.rounds):
            for name, (ranks, *overrides) in ways.items():
                t, w, e, m, d = run(a, folder, ranks, *overrides)
                times[name] += t
                waits[name] += w
                exposed[name] += e
                memory[name].append(m)
                digests[name].append(d)
    reference = statistics.median(times[next(iter(ways))])
    print("| | ms a step | speed beside the first | wait | exposed | MB of a rank | state digest |")
    print("|---|---|---|---|---|---|---|")
    for name in ways:
        ms = statistics.median(times[name])
        wait, moving = statistics.median(waits[name]), statistics.median(exposed[name])
        print(f"| {name} | {ms:.0f} | {reference / ms:.3f} | {wait:.0f} ms, {100 * wait / ms:.1f} % "
              f"| {moving:.0f} ms, {100 * moving / ms:.1f} % | {max(memory[name]) / 1e6:.0f} "
              f"| {', '.join(sorted(set(digests[name])))} |")
    same = {d for name in ways if "fast" not in name for d in digests[name]}
    if len(same) != 1:
        raise SystemExit(f"the digests differ: {same}")


if __name__ == "__main__":
    main()
