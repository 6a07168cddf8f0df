"""Every optimizer, schedules, groups."""

import pytest

import gigatrain as gt
from test_training import Mlp, Regression, data, table, trainer  # noqa: F401

MADE = {
    "AdamW": lambda p: gt.optim.AdamW(p, weight_decay=0.0),
    "AdamW8bit": lambda p: gt.optim.AdamW8bit(p, weight_decay=0.0),
    "Sgd": lambda p: gt.optim.Sgd(p, momentum=0.9, nesterov=True),
    "Lion": lambda p: gt.optim.Lion(p, weight_decay=0.0),
    "Muon": lambda p: gt.optim.Muon(p, adamw_names=["*out*"]),
    "Adafactor": lambda p: gt.optim.Adafactor(p, threshold=1.0),
}
MADE.update({f"make_optimizer {name}": lambda p, name=name: gt.optim.make_optimizer(name, p)
             for name in gt.optim.optimizer_names()})
RATES = {"Lion": 2e-3, "make_optimizer lion": 2e-3, "Sgd": 2e-2, "make_optimizer sgd": 2e-2}


def test_every_class_is_here():
    classes = {name for name, value in vars(gt.optim).items() if isinstance(value, type)
               and issubclass(value, gt.optim.Optimizer) and value is not gt.optim.Optimizer}
    assert classes == {name for name in MADE if " " not in name}
    assert len(gt.optim.optimizer_names()) == len(classes)


@pytest.mark.parametrize("name", MADE)
def test_trains(name, data):
    model = gt.nn.materialize(Regression())
    before = gt.evaluate(model, data, micro_batch=64).loss
    optimizer = MADE[name](model)
    trainer(model, optimizer, data, lr=RATES.get(name, 1e-2)).fit()
    assert gt.evaluate(model, data, micro_batch=64).loss < 0.5 * before
    assert all(key.startswith("net.") for key in optimizer.state()) and optimizer.state()


@pytest.mark.parametrize("name", MADE)
def test_refuses_what_is_frozen(name):
    model = gt.nn.materialize(Mlp())
    model.out.requires_grad = False
    with pytest.raises(gt.InvalidArgument, match="'out'"):
        MADE[name](model)
    MADE[name]([p for p in model.parameters() if p.requires_grad])


def test_keeps_its_parameters_alive():
    import gc

    model = gt.nn.materialize(Mlp())
    model(gt.full((1, 8), 1.0)).sum().backward()
    gt.collect_gradients(model)
    made = [make(model) for make in MADE.values()]
    del model
    gc.collect()
    for optimizer in made:
        optimizer.step(step=1, lr=1e-3)
        assert optimizer.state()


def state_names(optimizer):
    return {name.rsplit(".", 1)[1] for name in optimizer.state()}


def test_states():
    model = gt.nn.materialize(gt.nn.Sequential(gt.nn.Linear(64, 64)))
    assert state_names(gt.optim.Adafactor(model)) == {"exp_avg_sq_row", "exp_avg_sq_col",
                                                      "exp_avg_sq"}
    assert "exp_avg_8bit" in state_names(gt.optim.AdamW8bit(model))
    assert state_names(gt.optim.Muon(model)) == {"momentum_buffer", "exp_avg", "exp_avg_sq"}
    assert state_names(gt.optim.Muon(model, adamw_names=["*"])) == {"exp_avg", "exp_avg_sq"}
    assert state_names(gt.optim.make_optimizer("lion", model, ema=0.9)) == {"exp_avg", "ema"}


def first_update(**options):
    model = gt.nn.materialize(gt.nn.Sequential(gt.nn.Linear(4, 4, bias=False)))
    before = model.parameters()[0].value.numpy().copy()
    model(gt.full((1, 4), 1.0)).sum().backward()
    gt.collect_gradients(model)
    gt.optim.make_optimizer("adafactor", model, weight_decay=0.0, **options).step(step=1, lr=0.1)
    return abs(model.parameters()[0].value.numpy() - before).mean()


def test_options_arrive():
    usual = first_update()
    assert first_update(threshold=0.5) == pytest.approx(0.5 * usual, rel=1e-4)
    assert first_update(relative_step=True) < 0.1 * usual
    with pytest.raises(gt.InvalidArgument, match="adagrad"):
        gt.optim.make_optimizer("adagrad", gt.nn.materialize(Mlp()))


def test_schedules():
    at = gt.optim.Schedule("inverse_sqrt", lr=1.0, warmup=4, steps=100).at
    assert at(3) == 1.0 and at(15) == 0.5
    wsd = gt.optim.Schedule("wsd", lr=1.0, steps=100, decay=0.5, min_lr=0.1)
    assert wsd(49) == 1.0 and wsd(99) == pytest.approx(0.1, abs=0.02) and 0.4 < wsd(74) < 0.7
    root = gt.optim.Schedule("wsd", lr=1.0, steps=100, decay=0.5, shape="sqrt")
    assert root(74) < gt.optim.Schedule("wsd", lr=1.0, steps=100, decay=0.5)(74)
    for bad in [{"kind": "step"}, {"kind": "wsd", "shape": "cubic"}]:
        with pytest.raises(gt.InvalidArgument):
            gt.optim.Schedule(**bad)
