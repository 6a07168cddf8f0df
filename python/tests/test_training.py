"""Layers, optimizers and the Trainer, with parts written in Python."""

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import gigatrain as gt


class Mlp(gt.nn.Layer):
    def __init__(self, n_in=8, n_out=4, width=32):
        super().__init__()
        self.fc = gt.nn.Linear(n_in, width, gelu=True, init_std=0.3)
        self.out = gt.Parameter((n_out, width), std=0.2)

    def forward(self, x):
        return gt.linear(self.fc(x), self.out)


class Regression(gt.nn.Model):
    def __init__(self):
        super().__init__()
        self.net = Mlp()

    def forward(self, x):
        return self.net(x)

    def loss(self, batch, scale):
        d = self(batch["x"]) - batch["y"]
        return (d * d).sum() * scale


class Sgd(gt.optim.Optimizer):
    """Momentum; a state that checkpoints can see."""

    def __init__(self, model, momentum=0.9):
        super().__init__()
        self.parameters = model.parameters()
        self.momentum = momentum
        self.velocity = {p.name: gt.zeros(p.shape) for p in self.parameters}

    def step(self, step, lr, clip=None):
        factor = 1.0 if clip is None else clip[1].item()
        if factor != factor:
            return
        for p in self.parameters:
            v = self.velocity[p.name]
            v.assign(v * self.momentum + p.grad * factor)
            p.assign(p.value - v * lr)

    def state(self):
        return {name + ".velocity": v for name, v in self.velocity.items()}


@pytest.fixture
def table(rng):
    x = rng.normal(size=(256, 8)).astype("f")
    return {"x": x, "y": np.tanh(x[:, :4])}


@pytest.fixture
def data(table):
    return gt.ArraySource(table, global_batch=32, seed=1)


def trainer(model, optimizer, data, steps=60, lr=1e-2, **options):
    return gt.Trainer(model, optimizer, data, steps=steps,
                      schedule=gt.optim.Schedule("constant", lr=lr), **options)


def test_a_loop_of_ones_own(table):
    model = gt.nn.materialize(Mlp())
    adamw = gt.optim.AdamW(model, weight_decay=0.0)
    x, y = gt.tensor(table["x"]), gt.tensor(table["y"])
    losses = []
    for step in range(1, 101):
        d = model(x) - y
        loss = (d * d).mean()
        loss.backward()
        gt.collect_gradients(model)
        adamw.step(step=step, lr=1e-2, clip=gt.optim.clip(model, 1.0))
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_attributes_make_the_tree():
    m = Mlp()
    assert [name for name, _ in m.named_parameters()] == ["fc.bias", "fc.weight", "out"]
    assert [name for name, _ in m.children()] == ["fc"]
    gt.nn.materialize(m)
    assert m.fc.path == "fc" and m.out.name == "out" and m.fc is m.children()[0][1]
    m.fc = gt.nn.Linear(8, 32, bias=False)
    assert [name for name, _ in m.named_parameters()] == ["fc.weight", "out"]
    del m.out
    assert [name for name, _ in m.named_parameters()] == ["fc.weight"]
    m.fc = None
    assert m.named_parameters() == []
    with pytest.raises(gt.InvalidArgument, match="Linear takes no further"):
        gt.nn.Linear(2, 2).extra = gt.nn.Linear(2, 2)


def test_layers_live_as_long_as_their_parent():
    import gc

    class Parent(gt.nn.Layer):
        def __init__(self):
            super().__init__()
            self.child = Mlp(2, 2, 2)

        def forward(self, x):
            return self.child(x)

    chain = gt.nn.materialize(gt.nn.Sequential(Parent(), gt.gelu, Parent()))
    gc.collect()
    assert chain(gt.zeros((1, 2))).shape == (1, 2)  # C++ calls Python layers nobody else holds
    assert type(chain[0].child).__name__ == "Mlp"
    parameters = chain.parameters()
    del chain
    gc.collect()
    assert all(p.value is not None for p in parameters)


