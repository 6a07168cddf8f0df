"""Finds malignant tumours in scikit-learn's breast-cancer table (30 measurements of cell nuclei) with a
small network, and says how well it ranks them: the area under the ROC curve.

Needs:  pip install scikit-learn
Run:    python breast_cancer.py
Expect: ROC-AUC (0\\.99\\d*|1\\.0*) on 143 held-out patients
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

import gigatrain as gt

table = load_breast_cancer()
held_out = np.arange(len(table.target)) % 4 == 0
seen = table.data[~held_out]
x = ((table.data - seen.mean(0)) / seen.std(0)).astype(np.float32)
label = table.target.astype(np.int32)


def source(rows):
    return gt.ArraySource({"x": x[rows], "label": label[rows]}, global_batch=64, seed=1)


body = gt.nn.Sequential(gt.nn.Linear(30, 32, gelu=True, init_std=0.18), gt.nn.Dropout(0.2),
                        gt.nn.Linear(32, 16, gelu=True, init_std=0.18))
model = gt.nn.ClassificationHead(body, channels=16, classes=2)
gt.nn.materialize(model)
trainer = gt.Trainer(model, gt.optim.AdamW(model, weight_decay=0.1), source(~held_out), steps=200,
                     micro_batch=64, schedule=gt.optim.Schedule("cosine", lr=5e-3))
trainer.fit()

scores = []
result = gt.evaluate(model, source(held_out), micro_batch=64,
                     on_batch=lambda batch, logits: scores.append(logits.numpy().copy()))
logits = np.concatenate(scores)
auc = roc_auc_score(label[held_out], logits[:, 1] - logits[:, 0])
print(f"held-out loss {result.loss:.3f}")
print(f"ROC-AUC {auc:.4f} on {int(held_out.sum())} held-out patients")
