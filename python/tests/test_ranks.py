"""Ranks as threads: run(), the communicator, data parallelism, and states that ranks share."""

import gc
import threading
import time
import traceback

import numpy as np
import pytest

import gigatrain as gt

LEAVES, SAMPLES = 4, 2  # of a leaf


class Net(gt.nn.Model):
    """Layers of the library, and a parameter that Python itself uses: x (B, 4) -> (B, 3)"""

    def __init__(self):
        super().__init__()
        self.fc = gt.nn.Linear(4, 8, gelu=True, init_std=0.5)
        self.out = gt.Parameter((3, 8), std=0.5)

    def forward(self, x):
        return gt.linear(self.fc(x), self.out)

    def loss(self, batch, scale):
        return gt.cross_entropy(self(batch["x"]), batch["label"], scale)


def source():
    rng = np.random.default_rng(0)
    return gt.ArraySource({"x": rng.normal(size=(64, 4)).astype(np.float32),
                           "label": rng.integers(0, 3, 64).astype(np.int32)},
                          global_batch=LEAVES * SAMPLES, seed=1)


def shared_model(ranks, zero, optimizer="adamw"):
    model = gt.nn.materialize(Net(), seed=1)
    dp = gt.DataParallel(model, ranks, leaves=LEAVES, zero=zero, whole=optimizer)
    return model, dp, gt.optim.make_optimizer(optimizer, model)


def own_loop(ranks, zero=0, steps=3, optimizer="adamw", load=None, save=None):
    model, dp, optim = shared_model(ranks, zero, optimizer)
    data = source()
    first = gt.load_state(load, model, optim, ranks=ranks) if load else 0
    for step in range(first, steps):
        dp.begin_step()
        for turn in dp.turns():
            batch = data.batch_at(step, first=SAMPLES * turn.leaf, count=SAMPLES)
            with dp.leaf(turn):
                model.loss(batch, 1 / (LEAVES * SAMPLES)).backward()
        dp.finish()
        dp.step(optim, step=step + 1, lr=1e-2, clip=dp.clip(0.5))
    if save:
        gt.save_state(save, model, optim, step=steps, ranks=dp)
    return gt.state_digest(model, optim, ranks=dp)


def with_trainer(ranks, zero=0):
    model, dp, optim = shared_model(ranks, zero)
    seen = []
    trainer = gt.Trainer(model, optim, source(), steps=3, clip=0.5, ranks=dp, micro_batch=SAMPLES,
                         schedule=gt.optim.Schedule("constant", lr=1e-2))
    trainer.on_step(lambda report: seen.append(report.loss))
    assert trainer.fit() == "finished" and len(seen) == 3
    held_out = gt.evaluate(model, source(), micro_batch=8, ranks=ranks).loss
    assert gt.evaluate(model, source(), micro_batch=8, ranks=dp).loss == held_out
    return gt.state_digest(model, optim, ranks=ranks), seen, held_out


def on(count, function, *args, **named):
    """The results of all ranks, which are one."""
    results = gt.init(ranks=count, timeout_s=60).run(function, *args, **named)
    assert len(results) == count and all(r == results[0] for r in results), results
    return results[0]


def test_every_rank_runs_and_returns():
    def function(ranks, factor, offset=0):
        return factor * ranks.rank + offset, ranks.size, threading.get_ident()

    results = gt.init(ranks=3).run(function, 10, offset=1)
    assert [r[:2] for r in results] == [(1, 3), (11, 3), (21, 3)]
    assert len({r[2] for r in results}) == 3 and results[0][2] == threading.get_ident()
    assert gt.init().run(lambda ranks: (ranks.rank, ranks.size)) == [(0, 1)]


def test_communicator_moves_data():
    def function(ranks):
        own = np.full((2,), ranks.rank, np.float32)
        gathered = ranks.all_gather(own)
        tensors = ranks.all_gather(gt.from_numpy(own))
        told = np.full((2, 2), ranks.rank, np.int32)
        assert ranks.broadcast(told, root=1) is told
        ranks.barrier()
        return (gathered.tolist(), tensors.numpy().tolist(), told.tolist(),
                ranks.all_reduce(ranks.rank + 1), ranks.all_reduce(0.5 * ranks.rank, "max"),
                ranks.all_reduce(np.int64(ranks.rank), op="min"))

    rows = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    assert on(3, function) == (rows, rows, [[1, 1], [1, 1]], 6, 1.0, 0)


def test_a_rank_that_waits_lets_others_run_python():
    def function(ranks):
        total = 0
        for i in range(20):
            if ranks.rank == i % 2:
                total += sum(range(20_000))  # Python, while the other is in C++
            ranks.barrier()
        return total

    assert gt.init(ranks=2, timeout_s=20).run(function) == [10 * sum(range(20_000))] * 2