def test_what_python_layers_get_wrong():
    class NoForward(gt.nn.Layer):
        pass

    class NoTensor(gt.nn.Layer):
        def forward(self, x):
            return 1.0

    with pytest.raises(gt.Unsupported, match="NoForward does not define forward"):
        NoForward()(gt.zeros((1,)))
    with pytest.raises(TypeError, match="NoTensor.forward"):
        gt.nn.Sequential(NoTensor())(gt.zeros((1,)))

    class NoSuper(gt.nn.Layer):
        def __init__(self):
            pass

    with pytest.raises(TypeError, match="__init__"):
        NoSuper()
    with pytest.raises(gt.InvalidArgument, match="materialize"):
        Mlp()(gt.zeros((1, 8)))


def test_activations_are_layers(rng):
    x = gt.tensor(rng.normal(size=(2, 3)).astype("f"))
    for layer, f in [(gt.nn.Gelu, gt.gelu), (gt.nn.Relu, gt.relu), (gt.nn.Sigmoid, gt.sigmoid),
                     (gt.nn.Silu, gt.silu), (gt.nn.Tanh, gt.tanh)]:
        assert layer()(x).tolist() == f(x).tolist() and isinstance(layer(), gt.nn.Layer)


def test_packed_linear():
    packed = gt.nn.materialize(gt.nn.PackedLinear(4, {"q": 4, "k": 2}, init_std=1.0))
    assert [(n, p.shape) for n, p in packed.named_parameters()] == [
        ("k.bias", (2,)), ("k.weight", (2, 4)), ("q.bias", (4,)), ("q.weight", (4, 4))]
    x = gt.full((3, 4), 1.0)
    y, parts = packed(x), dict(packed.named_parameters())
    assert y.shape == (3, 6)
    want = gt.linear(x, parts["k.weight"].value)
    np.testing.assert_allclose(y[:, 4:].numpy(), want.numpy(), rtol=1e-5)
    with pytest.raises(gt.InvalidArgument, match="part of a pack"):
        gt.linear(x, parts["k.weight"])


def test_state_dict_round_trip():
    a, b = gt.nn.materialize(Mlp(), seed=1), gt.nn.materialize(Mlp(), seed=2)
    b.load_state_dict({name: t.numpy() for name, t in a.state_dict().items()})
    assert gt.state_digest(a) == gt.state_digest(b)
    with pytest.raises(gt.InvalidArgument) as error:
        b.load_state_dict({"out": np.ones((3, 3), "f"), "more": np.ones(1, "f")})
    for words in ["missing: fc.bias", "missing: fc.weight", "wrong shape: out", "unexpected: more"]:
        assert words in str(error.value)
    assert gt.state_digest(a) == gt.state_digest(b)


def test_the_trainer_trains_a_python_model(data):
    model = gt.nn.materialize(Regression())
    reports = []
    t = trainer(model, gt.optim.AdamW(model), data, leaves=2)
    t.on_step(reports.append)
    assert t.fit() == "finished"
    assert [r.step for r in reports] == list(range(1, 61))
    assert reports[-1].loss < 0.3 * reports[0].loss and reports[0].samples == 32
    assert gt.evaluate(model, data, micro_batch=64).loss < reports[0].loss


def test_the_trainer_takes_a_python_optimizer(data):
    model = gt.nn.materialize(Regression())
    sgd = Sgd(model)
    before = gt.evaluate(model, data, micro_batch=64).loss
    trainer(model, sgd, data, lr=0.02).fit()
    assert gt.evaluate(model, data, micro_batch=64).loss < 0.5 * before
    assert "net.out.velocity" in sgd.state()
    assert gt.state_digest(model, sgd) != gt.state_digest(model)


def run_digest(data, **options):
    model = gt.nn.materialize(Regression())
    adamw = gt.optim.AdamW(model)
    trainer(model, adamw, data, steps=5, **options).fit()
    return gt.state_digest(model, adamw)


