#!/usr/bin/env python3
"""The peer beside which `gigatrain bench step --model gpt2` is measured: one training step of GPT-2 124M in PyTorch
on a GPU, eager and compiled, and a few single ops. Needs torch, and nothing from the network.

The step is the same work as ours: learned positions, 12 pre-LayerNorm blocks with biases, tanh GELU,
causal scaled_dot_product_attention, the head tied to the token table, mean cross-entropy, gradients
clipped to norm 1, fused AdamW on f32 master weights; bf16 by autocast, or f32.

Usage: benchmarks/gpu_vs_torch.py [--dtype bf16|f32] [--micro-batch 16] [--seq-len 1024]
         [--steps 20] [--skip-compile] [--skip-ops] [--device cuda] [--layers 12]
Prints a line for people and a line of JSON for each measurement, as it is made.
"""
import argparse
import contextlib
import json
import sys
import time

import torch
import torch.nn.functional as F

from torch_models import Model, make_adamw

VOCAB, C, HEADS = 50257, 768, 12


class Clock:
    """Times work on the device; on a CPU, where this script is only tried out, with the wall clock."""

    def __init__(self, device):
        self.cuda = device == "cuda"

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def ms(self, work, repeats):
        """Median of `repeats` runs, each from start to end of the device's work."""
        times = []
        for _ in range(repeats):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            times.append((time.perf_counter() - start) * 1e3)
        return sorted(times)[len(times) // 2]

    def ms_of_many(self, work, repeats):
        """Mean over back-to-back runs, for kernels shorter than a launch takes on the host."""
        for _ in range(3):
            work()
        self.wait()
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        self.wait()
        return (time.perf_counter() - start) * 1e3 / repeats


def emit(text, **values):
    print(text)
    print(json.dumps(values), flush=True)


def autocast(args):
    if args.dtype == "bf16":
        return torch.autocast(args.device, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def training_step(args, compiled, clock):
    torch.manual_seed(1)
    model = Model(VOCAB, max(args.seq_len, 1024), args.layers, HEADS, C).to(args.device)
    adamw = make_adamw(model, fused=clock.cuda)
    ids = torch.arange(args.micro_batch * args.seq_len, device=args.device) * 7919 % VOCAB
    ids = ids.view(args.micro_batch, args.seq_len)
    run = torch.compile(model) if compiled else model
    losses = []

    def step():
        with autocast(args):
            loss = run(ids, ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        losses.append(loss.item())

    started = time.perf_counter()
    for _ in range(3):  # compiles, and chooses algorithms
        step()
    clock.wait()
    warm_up = time.perf_counter() - started
    if clock.cuda:
        torch.cuda.reset_peak_memory_stats()
    ms = clock.ms(step, args.steps)
    peak = torch.cuda.max_memory_allocated() if clock.cuda else 0
    tokens = round(args.micro_batch * args.seq_len / ms * 1e3)
    mode = "compiled" if compiled else "eager"
    emit(f"GPT-2 124M in torch {torch.__version__}, {mode}, {args.dtype}, micro-batch "
         f"{args.micro_batch} x {args.seq_len}: median step {ms:.2f} ms, {tokens} tokens/s; peak "
         f"memory {peak / 1e9:.2f} GB; last loss {losses[-1]:.4f} (first steps {warm_up:.0f} s)",
         what=f"step {mode}", tokens_per_s=tokens, ms=ms, peak_bytes=peak, dtype=args.dtype,
         micro_batch=args.micro_batch, seq_len=args.seq_len, torch=torch.__version__)


def single_ops(args, clock):
    """(name, bytes that must move or 0, flops or 0, work), at the sizes of the step above."""
    dtype = torch.bfloat16 if args.dtype == "bf16" else torch.float32
    rows = args.micro_batch * args.seq_len

    def new(*shape, of=dtype, grad=False):
        return torch.randn(*shape, device=args.device, dtype=of).requires_grad_(grad)

    def backward_of(make, *inputs):
        y = make()
        dy = torch.randn_like(y)
        return lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)

    size = torch.finfo(dtype).bits // 8
    x, inner = new(rows, C, grad=True), new(rows, 4 * C, grad=True)
    weight, bias = new(C, of=dtype, grad=True), new(C, of=dtype, grad=True)
    norm = lambda: F.layer_norm(x, (C,), weight, bias)
    yield "layer_norm forward", 2 * rows * C * size, 0, norm
    yield "layer_norm backward", 3 * rows * C * size, 0, backward_of(norm, x, weight, bias)
    gelu = lambda: F.gelu(inner, approximate="tanh")
    yield "gelu forward", 2 * rows * 4 * C * size, 0, gelu
    yield "gelu backward", 3 * rows * 4 * C * size, 0, backward_of(gelu, inner)

    chunk = min(rows, 4096)
    logits = new(chunk, VOCAB, grad=True)
    targets = torch.randint(VOCAB, (chunk,), device=args.device)
    loss = lambda: F.cross_entropy(logits, targets)
    both = lambda: torch.autograd.grad(loss(), logits)
    yield f"cross_entropy forward and backward, {chunk} rows", 2 * chunk * VOCAB * size, 0, both
    del logits

    q, k, v = (new(args.micro_batch, HEADS, args.seq_len, C // HEADS, grad=True) for _ in range(3))
    attend = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True)
    flops = 2 * args.micro_batch * args.seq_len**2 * C  # causal: half of two products
    yield "attention forward", 0, flops, attend
    yield "attention backward", 0, 2.5 * flops, backward_of(attend, q, k, v)

    m = 4096
    a, b = new(m, m), new(m, m)
    yield f"matmul {m}", 0, 2 * m**3, lambda: a @ b

    master = new(124_000_000 if clock.cuda else 1_000_000, of=torch.float32, grad=True)
    master.grad = torch.randn_like(master)
    adamw = torch.optim.AdamW([master], lr=1e-4, fused=clock.cuda)
    yield "adamw, 124M weights", 7 * 4 * master.numel(), 0, adamw.step


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--dtype", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--micro-batch", type=int, default=16)
    parser.add_argument("--seq-len", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--layers", type=int, default=12, help="fewer, to try the script out")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--skip-compile", action="store_true")
    parser.add_argument("--skip-ops", action="store_true")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("torch sees no GPU", file=sys.stderr)
        return 77
    clock = Clock(args.device)
    if clock.cuda:
        print(f"torch {torch.__version__}, CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}")
    training_step(args, False, clock)
    if not args.skip_ops:
        for name, bytes_moved, flops, work in single_ops(args, clock):
            ms = clock.ms_of_many(work, 20 if clock.cuda else 2)
            rate = f"{bytes_moved / ms / 1e6:.0f} GB/s" if bytes_moved else \
                f"{flops / ms / 1e9:.0f} TFLOP/s"
            emit(f"{name:48} {ms:9.4f} ms  {rate}", what=name, ms=ms, bytes=bytes_moved,
                 flops=flops, dtype=args.dtype)
    if not args.skip_compile:
        training_step(args, True, clock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
