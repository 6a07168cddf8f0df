"""What finds mistakes: gradient checks, anomaly mode, the trace, the memory report."""

import json
import math

import pytest

import gigatrain as gt
from test_function import Square
from test_training import Regression, data, table, trainer  # noqa: F401


class Wrong(Square):
    @staticmethod
    def backward(ctx, dout):
        return 1.9 * ctx.saved[0] * dout


def f64(values):
    return gt.tensor(values, dtype="f64")


def test_a_right_gradient_passes(rng):
    x, y = f64(rng.normal(size=(3, 4))), f64(rng.normal(size=(4,)))
    before = x.numpy().copy()
    check = gt.check_gradients(lambda a, b: (Square.apply(a) * gt.tanh(b)).sum(), [x, y])
    assert check.worst.error < 1e-6 and [e.input for e in check.inputs] == [0, 1]
    assert (x.numpy() == before).all() and not x.requires_grad


def test_a_wrong_gradient_is_found():
    check = gt.check_gradients(lambda a: Wrong.apply(a).sum(), [f64([1.0, 3.0])])
    worst = check.worst
    assert worst.error == pytest.approx(0.05, rel=1e-3)
    assert worst.index == 1 and worst.got == pytest.approx(5.7) and worst.want == pytest.approx(6)
    assert "element 1" in repr(worst)


def test_what_gradient_checks_refuse():
    with pytest.raises(gt.InvalidArgument, match="f64"):
        gt.check_gradients(lambda a: a.sum(), [gt.tensor([1.0])])
    with pytest.raises(gt.InvalidArgument, match="one f64 value"):
        gt.check_gradients(lambda a: a * 2.0, [f64([1.0, 2.0])])
    with pytest.raises(TypeError, match="must return a tensor, got float"):
        gt.check_gradients(lambda a: 1.0, [f64([1.0])])
    with pytest.raises(ZeroDivisionError):
        gt.check_gradients(lambda a: 1 / 0, [f64([1.0])])


def test_anomaly_names_the_parameter(data):
    model = gt.nn.materialize(Regression())
    t = trainer(model, gt.optim.AdamW(model), data, anomaly=True)
    t.step()
    out = model.net.out
    out.assign(out.value * math.inf)
    with pytest.raises(gt.Cancelled) as error:
        t.step()
    for words in ["step 2", "forward", "parameter 'net.out' of layer 'net'"]:
        assert words in str(error.value)


def test_anomaly_names_op_and_layer(data):
    class Logarithm(gt.nn.Layer):
        def forward(self, x):
            return gt.log(x)

    class Broken(Regression):
        def __init__(self):
            super().__init__()
            self.last = Logarithm()

        def forward(self, x):
            return self.last(self.net(x))

    model = gt.nn.materialize(Broken())
    t = trainer(model, gt.optim.AdamW(model), data, anomaly=True)
    with pytest.raises(gt.Cancelled) as error:
        t.step()
    for words in ["step 1", "'log' of layer 'last'", "all its inputs are finite"]:
        assert words in str(error.value)


def test_anomaly_in_a_loop_of_ones_own():
    x = gt.tensor([0.0], requires_grad=True)
    with pytest.raises(gt.Cancelled, match="step 7, backward: 'sqrt'"):
        with gt.detect_anomaly(7):
            gt.sqrt(x).sum().backward()
    gt.sqrt(x).sum().backward()  # off again
    assert math.isinf(x.grad.item())


def test_the_trainers_trace(tmp_path, data):
    path = tmp_path / "deep" / "trace.json"
    model = gt.nn.materialize(Regression())
    t = trainer(model, gt.optim.AdamW(model), data, steps=5,
                trace=gt.Trace(str(path), first_step=2, steps=2))
    t.fit()
    events = json.loads(path.read_text())["traceEvents"]
    names = {e["name"] for e in events}
    assert {"step 2", "step 3"} <= names and not {"step 1", "step 4"} & names
    kernels = {e["name"] for e in events if e.get("cat") == "kernel"}
    assert {"net", "net.fc"} <= names and "gemm" in kernels


def test_a_trace_of_ones_own(tmp_path):
    path = tmp_path / "trace.json"
    trace = gt.Trace(str(path), first_step=1, steps=1)
    for step in (10, 11):
        trace.begin_step(step)
        gt.exp(gt.zeros((3,)))
        trace.end_step()
    assert trace.recorded == 1
    names = {e["name"] for e in json.loads(path.read_text())["traceEvents"]}
    assert "step 10" in names and "exp" in names
    with pytest.raises(gt.InvalidArgument, match="at least one step"):
        gt.Trace(str(path), steps=0)


def test_memory_report():
    kept = gt.zeros((1024, 1024))
    text = gt.memory_report(blocks=3)
    for words in ["activations", "parameters", "total", "largest blocks", "4.00 MiB"]:
        assert words in text
    assert kept.shape == (1024, 1024)
    assert len(gt.memory_report(blocks=0)) < len(text)
