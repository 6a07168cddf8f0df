"""A layer written in Python trains inside a model: positions are mixed by a learned matrix instead of
attention (MLP-Mixer, Tolstikhin et al., arXiv:2105.01601). It learns to reverse a sequence.

Run:    python custom_layer.py
Expect: reversed 100\\.0 % of 8192 symbols
"""

import numpy as np

import gigatrain as gt

LENGTH, ALPHABET, CHANNELS, BATCH = 16, 12, 32, 512


class PositionMixer(gt.nn.Layer):
    """x (B, T, C) -> x + mix(norm(x)), where mix multiplies over T."""

    def __init__(self):
        super().__init__()
        self.norm = gt.nn.LayerNorm(CHANNELS)
        self.mix = gt.Parameter((LENGTH, LENGTH), std=0.1)

    def forward(self, x):
        across = gt.contiguous(gt.transpose(self.norm(x), 1, 2))  # (B, C, T)
        return x + gt.transpose(gt.linear(across, self.mix), 1, 2)


class Network(gt.nn.Layer):
    """tokens (B, T) -> (B, T, C)"""

    def __init__(self):
        super().__init__()
        self.table = gt.nn.Embedding(ALPHABET, CHANNELS, init_std=0.5)
        self.first, self.second = PositionMixer(), PositionMixer()

    def forward(self, tokens):
        return self.second(self.first(self.table(tokens)))


def batch(step, first, count):
    """Random symbols, and the same backwards: a pure function of the step and the sample."""
    x = np.stack([np.random.default_rng((step, first + i)).integers(0, ALPHABET, LENGTH)
                  for i in range(count)]).astype(np.int32)
    return {"x": x, "label": x[:, ::-1]}


data = gt.FunctionSource(batch, name="reverse",
                         fields={"x": ("i32", (LENGTH,)), "label": ("i32", (LENGTH,))},
                         global_batch=BATCH, terms="label", eval_samples=BATCH)
model = gt.nn.ClassificationHead(Network(), channels=CHANNELS, classes=ALPHABET)
gt.nn.materialize(model)
trainer = gt.Trainer(model, gt.optim.AdamW(model, weight_decay=0.01), data, steps=80,
                     micro_batch=32, schedule=gt.optim.Schedule("cosine", lr=1e-2, warmup=10))
trainer.on_step(lambda r: r.step % 20 == 0 and print(f"step {r.step}  loss {r.loss:.4f}"))
trainer.fit()
share = gt.accuracy(model, data, micro_batch=64)
print(f"reversed {100 * share:.1f} % of {BATCH * LENGTH} symbols")
