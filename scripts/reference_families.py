"""Small random models of the Llama family and what transformers computes from them.

A folder of reference data holds, beside config.json and model.safetensors (bf16) as save_pretrained
writes them, reference.safetensors: tokens, targets (-1: ignored), logits, loss, grad.<name> of each
parameter, computed in f64 from the stored weights and rounded to f32.
"""
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoConfig

IGNORED = -100  # torch's "no target here"; the files hold -1
SIZES = dict(vocab_size=37, hidden_size=24, intermediate_size=28, num_hidden_layers=2,
             num_attention_heads=3, num_key_value_heads=1, max_position_embeddings=64,
             rms_norm_eps=1e-5, bos_token_id=None, eos_token_id=None, pad_token_id=None)
LLAMA3 = dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0,
              high_freq_factor=4.0, original_max_position_embeddings=16)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)

# name: (model_type, options). The first five are committed in tests/data.
FAMILIES = {
    "llama_tiny": ("llama", dict(rope_parameters=LLAMA3)),
    "mistral_tiny": ("mistral", dict(head_dim=16, sliding_window=64)),
    "qwen2_tiny": ("qwen2", dict(tie_word_embeddings=True, num_key_value_heads=3)),
    "qwen3_tiny": ("qwen3", dict(head_dim=16, tie_word_embeddings=True)),
    "smollm3_tiny": ("smollm3", dict(tie_word_embeddings=True, no_rope_layers=[1, 0])),
    "llama_biased": ("llama", dict(attention_bias=True, mlp_bias=True, head_dim=10)),
    "llama_linear": ("llama", dict(rope_parameters=dict(rope_type="linear", rope_theta=10000.0,
                                                        factor=2.0))),
    "llama_dynamic": ("llama", dict(rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0,
                                                         factor=2.0))),
    "mistral_yarn": ("mistral", dict(sliding_window=None, rope_parameters=YARN)),
    "qwen3_biased": ("qwen3", dict(head_dim=16, attention_bias=True, rope_parameters=YARN)),
    # No attention_bias: without rotation the gradient of k's bias is zero but for rounding.
    "smollm3_untied": ("smollm3", dict(tie_word_embeddings=False, mlp_bias=True,
                                       num_hidden_layers=4)),
}
COMMITTED = [name for name in FAMILIES if name.endswith("_tiny")]


def build(name, rng, sizes=None):
    """A model in f64 with random weights that bf16 holds exactly; norms and biases random too."""
    model_type, options = FAMILIES[name]
    config = AutoConfig.for_model(model_type, **(SIZES | options | (sizes or {})))
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).double()
    for key, parameter in sorted(model.named_parameters()):
        value = 0.15 * rng.standard_normal(parameter.shape)
        if "norm" in key:
            value += 1.0
        parameter.data = torch.from_numpy(value).bfloat16().double()
    model.tie_weights()
    return model


def compute(model, tokens, targets):
    model.zero_grad()
    logits = model(tokens).logits
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
    loss.backward()
    return logits, loss


def batch(rng, vocab, samples, length):
    text = torch.from_numpy(rng.integers(0, vocab, (samples, length + 1)))
    tokens, targets = text[:, :-1].contiguous(), text[:, 1:].clone()
    targets[0, :3] = IGNORED
    targets[-1, 5::6] = IGNORED
    return tokens, targets


def write(folder, name, sizes=None, samples=2, length=11):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(name.encode()))
    model = build(name, rng, sizes)
    tokens, targets = batch(rng, model.config.vocab_size, samples, length)
    logits, loss = compute(model, tokens, targets)
    tensors = {"tokens": tokens.int(), "loss": loss.detach().float().reshape(1),
               "targets": torch.where(targets == IGNORED, -1, targets).int(),
               "logits": logits.detach().float().contiguous()}
    tensors |= {f"grad.{key}": p.grad.float().contiguous() for key, p in model.named_parameters()}
    save_file(tensors, folder / "reference.safetensors")
    model.bfloat16().save_pretrained(folder)  # last: it rounds nothing, the weights are exact
    (folder / "generation_config.json").unlink(missing_ok=True)
