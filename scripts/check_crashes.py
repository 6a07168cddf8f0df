#!/usr/bin/env python3
"""A real training, harmed at every system call of its saves; then the same command goes on.

  KILL    kill -9 before call N that touches a checkpoint, of saves in the background
  strace  the same from outside, where strace works, for saves that are waited for: it counts calls by
          name in each thread, so N is the first thread's to come so far
  ENOSPC, EIO   call N fails once
  FULL    from call N on the disk is full          DEAD   from call N on every call fails
  SHORT   from call N on each write writes half
All but strace are done by tests/support/faulty_disk.c, which counts the calls of all threads.

After each: what was said to be saved is whole, no newer one is damaged, a run that did not finish
ended with exit code 6 and one message, and the same command ends with the digest of an unbroken run.

Usage: scripts/check_crashes.py [--program build/cpu/bin/gigatrain] [--every N] [--jobs N] [KIND ...]
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = ("strace", "KILL", "ENOSPC", "EIO", "FULL", "DEAD", "SHORT")
KILLED = -9
CONFIG = """
[run]
name = "r"
dir = "runs"
[model]
kind = "gpt"
n_layer = 1
n_head = 1
n_embd = 16
[data]
train = "{data}"
tokenizer = "byte"
[train]
steps = 6
seq_len = 16
global_batch = 2
[checkpoint]
every = 2
keep = 1
"""
Case = collections.namedtuple("Case", "kind call at")
Ended = collections.namedtuple("Ended", "code text digest saved")


class Wrong(Exception):
    pass


class Bench:
    def __init__(self, program, work):
        self.program, self.work = program, work
        text = work / "text.txt"
        text.write_text((ROOT / "docs/design.md").read_text()[:30000])
        self.run(work, ["data", "tokenize", "--tokenizer", "byte", "--input", text, "--output", "data"])
        (work / "tiny.toml").write_text(CONFIG.format(data=work / "data/train.bin"))
        self.shim = work / "faulty_disk.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.shim,
                        ROOT / "tests/support/faulty_disk.c", "-ldl"], check=True)
        self.digest = self.train(self.folder("unbroken")).digest

    def folder(self, name):
        (self.work / name).mkdir()
        return self.work / name

    def run(self, folder, arguments, before=(), env=None):
        done = subprocess.run([*before, self.program, *arguments], cwd=folder, text=True,
                              capture_output=True, timeout=300,
                              env={**os.environ, "GIGATRAIN_NUM_THREADS": "1", **(env or {})})
        return done.returncode, done.stdout + done.stderr

    def train(self, folder, waits=False, **how):
        code, text = self.run(folder, ["train", self.work / "tiny.toml"] +
                              ["checkpoint.async=false"] * waits, **how)
        digest = re.search(r"^finished .*digest (\w+)", text, re.M)
        saved = [int(s) for s in re.findall(r"^saved .*/step_(\d+) ", text, re.M)]
        return Ended(code, text, digest and digest[1], max(saved, default=0))

    def newest_whole(self, folder):
        """The newest step, which must be whole; 0: there is none."""
        steps = sorted((folder / "runs/r/ckpt").glob("step_*"))
        if not steps:
            return 0
        code, text = self.run(folder, ["ckpt", "verify", steps[-1]])
        if code != 0:
            raise Wrong(f"the newest checkpoint is damaged:\n{text}")
        return int(steps[-1].name[5:])

    def check(self, folder, ended, may_be_killed):
        allowed = {0, 6} | ({KILLED} if may_be_killed else set())
        if ended.code not in allowed:
            raise Wrong(f"exit code {ended.code}:\n{ended.text}")
        if ended.code == 6 and len(re.findall("^error:", ended.text, re.M)) != 1:
            raise Wrong(f"not one message:\n{ended.text}")
        if self.newest_whole(folder) < ended.saved:
            raise Wrong(f"step {ended.saved} was saved and is lost:\n{ended.text}")
        if ended.code != 0:
            ended = self.train(folder)
        if ended.code != 0 or ended.digest != self.digest or self.newest_whole(folder) != 6:
            raise Wrong(f"going on: exit code {ended.code}, digest {ended.digest}, unbroken "
                        f"{self.digest}:\n{ended.text}")

    def calls(self):
        """System calls by name and number in their thread (from 1) that touch a checkpoint."""
        folder, log = self.folder("counted"), self.work / "strace.txt"
        self.train(folder, waits=True, before=["strace", "-f", "-y", "-o", log])
        seen, ours = collections.Counter(), {}
        for line in log.read_text().splitlines():
            if call := re.match(r"(\d+) +(\w+)\(", line):
                seen[call.groups()] += 1
                if "/ckpt" in line:
                    ours[Case("strace", call[2], seen[call.groups()])] = True
        return list(ours)

    def harm(self, case):
        """What happened: 'ok' or what is wrong; None when the run has no such call."""
        folder = self.folder(f"{case.kind}-{case.call}-{case.at}")
        report = folder / "struck"
        try:
            if case.kind == "strace":
                inject = f"inject={case.call}:signal=KILL:when={case.at}"
                ended = self.train(folder, waits=True, before=[
                    "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={case.call}", "-e", inject])
                if ended.code != KILLED:
                    raise Wrong(f"it was not killed: exit code {ended.code}\n{ended.text}")
            else:
                ended = self.train(folder, env={
                    "LD_PRELOAD": str(self.shim), "FAULT": case.kind, "FAULT_AT": str(case.at),
                    "FAULT_FOLDER": "/ckpt", "FAULT_REPORT": str(report)})
                if not report.exists():
                    return None
            self.check(folder, ended, case.kind in ("strace", "KILL"))
            return "ok"
        except Wrong as wrong:
            call = report.read_text() if report.exists() else case.call
            return f"{case.kind} at {call} {case.at}: {wrong}"
        finally:
            shutil.rmtree(folder)


def check_kind(bench, kind, every, pool):
    if kind == "strace":
        results = list(pool.map(bench.harm, bench.calls()[::every]))
    else:
        results, at = [], 1
        while None not in results:  # until a run has no call of that number
            batch = range(at, at + 4 * every, every)
            results += pool.map(bench.harm, [Case(kind, "call", n) for n in batch])
            at = batch[-1] + every
        results = [r for r in results if r]
    wrong = [r for r in results if r != "ok"]
    print(f"{kind:8} at {len(results)} calls: {len(wrong)} failures", flush=True)
    for text in wrong[:3]:
        print(text)
    return not wrong and results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/cpu/bin/gigatrain", type=pathlib.Path)
    parser.add_argument("--every", default=1, type=int, help="only each so many-th call")
    parser.add_argument("--jobs", default=2, type=int)
    parser.add_argument("kinds", nargs="*", default=KINDS, metavar="KIND", help=" ".join(KINDS))
    options = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    kinds = list(options.kinds)
    if "strace" in kinds and not (shutil.which("strace") and subprocess.run(
            ["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode == 0):
        print("strace   does not work here: left out")
        kinds.remove("strace")
    with tempfile.TemporaryDirectory(dir=memory) as work, \
            concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        bench = Bench(options.program.resolve(), pathlib.Path(work))
        good = [check_kind(bench, kind, options.every, pool) for kind in kinds]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
