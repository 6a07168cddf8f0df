"""Whole runs: checkpoints in the background, and their report."""

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
