#!/usr/bin/env python3
"""Makes tests/data: what PyTorch and transformers say about small random models.

gpt2_tiny, a 2-layer GPT-2: everything is computed in f64 from weights that are exact in f32, and stored in f32: the best oracle
that a tolerance of 1e-5 can have. Files (see tests/data/README.md):
  config.json, model.safetensors   the model, as save_pretrained writes it
  reference.safetensors            tokens, targets, logits, loss, grad.<name> of every parameter
  gpt2_tiny.bin, gpt2_tiny_debug_state.bin, adamw_losses.json   the same model in llm.c's formats
llama_tiny, mistral_tiny, qwen2_tiny, qwen3_tiny, smollm3_tiny: see reference_families.py.

Usage: make_reference.py [--output FOLDER]   writes the folders (default: tests/data)
       make_reference.py --check             writes them elsewhere and compares with those in git
Needs: pip install torch transformers
"""
import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

import reference_families

COMMITTED = pathlib.Path(__file__).resolve().parent.parent / "tests/data"
B, T = 3, 17
IGNORED = -100  # torch's "no target here"; the files hold -1
LLMC_MODEL, LLMC_STATE = 20240326, 20240327  # magic numbers of llm.c
LLMC_ORDER = ["ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias",
              "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias",
              "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"]


def build_model(rng):
    """Random weights everywhere, biases and norms too, so that no gradient is trivially zero."""
    # C = 40 with heads of 10: multiples of no vector width.
    config = GPT2Config(n_layer=2, n_head=4, n_embd=40, vocab_size=97, n_positions=32,
                        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0,
                        eos_token_id=0, attn_implementation="eager")
    model = GPT2LMHeadModel(config).double()
    for name, parameter in sorted(model.named_parameters()):
        value = 0.1 * rng.standard_normal(parameter.shape)
        if "ln_" in name and name.endswith("weight"):
            value += 1.0
        parameter.data = torch.from_numpy(value.astype(np.float32)).double()
    model.tie_weights()
    return model


def forward(model, tokens, targets):
    logits = model(tokens).logits  # (B, T, V)
    return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def forward_backward(model, tokens, targets):
    model.zero_grad()
    logits, loss = forward(model, tokens, targets)
    loss.backward()
    return logits.detach(), loss.detach(), {n: p.grad for n, p in model.named_parameters()}


def as_f32(tensor):
    return tensor.detach().float().contiguous()


def write_reference(folder, model, tokens, targets):
    logits, loss, grads = forward_backward(model, tokens, targets)
    tensors = {"tokens": tokens.int(), "logits": as_f32(logits), "loss": as_f32(loss.reshape(1)),
               "targets": torch.where(targets == IGNORED, -1, targets).int()}
    tensors |= {f"grad.{name}": as_f32(grad) for name, grad in grads.items()}
    save_file(tensors, folder / "reference.safetensors")


def llmc_bytes(tensors, n_layer, padded_vocab):
    """The 16 parameter arrays of llm.c: Linear weights are (out, in), wte is padded with zeros."""
    wte = tensors["transformer.wte.weight"]
    out = [F.pad(wte, (0, 0, 0, padded_vocab - wte.shape[0])), tensors["transformer.wpe.weight"]]
    for name in LLMC_ORDER:
        for layer in range(n_layer):
            tensor = tensors[f"transformer.h.{layer}.{name}"]
            out.append(tensor.T if tensor.dim() == 2 else tensor)  # GPT-2's Conv1D is (in, out)
    out += [tensors["transformer.ln_f.weight"], tensors["transformer.ln_f.bias"]]
    return b"".join(as_f32(t).numpy().tobytes() for t in out)


def llmc_header(*fields):
    header = np.zeros(256, dtype=np.int32)
    header[:len(fields)] = fields
    return header.tobytes()


