"""A GPT learns to write like the licences that every Debian carries, in half a minute.

Run:    python train_gpt.py
Expect: held-out loss [12]\\.\\d+ nats a byte
"""

import glob
import os
import tempfile

import gigatrain as gt

STEPS, SEQ_LEN, BATCH = 300, 64, 16

tokenizer = gt.tokenizer("byte")
texts = [p for p in sorted(glob.glob("/usr/share/common-licenses/*")) if not os.path.islink(p)]
with tempfile.TemporaryDirectory() as folder:
    for i, path in enumerate(texts):  # the tokenizer wants names that end in .txt
        with open(path, encoding="utf-8", errors="replace") as source:
            with open(f"{folder}/{i:02}.txt", "w", encoding="utf-8") as copy:
                copy.write(source.read())
    gt.tokenize_files(tokenizer, sorted(glob.glob(f"{folder}/*.txt")), folder, val_fraction=0.1)
    train = gt.TokenSource([f"{folder}/train.bin"], seq_len=SEQ_LEN, global_batch=BATCH, seed=1)
    val = gt.TokenSource([f"{folder}/val.bin"], seq_len=SEQ_LEN, global_batch=BATCH)

    model = gt.nn.gpt(gt.nn.GptConfig(vocab_size=tokenizer.vocab_size, n_positions=SEQ_LEN,
                                      n_layer=3, n_head=4, n_embd=96, init_std=0.08))
    gt.nn.materialize(model, seed=1)
    trainer = gt.Trainer(model, gt.optim.AdamW(model, weight_decay=0.1), train, steps=STEPS,
                         schedule=gt.optim.Schedule("cosine", lr=3e-3, warmup=30, min_lr=0.05))
    trainer.on_step(lambda r: r.step % 50 == 0 and print(
        f"step {r.step}  loss {r.loss:.3f}  {r.samples * SEQ_LEN / r.step_ms * 1e3:.0f} tokens/s"))
    trainer.fit()

    prompt = "This License "
    ids = gt.generate(model, tokenizer.encode(prompt), max_tokens=120, temperature=0.5)
    print(prompt + tokenizer.decode(ids).replace("\n", " "))
    held_out = gt.evaluate(model, val, micro_batch=BATCH)
    print(f"held-out loss {held_out.loss:.3f} nats a byte")
