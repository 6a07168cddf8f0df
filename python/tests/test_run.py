"""Whole runs: checkpoints in the background, and their report."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

import gigatrain as gt

CONFIG = """
[run]
name = "r"
dir = "{0}"
[model]
n_layer = 1
n_head = 2
n_embd = 8
[data]
train = "{0}/train.bin"
[train]
steps = 6
seq_len = 8
global_batch = 2
[checkpoint]
every = 2
"""


class Observer:
    def __init__(self):
        self.saved = []

    def on_checkpoint(self, line):
        self.saved.append(line)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "text.txt").write_text("in the beginning " * 40)
    gt.tokenize_files(gt.tokenizer("byte"), [str(tmp_path / "text.txt")], str(tmp_path))
    observer = Observer()
    outcome = gt.train_run(gt.parse_config(CONFIG.format(tmp_path)), observer=observer)
    return outcome, observer


def test_checkpoints_are_told_of(run):
    outcome, observer = run
    assert [line.step for line in observer.saved] == [2, 4, 6]
    last = observer.saved[-1]
    assert (last.path, last.digest) == (outcome.checkpoint, outcome.digest)
    assert last.bytes > 1000 and last.write_ms > 0
    assert all(line.stall_ms > 0 for line in observer.saved)


def test_checkpoints_are_listed_and_verified(run):
    folder = run[0].folder
    listed = gt.list_checkpoints(folder)
    assert [(entry.step, entry.latest) for entry in listed] == [(4, False), (6, True)]
    report = gt.verify_checkpoint(folder)
    assert report.whole and report.problems == [] and report.digest == run[0].digest
    path = listed[0].folder + "/optim-00000-of-00001.safetensors"
    data = bytearray(open(path, "rb").read())
    data[-1] ^= 1
    open(path, "wb").write(data)
    report = gt.verify_checkpoint(listed[0].folder)
    assert not report.whole and "bytes " in report.problems[0]


class Asks:
    """Asks for a checkpoint in the middle."""

    def __init__(self):
        self.saved = []

    def on_start(self, summary):
        self.folder = summary.folder

    def on_step(self, line):
        if line.report.step == 3:
            gt.request_checkpoint(self.folder)

    def on_checkpoint(self, line):
        self.saved.append(line.step)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_checkpoint_on_request(tmp_path, ranks):
    (tmp_path / "text.txt").write_text("in the beginning " * 40)
    gt.tokenize_files(gt.tokenizer("byte"), [str(tmp_path / "text.txt")], str(tmp_path))
    observer = Asks()
    config = CONFIG.format(tmp_path).replace("global_batch = 2", "global_batch = 2\nmicro_batch = 1")
    gt.train_run(gt.parse_config(config), observer=observer, ranks=ranks)
    assert observer.saved == [2, 3, 4, 6]
    with pytest.raises(OSError, match="no run folder"):
        gt.request_checkpoint(str(tmp_path / "nothing"))


def test_signals(tmp_path):
    """The first one saves and ends with 75, the second one ends at once; the run goes on after both."""
    command = shutil.which("gigatrain", path=os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])
    if not command:
        pytest.skip("the command gigatrain is not installed")
    (tmp_path / "text.txt").write_text("in the beginning " * 40)
    gt.tokenize_files(gt.tokenizer("byte"), [str(tmp_path / "text.txt")], str(tmp_path))
    (tmp_path / "c.toml").write_text(CONFIG.format(tmp_path))
    base = [command, "train", str(tmp_path / "c.toml"), "train.steps=2000000", "checkpoint.every=1000000"]

    def start():
        process = subprocess.Popen(base, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith("step "):
                return process
        raise AssertionError("it does not train")

    steps = []
    for sent in (signal.SIGUSR1, signal.SIGTERM):
        process = start()
        process.send_signal(sent)
        process.communicate(timeout=60)
        assert process.returncode == 75
        steps.append(gt.list_checkpoints(str(tmp_path / "r"))[-1].step)
    assert 0 < steps[0] < steps[1]
    process = start()
    os.kill(process.pid, signal.SIGSTOP)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGUSR1)
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    report = gt.verify_checkpoint(str(tmp_path / "r"))
    assert report.whole and report.step == steps[1]


def test_report_of_one_run_and_of_several(run, tmp_path):
    folder = run[0].folder
    one = gt.report(folder)
    assert one.path == folder + "/report.html"
    assert one.last_step == 6 and one.warnings == []
    both = gt.report([folder, folder], out=str(tmp_path / "both.html"))
    page = (tmp_path / "both.html").read_text()
    assert both.bytes == len(page.encode())
    assert gt.write_tensorboard(folder).endswith("events.out.tfevents.gigatrain")
    with pytest.raises(gt.IoError, match="no folder"):
        gt.report(str(tmp_path / "nowhere"))
