"""An autograd function written in Python: a hard step whose gradient is passed straight through (Bengio
et al., arXiv:1308.3432) trains a network whose hidden units are 0 or 1. It learns the parity of three
bits.

Run:    python custom_function.py
Expect: 8 of 8 patterns have the right parity
"""

import itertools

import numpy as np

import gigatrain as gt


class HardStep(gt.Function):
    """1 where x > 0, else 0; backwards the slope of tanh."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return gt.tensor((x.numpy() > 0).astype(np.float32))

    @staticmethod
    def backward(ctx, dout):
        soft = gt.tanh(ctx.saved[0])
        return dout - dout * soft * soft


class BinaryNetwork(gt.nn.Layer):
    def __init__(self):
        super().__init__()
        self.hidden = gt.nn.Linear(3, 24, init_std=1.0)
        self.output = gt.nn.Linear(24, 1, init_std=0.2)

    def forward(self, x):
        return self.output(HardStep.apply(self.hidden(x)))


bits = np.array(list(itertools.product([-1, 1], repeat=3)), np.float32)
parity = (bits > 0).sum(1, keepdims=True).astype(np.float32) % 2
x, target = gt.tensor(bits), gt.tensor(parity)

net = gt.nn.materialize(BinaryNetwork(), seed=1)
adamw = gt.optim.AdamW(net, weight_decay=0.0)
for step in range(1, 401):
    loss = gt.mse_loss(net(x), target, scale=1 / 8)
    loss.backward()
    gt.collect_gradients(net)
    adamw.step(step=step, lr=1e-2)
    if step % 100 == 0:
        print(f"step {step}  loss {loss.item():.4f}")

right = int(((net(x).numpy() > 0.5) == (parity > 0.5)).sum())
print(f"{right} of 8 patterns have the right parity")
