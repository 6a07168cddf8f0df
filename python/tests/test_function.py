"""Autograd functions written in Python: right ones, wrong ones, and ones that raise."""

import traceback

import numpy as np
import pytest

import gigatrain as gt


class Square(gt.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved
        return 2.0 * x * dout


class ScaledDot(gt.Function):
    """Two outputs, a number and a tensor as arguments."""

    @staticmethod
    def forward(ctx, a, factor, b):
        ctx.factor = factor
        ctx.save_for_backward(a, b)
        return a * b * factor, a + b

    @staticmethod
    def backward(ctx, dprod, dsum):
        a, b = ctx.saved
        da, db = None, None
        if dprod is not None:
            da, db = dprod * b * ctx.factor, dprod * a * ctx.factor
        if dsum is not None:
            da, db = (dsum, dsum) if da is None else (da + dsum, db + dsum)
        return da, None, db


def leaf(*values):
    return gt.tensor(values, requires_grad=True)


def test_gradient():
    x = leaf(1.0, -2.0)
    y = Square.apply(x)
    assert y.requires_grad and y.tolist() == [1.0, 4.0]
    (y * gt.tensor([1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [2.0, -40.0]


def test_several_inputs_and_outputs():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    product, total = ScaledDot.apply(a, 10.0, b)
    (product.sum() + total.sum()).backward()
    assert a.grad.tolist() == [31.0, 41.0] and b.grad.tolist() == [11.0, 21.0]
    a.zero_grad()
    ScaledDot.apply(a, 10.0, gt.tensor([1.0, 1.0]))[1].sum().backward()
    assert a.grad.tolist() == [1.0, 1.0]


def test_off_the_tape_when_nothing_wants_a_gradient():
    assert not Square.apply(gt.tensor([1.0])).requires_grad
    with gt.no_grad():
        assert not Square.apply(leaf(1.0)).requires_grad


def test_needs_input_grad():
    seen = []

    class Look(gt.Function):
        @staticmethod
        def forward(ctx, a, b, n):
            seen.append(list(ctx.needs_input_grad))
            return a + b

        @staticmethod
        def backward(ctx, dout):
            return dout, None, None

    Look.apply(leaf(1.0), gt.tensor([1.0]), 3).sum().backward()
    assert seen == [[True, False, False]]


def test_an_input_may_be_handed_through():
    class Same(gt.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, dout):
            return dout * 3

    x = leaf(1.0)
    (Same.apply(x) * 2).sum().backward()
    assert x.grad.item() == 6.0


def wrong(result):
    class Wrong(Square):
        @staticmethod
        def backward(ctx, dout):
            return result(dout)

    return Wrong


@pytest.mark.parametrize(
    "result, words",
    [
        (lambda d: None, ["gradient 0 of 'Wrong'", "(2)", "None"]),
        (lambda d: gt.zeros((3,)), ["gradient 0 of 'Wrong'", "shape (2)", "shape (3)"]),
        (lambda d: gt.zeros((2,), dtype="f64"), ["must be f32", "f64"]),
        (lambda d: (d, d), ["must return 1 gradients", "got 2"]),
        (lambda d: (), ["must return 1 gradients", "got 0"]),
        (lambda d: gt.zeros((2,), device=gt.device("cpu", threads=1)), ["device"]),
    ],
)
def test_wrong_gradients_are_named(result, words):
    x = leaf(1.0, 2.0)
    with pytest.raises(gt.InvalidArgument) as error:
        wrong(result).apply(x).sum().backward()
    for word in words:
        assert word in str(error.value)
    assert x.grad is None


def test_wrong_types_are_named():
    with pytest.raises(TypeError, match="Wrong.backward.. must return tensors, got float"):
        wrong(lambda d: 1.0).apply(leaf(1.0)).sum().backward()

    class NoTensor(gt.Function):
        @staticmethod
        def forward(ctx, x):
            return 3.0

    with pytest.raises(TypeError, match="NoTensor.forward"):
        NoTensor.apply(leaf(1.0))


def test_exceptions_keep_their_traceback_and_the_state():
    class Raises(Square):
        @staticmethod
        def backward(ctx, dout):
            raise KeyError("from the backward")

    x = leaf(1.0)
    with pytest.raises(KeyError, match="from the backward") as error:
        Raises.apply(x).sum().backward()
    frames = [f.name for f in traceback.extract_tb(error.value.__traceback__)]
    assert frames[-1] == "backward"
    (x * x).sum().backward()  # the tape works on
    assert x.grad.item() == 2.0


def test_function_in_a_function():
    class Twice(gt.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return Square.apply(Square.apply(x))

        @staticmethod
        def backward(ctx, dout):
            x = gt.tensor(ctx.saved[0].numpy(), requires_grad=True)
            Square.apply(Square.apply(x)).backward(dout)
            return x.grad

    x = leaf(2.0)
    Twice.apply(x).sum().backward()
    assert x.grad.item() == pytest.approx(32.0)


def test_parameters_are_arguments_too():
    class Weighted(gt.nn.Layer):
        def __init__(self):
            super().__init__()
            self.w = gt.Parameter((3,), init="ones")

        def forward(self, x):
            return ScaledDot.apply(x, 2.0, self.w)[0]

    m = gt.nn.materialize(Weighted())
    m(gt.tensor(np.arange(3, dtype="f"))).sum().backward()
    gt.collect_gradients(m)
    assert m.w.grad.tolist() == [0.0, 2.0, 4.0]


def test_uses_of_parameters_are_arguments_too():
    class Tied(gt.nn.Layer):
        def __init__(self):
            super().__init__()
            self.w = gt.Parameter((3,), init="ones")
            self.again = self.w.use()

        def forward(self, x):
            return ScaledDot.apply(x, 1.0, self.w)[0] * ScaledDot.apply(x, 1.0, self.again)[1]

    m = gt.nn.materialize(Tied())
    m(gt.tensor([1.0, 2.0, 3.0])).sum().backward()  # w x (x + w)
    gt.collect_gradients(m)
    assert m.w.grad.tolist() == [3.0, 8.0, 15.0]


def test_parameters_without_values_say_so():
    with pytest.raises(gt.InvalidArgument, match="materialize"):
        gt.exp(gt.Parameter((3,)))