def test_micro_batches_change_no_bit(data):
    assert run_digest(data, leaves=4, micro_batch=8) == run_digest(data, leaves=4, micro_batch=8)


def test_a_batch_ramp(data):
    model = gt.nn.materialize(Regression())
    adamw = gt.optim.AdamW(model)
    ramp = trainer(model, adamw, data, steps=5, leaves=4, batch_ramp=["0: 1", "2: 4"])
    assert [ramp.step().samples for _ in range(5)] == [8, 8, 32, 32, 32]
    assert ramp.tokens_done == 112
    assert run_digest(data, leaves=4, batch_ramp=["0: 4"]) == run_digest(data, leaves=4)
    with pytest.raises(gt.InvalidArgument, match="begin at step 0, got 3"):
        trainer(model, adamw, data, leaves=4, batch_ramp=["3: 4"])


def test_the_same_from_a_function(table, data):
    def fill(step, first, count):
        batch = data.batch_at(step)
        return {k: batch[k].numpy()[first:first + count] for k in ("x", "y")}

    made = gt.FunctionSource(fill, {"x": ("f32", 8), "y": ("f32", (4,))}, name="t", global_batch=32)
    assert run_digest(made) == run_digest(data)


@pytest.mark.parametrize(
    "fill, error, words",
    [
        (lambda s, f, n: {}, gt.InvalidArgument, "must return the field 'x'"),
        (lambda s, f, n: {"x": np.ones((n, 7), "f")}, gt.InvalidArgument, "must be f32 of shape"),
        (lambda s, f, n: {"x": np.ones((n, 8))}, gt.InvalidArgument, "got f64"),
        (lambda s, f, n: 3, TypeError, "got int"),
        (lambda s, f, n: 1 / 0, ZeroDivisionError, "division"),
        (lambda s, f, n: {"x": np.full((n, 8), np.nan, "f")}, gt.DataError, "x"),
    ],
)
def test_what_functions_of_data_get_wrong(fill, error, words):
    source = gt.FunctionSource(fill, {"x": ("f32", (8,))}, name="bad", global_batch=4)
    with pytest.raises(error, match=words):
        source.batch_at(0)


def test_a_callback_that_raises_leaves_a_whole_state(data):
    model = gt.nn.materialize(Regression())
    adamw = gt.optim.AdamW(model)
    t = trainer(model, adamw, data, steps=5)

    def stop_once(report):
        if report.step == 3 and not stopped:
            stopped.append(1)
            raise KeyError("enough")

    stopped = []
    t.on_step(stop_once)
    with pytest.raises(KeyError, match="enough"):
        t.fit()
    assert t.steps_done == 3
    t.fit()
    assert gt.state_digest(model, adamw) == run_digest(data)


def test_a_loss_that_raises_leaves_the_step_before(data):
    class Boom(Regression):
        calls = 0

        def loss(self, batch, scale):
            Boom.calls += 1
            if Boom.calls == 7:  # the third leaf of the second step
                raise RuntimeError("in the loss")
            return super().loss(batch, scale)

    model = gt.nn.materialize(Boom())
    adamw = gt.optim.AdamW(model)
    t = trainer(model, adamw, data, steps=5, leaves=4)
    with pytest.raises(RuntimeError, match="in the loss"):
        t.fit()
    assert t.steps_done == 1
    t.fit()
    assert gt.state_digest(model, adamw) == run_digest(data, leaves=4)


def test_stop_when(data):
    model = gt.nn.materialize(Regression())
    t = trainer(model, gt.optim.AdamW(model), data)
    t.stop_when(lambda: t.steps_done == 7)
    assert t.fit() == "requested" and t.steps_done == 7


def test_a_trainer_keeps_what_it_uses(table):
    import gc

    def make():
        model = gt.nn.materialize(Regression())
        data = gt.ArraySource(dict(table), global_batch=32, seed=1)
        return trainer(model, gt.optim.AdamW(model), data, steps=3)

    t = make()
    gc.collect()
    filler = [gt.full((32, 8), float("nan")) for _ in range(20)]  # where freed memory would be
    assert t.step().loss > 0 and t.fit() == "finished" and len(filler) == 20


