"""A vision transformer (Dosovitskiy et al., arXiv:2010.11929) learns to read scikit-learn's 8 x 8 digits:
patches of 2 x 2 become 16 tokens, three blocks look at all of them, the mean of the tokens is classified.

Needs:  pip install scikit-learn
Run:    python digits_vit.py
Expect: (9[7-9]\\.\\d|100\\.0) % of 360 held-out images are read right
"""

import numpy as np
from sklearn.datasets import load_digits

import gigatrain as gt

CHANNELS, BATCH, STEPS = 64, 64, 600


class VisionTransformer(gt.nn.Layer):
    """x (B, 16, 4) -> (B, C)"""

    def __init__(self):
        super().__init__()
        self.embed = gt.nn.Linear(4, CHANNELS, init_std=0.3)
        self.positions = gt.Parameter((16, CHANNELS), std=0.3)
        self.blocks = gt.nn.Sequential(
            *(gt.nn.TransformerBlock(CHANNELS, 4, dropout=0.1, init_std=0.1) for _ in range(3)))
        self.norm = gt.nn.LayerNorm(CHANNELS)

    def forward(self, x):
        y = self.norm(self.blocks(self.embed(x) + self.positions))  # (B, 16, C)
        return gt.reshape(gt.mean(y, [1]), (x.shape[0], CHANNELS))


def patches(images):
    """(N, 8, 8) values 0..16 -> (N, 16 patches, 4 pixels) in -1..1"""
    cut = images.reshape(-1, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 16, 4)
    return np.ascontiguousarray(cut / 8 - 1, np.float32)


digits = load_digits()
x, label = patches(digits.images), digits.target.astype(np.int32)
held_out = np.arange(len(x)) % 5 == 0
train = gt.ArraySource({"x": x[~held_out], "label": label[~held_out]}, global_batch=BATCH, seed=1)
test = gt.ArraySource({"x": x[held_out], "label": label[held_out]}, global_batch=BATCH)

model = gt.nn.ClassificationHead(VisionTransformer(), channels=CHANNELS, classes=10)
gt.nn.materialize(model)
trainer = gt.Trainer(model, gt.optim.AdamW(model, weight_decay=0.1), train, steps=STEPS,
                     micro_batch=BATCH,
                     schedule=gt.optim.Schedule("cosine", lr=2e-3, warmup=50, min_lr=0.02))
trainer.on_step(lambda r: r.step % 100 == 0 and print(f"step {r.step}  loss {r.loss:.3f}"))
trainer.fit()
share = gt.accuracy(model, test, micro_batch=60)
print(f"{100 * share:.1f} % of {int(held_out.sum())} held-out images are read right")