def write_llmc(folder, model, tokens, targets):
    c = model.config
    padded = (c.vocab_size + 127) // 128 * 128
    parameters = dict(model.named_parameters())
    (folder / "gpt2_tiny.bin").write_bytes(
        llmc_header(LLMC_MODEL, 3, c.n_positions, c.vocab_size, c.n_layer, c.n_head, c.n_embd, padded)
        + llmc_bytes(parameters, c.n_layer, padded))
    logits, loss, grads = forward_backward(model, tokens, targets)
    (folder / "gpt2_tiny_debug_state.bin").write_bytes(
        llmc_header(LLMC_STATE, 2, B, T) + tokens.int().numpy().tobytes()
        + targets.int().numpy().tobytes() + as_f32(logits).numpy().tobytes()
        + as_f32(loss).numpy().tobytes() + llmc_bytes(grads, c.n_layer, padded))


def adamw_losses(model, tokens, targets, weight_decay):
    """Ten steps on one batch; every parameter decays, as in llm.c's gpt2_update. Restores weights."""
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.999), eps=1e-8,
                                  weight_decay=weight_decay)
    losses = []
    for _ in range(10):
        losses.append(forward_backward(model, tokens, targets)[1].item())
        optimizer.step()
    for name, parameter in model.named_parameters():
        parameter.data.copy_(start[name])
    return losses


def make_gpt2(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240326)
    model = build_model(rng)
    text = torch.from_numpy(rng.integers(0, model.config.vocab_size, (B, T + 1)))
    tokens, targets = text[:, :-1].contiguous(), text[:, 1:].contiguous()
    some_ignored = targets.clone()
    some_ignored[0, :4] = IGNORED
    some_ignored[1, 5::6] = IGNORED
    some_ignored[2, -1] = IGNORED

    write_reference(folder, model, tokens, some_ignored)
    write_llmc(folder, model, tokens, targets)
    settings = {"lr": 1e-4, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    runs = [{"weight_decay": wd, "losses": adamw_losses(model, tokens, targets, wd)}
            for wd in (0.0, 0.01)]
    (folder / "adamw_losses.json").write_text(json.dumps(settings | {"runs": runs}, indent=1) + "\n")
    model.float().save_pretrained(folder)  # last: it turns the model into f32


def make(folder):
    make_gpt2(folder / "gpt2_tiny")
    for name in reference_families.COMMITTED:
        reference_families.write(folder / name, name)


def distance(a, b):
    a, b = a.double(), b.double()
    return ((a - b).norm() / b.norm().clamp_min(1e-30)).item()


def worst_tensor(committed, fresh):
    worst = 0.0
    for file in ("model.safetensors", "reference.safetensors"):
        ours, theirs = load_file(committed / file), load_file(fresh / file)
        assert ours.keys() == theirs.keys(), f"{file} holds other tensors"
        worst = max([worst] + [distance(ours[k], theirs[k]) for k in ours])
    return worst


def check():
    """Largest relative distance of any tensor between the committed files and fresh ones."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        make(root)
        worst = max(worst_tensor(COMMITTED / folder, root / folder)
                    for folder in ["gpt2_tiny"] + reference_families.COMMITTED)
        committed, fresh = COMMITTED / "gpt2_tiny", root / "gpt2_tiny"
        for file in ("gpt2_tiny.bin", "gpt2_tiny_debug_state.bin"):
            ours, theirs = ((f / file).read_bytes() for f in (committed, fresh))
            assert len(ours) == len(theirs) and ours[:1024] == theirs[:1024], f"{file} differs"
            start = 1024 + (0 if file == "gpt2_tiny.bin" else 2 * 4 * B * T)
            assert ours[:start] == theirs[:start], f"{file} holds another batch"
            ours, theirs = (torch.frombuffer(bytearray(x[start:]), dtype=torch.float32)
                            for x in (ours, theirs))
            worst = max(worst, distance(ours, theirs))
        ours, theirs = (json.loads((f / "adamw_losses.json").read_text()) for f in (committed, fresh))
        for a, b in zip(ours["runs"], theirs["runs"], strict=True):
            worst = max(worst, distance(torch.tensor(a["losses"]), torch.tensor(b["losses"])))
    print(f"largest relative distance to the committed reference: {worst:.1e}")
    return 0 if worst < 1e-6 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=COMMITTED)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    if options.check:
        return check()
    make(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
