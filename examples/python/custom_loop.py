"""A training loop of one's own in 15 lines: forward, backward, clip, update.

The network learns which points lie inside a circle.

Run:    python custom_loop.py
Expect: (9[6-9]|100)\\.\\d % of 2048 points are on the right side
"""

import numpy as np

import gigatrain as gt


def points(seed, count):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)
    return x, (np.square(x).sum(1) < 0.6).astype(np.int32)


net = gt.nn.Sequential(gt.nn.Linear(2, 32, gelu=True, init_std=0.7),
                       gt.nn.Linear(32, 2, init_std=0.2))
gt.nn.materialize(net, seed=1)
adamw = gt.optim.AdamW(net, weight_decay=0.0)
schedule = gt.optim.Schedule("cosine", lr=1e-2, warmup=20, steps=400)
for step in range(1, 401):
    x, label = points(step, 256)
    loss = gt.cross_entropy(net(gt.from_numpy(x)), gt.from_numpy(label), scale=1 / 256)
    loss.backward()
    gt.collect_gradients(net)
    clip = gt.optim.clip(net, 1.0)
    adamw.step(step=step, lr=schedule.at(step - 1), clip=clip)
    if step % 100 == 0:
        print(f"step {step}  loss {loss.item():.4f}  grad_norm {clip.numpy()[0]:.3f}")

x, label = points(0, 2048)
with gt.no_grad():
    right = net(gt.from_numpy(x)).numpy().argmax(1) == label
print(f"{100 * right.mean():.1f} % of {len(label)} points are on the right side")
