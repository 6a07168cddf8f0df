#!/usr/bin/env python3
"""Training steps on a CPU, gigatrain beside PyTorch, in turns within one run.

    benchmarks/vs_torch.py --python VENV/bin/python [--program build/cpu/bin/gigatrain] [--rounds 7]
                           [--threads 2] [--only gpt2-1] [--dtype f32|bf16] [--modes eager,compile]

Both sides: AdamW (PyTorch's fused), gradients clipped to norm 1, mean cross-entropy, the same number of
threads, made-up tokens. PyTorch's modes: eager and torch.compile, both with fused attention; in bf16 by
autocast with f32 weights, as ours, and with weights in bf16 alone. gigatrain (`bench step --on-request`)
and one mode of PyTorch are alive at a time, each in a process of its own, and step in turns, so that a
neighbour's noise meets both; then comes the next mode. The fastest mode is the one to compare with.

A line of JSON for each model and dtype: tokens/s and their ratio from medians over the rounds; peak memory
(VmHWM) above what the process had before there was a model: after `import torch`, after gigatrain's start.
`--python` needs torch and a C++ compiler; nothing needs the network.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

GPT2 = dict(vocab=50257, positions=1024, layers=12, heads=12, width=768)
LLAMA = dict(GPT2, kv_heads=4, inner=2048)
QUICK = dict(vocab=257, positions=128, layers=4, heads=4, width=128)
# name: our arguments, PyTorch's model, sequences of a step, steps of a turn
WORK = {
    "gpt2-1": (["--model", "gpt2", "--micro-batch", "1"], GPT2, 1, 1),
    "gpt2-4": (["--model", "gpt2", "--micro-batch", "4"], GPT2, 4, 1),
    "llama-1": (["--model", "llama-114m", "--micro-batch", "1"], LLAMA, 1, 1),
    "llama-4": (["--model", "llama-114m", "--micro-batch", "4"], LLAMA, 4, 1),
    "quick": (["examples/recipes/bible.toml", "--synthetic"], QUICK, 8, 20),
}
MODES = {"f32": ["eager", "compile"],
         "bf16": ["eager", "compile", "eager weights", "compile weights"]}
WARM_UP = 3  # turns: they compile, and allocate
SETTLE = 0.02  # seconds for the other side's idle threads to stop spinning


def peak_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


class Side:
    """A process that makes a step, and answers with a line of JSON, for each line that it is sent."""

    def __init__(self, command, threads, log):
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), GIGATRAIN_NUM_THREADS=str(threads),
                           TORCHINDUCTOR_COMPILE_THREADS="1")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                        text=True, env=environment)
        self.ms = []
        self.about = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"ended with code {self.process.wait()}: {' '.join(self.process.args)}\n"
                     "  next: run it again with --log FILE, which keeps what the process said")
        return json.loads(line)

    def turn(self, steps, count):
        time.sleep(SETTLE)
        for _ in range(steps):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            self.last = self.answer()
            if count:
                self.ms.append(self.last["ms"])

    def result(self):
        ms = statistics.median(self.ms)
        return {"ms": ms, "tokens_per_s": self.about["tokens"] / ms * 1e3, "loss": self.last["loss"],
                "peak_bytes": peak_bytes(self.process.pid) - self.about["start_bytes"]}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def serve_torch(name, dtype, mode, threads):
    """The other side: PyTorch, in its own process."""
    import torch
    import torch._dynamo  # part of what `import` brings: without it compile would pay for it

    start_bytes = peak_bytes("self")
    from torch_models import Model, make_adamw

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    _, sizes, batch, _ = WORK[name]
    model = Model(**sizes)
    if "weights" in mode:
        model.bfloat16()
    adamw = make_adamw(model, fused=True)
    run = torch.compile(model) if "compile" in mode else model
    cast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16" and "weights" not in mode)
    length = sizes["positions"]
    say = lambda **values: print(json.dumps(values), flush=True)
    say(tokens=batch * length, start_bytes=start_bytes, parameters=sum(p.numel() for p in model.parameters()))
    ids = torch.arange(batch * length + 1) * 7919 % sizes["vocab"]
    for _ in sys.stdin:
        start = time.perf_counter()
        with cast:
            loss = run(ids[:-1].view(batch, length), ids[1:].view(batch, length))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        value = loss.item()
        say(ms=(time.perf_counter() - start) * 1e3, loss=value)


def in_turns(args, name, dtype, mode, log):
    """(ours, theirs): results of one mode of PyTorch and of gigatrain beside it."""
    ours, _, _, steps = WORK[name]
    sides = [Side([args.program, "bench", "step", *ours, f"precision.compute={dtype}", "--on-request",
                   "--device", "cpu"], args.threads, log)]
    try:
        sides.append(Side([args.python, __file__, "--side", name, "--dtype", dtype, "--mode", mode,
                           "--threads", str(args.threads)], args.threads, log))
        for round_ in range(WARM_UP + args.rounds):
            for side in sides if round_ % 2 else reversed(sides):
                side.turn(steps, round_ >= WARM_UP)
        return [side.result() for side in sides]
    finally:
        for side in sides:
            side.close()


def compare(args, name, dtype, log):
    pairs = {}
    for mode in MODES[dtype]:
        if mode.split()[0] not in args.modes.split(","):
            continue
        ours, theirs = pairs[mode] = in_turns(args, name, dtype, mode, log)
        print(f"{name:8} {dtype:4} gigatrain {ours['tokens_per_s']:9.0f} tokens/s, torch {mode:15} "
              f"{theirs['tokens_per_s']:9.0f}: ratio {ours['tokens_per_s'] / theirs['tokens_per_s']:.2f}; "
              f"peak {ours['peak_bytes'] / 1e6:.0f} and {theirs['peak_bytes'] / 1e6:.0f} MB", file=sys.stderr)
    best = max(pairs, key=lambda mode: pairs[mode][1]["tokens_per_s"])
    ours, theirs = pairs[best]
    print(json.dumps({
        "what": name, "dtype": dtype, "threads": args.threads, "rounds": args.rounds,
        "ratio": ours["tokens_per_s"] / theirs["tokens_per_s"], "best": best,
        "memory_ratio": ours["peak_bytes"] / theirs["peak_bytes"],
        "gigatrain": ours, "torch": {mode: pair[1] for mode, pair in pairs.items()}}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="that has torch")
    parser.add_argument("--program", default="build/cpu/bin/gigatrain")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=WORK)
    parser.add_argument("--dtype", choices=MODES)
    parser.add_argument("--modes", default="eager,compile")
    parser.add_argument("--log", default=os.devnull, help="file for what both sides write to stderr")
    parser.add_argument("--side", help=argparse.SUPPRESS)  # PyTorch's own process
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        return serve_torch(args.side, args.dtype, args.mode, args.threads)
    with open(args.log, "w") as log:
        for name in [args.only] if args.only else WORK:
            for dtype in [args.dtype] if args.dtype else MODES:
                compare(args, name, dtype, log)


if __name__ == "__main__":
    sys.exit(main())