@pytest.mark.parametrize("wait", ["for a weight", "in the end of a DataParallel"])
def test_a_rank_that_waits_holds_no_lock(wait):
    def function(ranks):
        model, dp, _ = shared_model(ranks, zero=1)
        if ranks.rank == 1:
            time.sleep(0.1)  # the others wait for this rank's part meanwhile
        if wait == "for a weight":
            return gt.linear(gt.zeros((1, 8)), model.out).numpy().tolist()
        dp.weights_changed()

    on_two = gt.init(ranks=2, timeout_s=5).run(function)
    assert on_two[0] == on_two[1]


def test_ranks_have_devices_of_their_own():
    def function(ranks):
        return gt.default_device(), gt.device("cpu"), gt.device("cpu", threads=3).threads

    outside = gt.default_device()
    (a, a_again, threads), (b, b_again, _) = gt.init(ranks=2).run(function)
    assert a == a_again and b == b_again and threads == 3
    assert len({outside, a, b}) == 3 and gt.default_device() == outside
    assert a.threads <= max(1, outside.threads // 2)


def test_an_exception_of_a_rank_comes_out_with_its_traceback():
    def at_fault():
        raise KeyError("no such thing")

    def function(ranks):
        if ranks.rank == 1:
            at_fault()
        ranks.barrier()  # the others do not wait for ever

    with pytest.raises(KeyError, match="no such thing") as caught:
        gt.init(ranks=3, timeout_s=60).run(function)
    assert "at_fault" in "".join(traceback.format_tb(caught.value.__traceback__))
    assert getattr(caught.value, "__notes__", ["on rank 1 of 3"]) == ["on rank 1 of 3"]
    assert gt.init(ranks=3).run(lambda ranks: ranks.rank) == [0, 1, 2]


def test_calls_that_differ_name_the_lines():
    def function(ranks):
        ranks.set_label("step 7")
        if ranks.rank == 0:
            return ranks.barrier()
        return ranks.all_reduce(1)

    with pytest.raises(gt.CommunicationError, match=r"test_ranks\.py:\d+.*step 7"):
        gt.init(ranks=2, timeout_s=60).run(function)


def test_a_late_rank_is_named_at_the_deadline():
    late = threading.Event()

    def function(ranks):
        if ranks.rank == 1:
            late.wait(20)
        try:
            ranks.barrier()
        finally:
            late.set()

    with pytest.warns(RuntimeWarning, match="rank 1"):
        with pytest.raises(gt.Timeout, match="rank 1"):
            gt.init(ranks=2, timeout_s=0.3).run(function)


def test_mistakes_are_explained():
    with pytest.raises(gt.InvalidArgument, match="at least one rank"):
        gt.init(ranks=0)
    with pytest.raises(gt.InvalidArgument, match="cannot start further ranks"):
        gt.init(ranks=2).run(lambda ranks: gt.init(ranks=2).run(len))
    with pytest.raises(gt.InvalidArgument, match="int or a float, got str"):
        gt.init(ranks=2).run(lambda ranks: ranks.all_reduce("x"))
    with pytest.raises(gt.InvalidArgument, match="contiguous"):
        gt.init(ranks=2).run(lambda ranks: ranks.all_gather(np.zeros((4, 4), np.float32)[:, :2]))
    kept = gt.init(ranks=2).run(lambda ranks: ranks)
    with pytest.raises(gt.InvalidArgument, match="function has ended"):
        kept[1].barrier()
    assert repr(kept[1]) == "Communicator(ended)"


def sharing(ranks, **options):
    gt.DataParallel(gt.nn.materialize(Net(), seed=1), ranks, **{"leaves": 4, **options})


@pytest.mark.parametrize("options, message", [
    ({"leaves": 1}, "leaves"), ({"zero": 4}, "stages 0 to 3"), ({"whole": "adam"}, "no optimizer 'adam'"),
    ({"whole": ["fc.wieght"]}, "no parameter 'fc.wieght'")])
def test_sharing_is_checked(options, message):
    with pytest.raises(gt.InvalidArgument, match=message):
        gt.init(ranks=2).run(sharing, **options)


def test_what_needs_whole_values_says_so():
    def function(ranks, wrong):
        model, dp, adamw = shared_model(ranks, zero=1)
        wrong(model, dp)

    class Descent(gt.optim.Optimizer):
        def step(self, step, lr, clip=None): ...
        def state(self): return {}

    for wrong, message in ((lambda model, dp: model.state_dict(), "save_state"),
                           (lambda model, dp: dp.step(Descent(), step=1, lr=1.0), "zero=0")):
        with pytest.raises(gt.InvalidArgument, match=message):
            gt.init(ranks=2).run(function, wrong)


def test_a_loop_of_ones_own_has_one_digest():
    expected = on(1, own_loop)
    for count, zero in ((1, 3), (2, 0), (2, 1), (2, 2), (2, 3), (3, 0), (4, 3)):
        assert on(count, own_loop, zero) == expected, (count, zero)
    muon = on(1, own_loop, optimizer="muon")
    assert muon != expected and on(2, own_loop, 2, optimizer="muon") == muon


def test_the_trainer_has_one_digest_and_loss():
    expected = on(1, with_trainer)
    assert expected[0] == on(1, own_loop)
    for count, zero in ((2, 0), (2, 3), (4, 2)):
        assert on(count, with_trainer, zero) == expected, (count, zero)


def test_accuracy_is_that_of_one_rank():
    def function(ranks, zero):
        model = gt.nn.ClassificationHead(gt.nn.Sequential(gt.nn.Linear(4, 8, init_std=0.5)),
                                         channels=8, classes=3)
        dp = gt.DataParallel(gt.nn.materialize(model, seed=1), ranks, leaves=LEAVES, zero=zero)
        return gt.accuracy(model, source(), micro_batch=8, ranks=dp)

    assert 0 < on(1, function, 0) < 1 and on(3, function, 3) == on(1, function, 0)


def test_a_state_is_continued_by_other_ranks(tmp_path):
    path = str(tmp_path / "state.safetensors")
    expected = on(1, own_loop, steps=4)
    on(3, own_loop, 3, steps=2, save=path)
    for count, zero in ((1, 0), (2, 2), (4, 3)):
        assert on(count, own_loop, zero, steps=4, load=path) == expected, (count, zero)
    with pytest.raises(gt.Corrupt, match="another model or optimizer"):
        on(2, own_loop, optimizer="sgd", load=path)


def test_a_step_that_raises_can_be_made_again():
    def function(ranks):
        model, dp, adamw = shared_model(ranks, 0)
        data = source()
        for fails in (True, False):
            dp.begin_step()
            try:
                for turn in dp.turns():
                    batch = data.batch_at(0, first=SAMPLES * turn.leaf, count=SAMPLES)
                    with dp.leaf(turn):
                        model.loss(batch, 1 / 8).backward()
                        if fails:
                            raise ZeroDivisionError
            except ZeroDivisionError:
                continue
            dp.finish()
            dp.step(adamw, step=1, lr=1e-2, clip=dp.clip(0.5))
        return gt.state_digest(model, adamw, ranks=ranks)

    assert on(2, function) == on(1, own_loop, steps=1)


def test_an_optimizer_of_python_shares_gradients():
    class Descent(gt.optim.Optimizer):
        def __init__(self, model):
            super().__init__()
            self.model = model.parameters()

        def step(self, step, lr, clip=None):
            for p in self.model:
                p.assign(p.value - p.grad * lr)

        def state(self):
            return {}

    def function(ranks):
        model = gt.nn.materialize(Net(), seed=1)
        dp = gt.DataParallel(model, ranks, leaves=LEAVES)
        gt.Trainer(model, Descent(model), source(), steps=2, ranks=dp).fit()
        return gt.state_digest(model)

    assert on(2, function) == on(1, function)


def test_a_shared_model_is_freed():
    def function(ranks, steps):
        own_loop(ranks, 3, steps)
        gc.collect()
        return gt.default_device().memory()["total"]["now"]

    world = gt.init(ranks=2)
    assert world.run(function, 1) == world.run(function, 3)


CONFIG = """
[run]
name = "r{1}"
dir = "{0}"
[model]
n_layer = 1
n_head = 2
n_embd = 8
[data]
train = "{0}/train.bin"
[train]
steps = 4
seq_len = 8
global_batch = 4
micro_batch = 1
leaves = 4
[checkpoint]
every = 2
[parallel]
zero = {2}
"""


class Observer:
    def __init__(self):
        self.seen = []

    def on_step(self, line):
        self.seen.append((line.report.step, line.report.loss))

    def on_checkpoint(self, line):
        self.seen.append(line.digest)


def test_a_run_on_ranks_is_observed_once(tmp_path):
    (tmp_path / "text.txt").write_text("in the beginning " * 40)
    gt.tokenize_files(gt.tokenizer("byte"), [str(tmp_path / "text.txt")], str(tmp_path))
    runs = []
    for ranks, zero in ((1, 0), (2, 0), (2, 3)):
        observer = Observer()
        config = gt.parse_config(CONFIG.format(tmp_path, f"{ranks}{zero}", zero))
        outcome = gt.train_run(config, observer=observer, ranks=ranks)
        runs.append((outcome.digest, sorted(map(str, observer.seen))))
    assert runs[0] == runs[1] == runs[2] and len(runs[0][1]) == 6

    class Raises:
        def on_step(self, line):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        gt.train_run(gt.parse_config(CONFIG.format(tmp_path, "raises", 0)), observer=Raises(), ranks=2)