def test_optimizers_take_parameters_that_learn():
    model = gt.nn.materialize(Mlp())
    with pytest.raises(gt.InvalidArgument, match="got Tensor in place 0"):
        gt.optim.AdamW([model.out.value])
    model.out.requires_grad = False
    with pytest.raises(gt.InvalidArgument, match="'out'"):
        gt.optim.AdamW(model)
    adamw = gt.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    with pytest.raises(gt.InvalidArgument, match="fc.bias"):
        adamw.step(step=1, lr=1e-3)


def test_groups():
    model = gt.nn.materialize(Mlp())
    decay, rest = [model.out], [p for p in model.parameters() if p.name != "out"]
    adamw = gt.optim.AdamW([gt.optim.ParameterGroup(decay, weight_decay=0.1),
                            gt.optim.ParameterGroup(rest, lr_scale=0.0)])
    model(gt.zeros((1, 8))).sum().backward()
    gt.collect_gradients(model)
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    adamw.step(step=1, lr=1e-2)
    after = model.state_dict()
    assert (after["fc.weight"].numpy() == before["fc.weight"]).all()
    assert (after["out"].numpy() != before["out"]).any()


def test_gpt_learns_and_writes():
    gpt = gt.nn.materialize(gt.nn.gpt(gt.nn.GptConfig(
        vocab_size=8, n_positions=8, n_layer=1, n_head=2, n_embd=32, init_std=0.1)))
    tokens = gt.tensor([[1, 2, 3, 4, 5, 6, 7]])
    targets = gt.tensor([[2, 3, 4, 5, 6, 7, 0]])
    adamw = gt.optim.AdamW(gpt)
    for step in range(1, 60):
        gpt.loss(tokens, targets, 1 / 7).backward()
        gt.collect_gradients(gpt)
        adamw.step(step=step, lr=1e-2)
    assert gt.generate(gpt, [1], max_tokens=6, temperature=0) == [2, 3, 4, 5, 6, 7]


def test_dropout_is_a_function_of_the_context():
    drop = gt.nn.materialize(gt.nn.Sequential(gt.nn.Dropout(0.5)))
    x = gt.full((4, 64), 1.0)
    assert (drop(x).numpy() == 1).all()

    def masked(step):
        with gt.nn.BatchContext(training=True, seed=1, step=step):
            return drop(x).numpy().copy()

    assert (masked(0) == masked(0)).all() and (masked(0) != masked(1)).any()
    assert set(np.unique(masked(0))) == {0.0, 2.0}


CTRL_C = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
sys.path.insert(0, sys.argv[1])
import numpy as np
import gigatrain as gt
from test_training import Regression

table = {"x": np.ones((64, 8), "f"), "y": np.ones((64, 4), "f")}
data = gt.ArraySource(table, global_batch=32, seed=1)
model = gt.nn.materialize(Regression())
adamw = gt.optim.AdamW(model)
t = gt.Trainer(model, adamw, data, steps=1000000, schedule=gt.optim.Schedule("constant", lr=1e-3))
t.on_step(lambda r: r.step == 20 and os.kill(os.getpid(), signal.SIGINT))
try:
    t.fit()
    print("went on")
except KeyboardInterrupt:
    stopped = gt.state_digest(model, adamw)
    other = gt.nn.materialize(Regression())
    other_adamw = gt.optim.AdamW(other)
    u = gt.Trainer(other, other_adamw, data, steps=t.steps_done,
                   schedule=gt.optim.Schedule("constant", lr=1e-3))
    u.fit()
    whole = stopped == gt.state_digest(other, other_adamw)
    handler = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print("stopped after", t.steps_done, whole, handler)
"""


def test_ctrl_c_stops_between_steps():
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    out = subprocess.run([sys.executable, "-c", CTRL_C, here], capture_output=True, text=True,
                         timeout=120)
    assert out.stdout.strip() == "stopped after 20 True True", out.stderr
