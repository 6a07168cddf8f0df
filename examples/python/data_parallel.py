"""Data parallelism in a loop of one's own: ranks (threads) compute different leaves of each step's batch,
and keep parts of gradients, optimizer state and weights (ZeRO). The bits are those of one rank, also of
a run that other ranks continue.

Run:    python data_parallel.py
Expect: one state on 1, 2 and 4 ranks: yes
"""

import os
import tempfile

import numpy as np

import gigatrain as gt

LEAVES, LEAF, STEPS = 4, 16, 200
points = np.random.default_rng(1).uniform(-1, 1, (1024, 2)).astype(np.float32)
inside = (np.square(points).sum(1) < 0.6).astype(np.int32)


def train(ranks, zero, file, steps):
    """What every rank runs: continues from the state in `file`, if there is one, and leaves it there."""
    body = gt.nn.Sequential(gt.nn.Linear(2, 64, gelu=True, init_std=0.7),
                            gt.nn.Linear(64, 64, gelu=True, init_std=0.2))
    model = gt.nn.materialize(gt.nn.ClassificationHead(body, channels=64, classes=2), seed=1)
    dp = gt.DataParallel(model, ranks, leaves=LEAVES, zero=zero)
    adamw = gt.optim.AdamW(model, weight_decay=0.01)
    data = gt.ArraySource({"x": points, "label": inside}, global_batch=LEAVES * LEAF, seed=1)
    first = gt.load_state(file, model, adamw, ranks=ranks) if os.path.exists(file) else 0
    for step in range(first, steps):
        dp.begin_step()
        for turn in dp.turns():  # this rank's leaves
            batch = data.batch_at(step, first=turn.leaf * LEAF, count=LEAF)
            with dp.leaf(turn):
                model.loss(batch, 1 / data.global_batch).backward()
        dp.finish()
        dp.step(adamw, step=step + 1, lr=5e-3, clip=dp.clip(1.0))
    gt.save_state(file, model, adamw, step=steps, ranks=ranks)
    loss = gt.evaluate(model, data, micro_batch=64, ranks=ranks).loss
    digest = gt.state_digest(model, adamw, ranks=ranks)
    if ranks.rank == 0:
        print(f"step {steps:3}  {ranks.size} ranks  ZeRO {zero}  loss {loss:.4f}  state {digest}")
    return digest


with tempfile.TemporaryDirectory() as folder:
    one = gt.init(ranks=1).run(train, 0, f"{folder}/one.safetensors", STEPS)
    two = gt.init(ranks=2).run(train, 2, f"{folder}/two.safetensors", STEPS)
    gt.init(ranks=2).run(train, 1, f"{folder}/four.safetensors", STEPS // 2)  # and then on four ranks
    four = gt.init(ranks=4).run(train, 3, f"{folder}/four.safetensors", STEPS)
same = len({*one, *two, *four}) == 1
print(f"one state on 1, 2 and 4 ranks: {'yes' if same else 'no'}")
