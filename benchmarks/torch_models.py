"""The peers of our models in PyTorch: GPT-2 and Llama, written for speed: fused attention
(scaled_dot_product_attention), one product for q, k and v and one for gate and up, a tied head."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class GptBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):  # (B, T, C)
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, c // self.heads).transpose(1, 2)  # (B, H, T, D)
                   for part in self.attn(self.ln_1(x)).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.out(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class LlamaBlock(nn.Module):
    def __init__(self, width, heads, kv_heads, inner):
        super().__init__()
        self.heads, self.kv_heads, self.dim = heads, kv_heads, width // heads
        self.norm_1, self.norm_2 = nn.RMSNorm(width, eps=1e-5), nn.RMSNorm(width, eps=1e-5)
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * self.dim, bias=False)
        self.proj = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x, cos, sin):  # (B, T, C), (T, D)
        b, t, c = x.shape
        qkv = self.qkv(self.norm_1(x)).view(b, t, -1, self.dim).transpose(1, 2)
        q, k, v = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        rotate = lambda z: z * cos + torch.cat((-z[..., self.dim // 2:], z[..., :self.dim // 2]), -1) * sin
        share = lambda z: z.repeat_interleave(self.heads // self.kv_heads, dim=1)
        y = F.scaled_dot_product_attention(rotate(q), share(rotate(k)), share(v), is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
        gate, up = self.gate_up(self.norm_2(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class Model(nn.Module):
    """loss = model(tokens, targets), ids of (B, T). `kv_heads` makes it a Llama."""

    def __init__(self, vocab, positions, layers, heads, width, kv_heads=0, inner=0):
        super().__init__()
        self.vocab, self.llama = vocab, kv_heads > 0
        self.wte = nn.Embedding(vocab, width)
        if self.llama:
            self.blocks = nn.ModuleList(LlamaBlock(width, heads, kv_heads, inner) for _ in range(layers))
            self.norm = nn.RMSNorm(width, eps=1e-5)
            dim = width // heads
            turns = torch.outer(torch.arange(positions), 10000.0 ** (-torch.arange(0, dim, 2) / dim))
            self.register_buffer("cos", torch.cat((turns, turns), 1).cos(), persistent=False)
            self.register_buffer("sin", torch.cat((turns, turns), 1).sin(), persistent=False)
        else:
            self.wpe = nn.Embedding(positions, width)
            self.blocks = nn.ModuleList(GptBlock(width, heads) for _ in range(layers))
            self.norm = nn.LayerNorm(width)
        for matrix in (p for p in self.parameters() if p.dim() > 1):
            nn.init.normal_(matrix, std=0.02)

    def forward(self, tokens, targets):  # (B, T)
        t = tokens.shape[1]
        x = self.wte(tokens)
        if self.llama:
            for block in self.blocks:
                x = block(x, self.cos[:t].to(x.dtype), self.sin[:t].to(x.dtype))
        else:
            x = x + self.wpe.weight[:t]
            for block in self.blocks:
                x = block(x)
        logits = F.linear(self.norm(x), self.wte.weight)  # the tied head
        return F.cross_entropy(logits.view(-1, self.vocab), targets.view(-1))


def make_adamw(model, fused):
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() == 1]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1},
                              {"params": plain, "weight_decay": 0.0}],
                             lr=1e-4, betas=(0.9, 0.95), fused=fused)
