#!/usr/bin/env python3
"""One training step of SmolLM2-135M (30 layers of 576, 9 heads over 3 key heads, V = 49152, tied head) on a
GPU: gigatrain's Python loop beside PyTorch with Hugging Face's LlamaForCausalLM, compiled and eager.

    benchmarks/llama_vs_torch.py [--micro-batch 8] [--seq-len 2048] [--steps 10] [--only gigatrain|torch]

Both: f32 master weights, bf16 compute, mean cross-entropy, gradients clipped to norm 1, AdamW (PyTorch's
fused), SDPA. Needs gigatrain, torch and transformers, and nothing from the network. Each side runs in a
process of its own; a line each, then a line of JSON.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time

V, C, LAYERS, HEADS, KV, INNER = 49152, 576, 30, 9, 3, 1536


def ids(args):
    import numpy as np

    count = args.micro_batch * args.seq_len
    return (np.arange(count, dtype=np.int64) * 7919 % V).reshape(args.micro_batch, args.seq_len)


def median_ms(step, args):
    """Of `steps` steps after three that compile and choose algorithms."""
    times = []
    for i in range(args.steps + 3):
        start = time.perf_counter()
        loss = step(i)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[3:]), loss


def run_gigatrain(args):
    import gigatrain as gt

    device = gt.device("cuda", measure=args.measure)
    gt.set_default_device(device)
    model = gt.nn.llama(gt.nn.LlamaConfig(vocab_size=V, n_positions=args.seq_len, n_layer=LAYERS,
                                          n_head=HEADS, n_kv_head=KV, n_embd=C, n_inner=INNER))
    gt.nn.materialize(model, compute=args.compute)
    adamw = gt.optim.AdamW(model)
    tokens = gt.tensor(ids(args).astype("int32"))

    def step(i):
        with gt.nn.BatchContext(training=True, step=i):
            loss = model.loss(tokens, tokens, 1 / tokens.size)
        loss.backward()
        gt.collect_gradients(model)
        adamw.step(step=i + 1, lr=1e-4, clip=gt.optim.clip(model, 1.0))
        return loss.item()

    ms, loss = median_ms(step, args)
    return ms, loss, device.memory()["total"]["peak"]


def run_torch(args):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=V, hidden_size=C, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=KV, intermediate_size=INNER, max_position_embeddings=args.seq_len,
        tie_word_embeddings=True, attn_implementation="sdpa", use_cache=False)).cuda()
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), fused=True)
    tokens = torch.tensor(ids(args), device="cuda")
    run = torch.compile(model) if args.mode == "compiled" else model

    def step(_):
        with torch.autocast("cuda", dtype=torch.bfloat16):
            logits = run(input_ids=tokens).logits
            loss = torch.nn.functional.cross_entropy(logits.float().view(-1, V), tokens.view(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        return loss.item()

    ms, loss = median_ms(step, args)
    return ms, loss, torch.cuda.max_memory_allocated()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--micro-batch", type=int, default=8)
    parser.add_argument("--seq-len", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--only", choices=["gigatrain", "torch"])
    parser.add_argument("--side", help=argparse.SUPPRESS)  # in a process of its own
    args = parser.parse_args()
    sides = ["gigatrain bf16", "gigatrain bf16 measure", "gigatrain f16", "torch eager",
             "torch compiled"]
    if args.side:
        library, args.mode, *measure = args.side.split()
        args.measure = bool(measure)
        args.compute = args.mode
        ms, loss, peak = (run_gigatrain if library == "gigatrain" else run_torch)(args)
        tokens = round(args.micro_batch * args.seq_len / ms * 1e3)
        print(f"{args.side:24} {ms:8.2f} ms a step, {tokens} tokens/s, peak memory "
              f"{peak / 1e9:.2f} GB, loss {loss:.4f}")
        print(json.dumps({"what": args.side, "ms": ms, "tokens_per_s": tokens, "peak_bytes": peak,
                          "micro_batch": args.micro_batch, "seq_len": args.seq_len}), flush=True)
        return 0
    failed = 0
    for side in sides:
        if args.only and not side.startswith(args.only):
            continue
        failed |= subprocess.run([sys.executable, *sys.argv, "--side", side]).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
