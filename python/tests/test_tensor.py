"""Tensors, operators, indices, the tape, devices."""

import numpy as np
import pytest

import gigatrain as gt


def test_operators_agree_with_numpy(rng):
    a, b = rng.normal(size=(3, 4)).astype("f"), rng.normal(size=(4,)).astype("f")
    x, y = gt.tensor(a), gt.tensor(b)
    for got, want in [
        (x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b), (-x, -a),
        (x + 2, a + 2), (2 + x, 2 + a), (x - 1.5, a - np.float32(1.5)), (1 - x, 1 - a),
        (x * 3, a * 3), (3 * x, 3 * a), (x / 3, a / 3), (2 / x, 2 / a),
    ]:
        assert got.dtype == gt.f32
        np.testing.assert_array_equal(got.numpy(), want.astype("f"))
    np.testing.assert_allclose((x @ x.transpose(0, 1)).numpy(), a @ a.T, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["f32", "f64", "i32"])
def test_comparisons_agree_with_numpy(dtype):
    a, b = np.array([[-1, 0, 2], [2, 1, 0]]), np.array([2, 0, 1])
    x, y = gt.tensor(a, dtype=dtype), gt.tensor(b, dtype=dtype)
    for got, want in [
        (x == y, a == b), (x != y, a != b), (x < y, a < b), (x <= y, a <= b), (x > y, a > b),
        (x >= y, a >= b), (x == 2, a == 2), (x != 2, a != 2), (x >= 1, a >= 1), (x <= 1, a <= 1),
        (1 >= x, 1 >= a), (1 <= x, 1 <= a),
    ]:
        assert got.dtype == gt.u8
        np.testing.assert_array_equal(got.numpy(), want)
    if dtype == "i32":
        for number in (1.5, float("nan"), 2.0**31):
            with pytest.raises(gt.InvalidArgument, match="whole numbers"):
                x >= number
    assert (x == None) is False and (x != None) is True  # noqa: E711


def test_comparisons_with_nan_and_on_the_tape():
    nan = gt.tensor([np.nan, 1.0], requires_grad=True)
    for got, want in [(nan == nan, [0, 1]), (nan != nan, [1, 0]), (nan >= nan, [0, 1]),
                      (nan <= 1.0, [0, 1]), (nan >= 1.0, [0, 1])]:
        assert got.tolist() == want and not got.requires_grad


def test_one_dim_or_several(rng):
    a = rng.normal(size=(2, 3, 4)).astype("f")
    x = gt.tensor(a)
    for dims in (1, -1, (0, 2), [1]):
        axis = dims if isinstance(dims, int) else tuple(dims)
        np.testing.assert_array_equal(gt.max(x, dims).numpy(), a.max(axis, keepdims=True))
        for got in (gt.sum(x, dims), x.sum(dims)):
            np.testing.assert_allclose(got.numpy(), a.sum(axis, keepdims=True), rtol=1e-5)
        for got in (gt.mean(x, dims=dims), x.mean(dims=dims)):
            np.testing.assert_allclose(got.numpy(), a.mean(axis, keepdims=True), rtol=1e-5)
    with pytest.raises(gt.InvalidArgument):
        x.sum(3)


def test_indices(rng):
    a = rng.normal(size=(3, 4, 5)).astype("f")
    t = gt.tensor(a)
    for key in [0, -1, slice(1, 3), (1, 2), (..., 0), (slice(None), 1), (None, 0), (0, ..., None),
                (slice(0, 0),), (slice(-2, None), slice(1, -1), 4)]:
        np.testing.assert_array_equal(t[key].numpy(), a[key])
    assert len(t) == 3 and [row.shape for row in t] == [(4, 5)] * 3
    for key, error in [(3, IndexError), ((0, 0, 0, 0), IndexError), ("a", TypeError),
                       (slice(None, None, 2), gt.Unsupported)]:
        with pytest.raises(error):
            t[key]


def test_gradients_flow_through_indices():
    x = gt.tensor(np.ones((3, 2), "f"), requires_grad=True)
    (x[1] * 5).sum().backward()
    assert x.grad.tolist() == [[0, 0], [5, 5], [0, 0]]


def test_gradients_add_up_until_they_are_forgotten():
    x = gt.tensor([3.0], requires_grad=True)
    for wanted in (6.0, 12.0):
        (x * x).sum().backward()
        assert x.grad.item() == wanted
    x.zero_grad()
    assert x.grad is None


def test_no_grad_nests():
    x = gt.tensor([3.0], requires_grad=True)
    off = gt.no_grad()
    with off:
        with off:
            assert not (x * x).requires_grad
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_a_graph_serves_once():
    x = gt.tensor([3.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(gt.InvalidArgument, match="freed"):
        y.backward()


def test_errors_are_python_errors():
    with pytest.raises(ValueError) as error:
        gt.tensor([1.0, 2.0]) + gt.tensor([1.0, 2.0, 3.0])
    e = error.value
    assert isinstance(e, gt.InvalidArgument) and isinstance(e, gt.Error)
    assert e.code == "invalid argument" and "(2)" in e.message and "(3)" in str(e)
    with pytest.raises(gt.InvalidArgument, match="one dtype") as error:
        gt.add(gt.tensor([1.0]), gt.tensor([1.0], dtype="f64"))
    assert error.value.next == "cast one of them"
    with pytest.raises(TypeError):
        gt.add(None, gt.tensor([1.0]))
    with pytest.raises(gt.InvalidArgument, match="scalar"):
        gt.tensor([1.0, 2.0], requires_grad=True).__mul__(2).backward()
    with pytest.raises(gt.InvalidArgument, match="floating"):
        gt.tensor([1], requires_grad=True).requires_grad = True


def test_frames_say_where():
    class Broken(gt.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, dout):
            return None

    with pytest.raises(gt.InvalidArgument) as error:
        Broken.apply(gt.tensor([1.0, 2.0], requires_grad=True)).sum().backward()
    assert error.value.frames == ("while running the backward of 'Broken'",)


def test_devices():
    cpu = gt.device("cpu")
    assert gt.device("cpu") == cpu and cpu.kind == "cpu" and cpu.threads >= 1
    one = gt.device("cpu", threads=1)
    assert one != cpu and one.threads == 1
    t = gt.zeros((3,), device=one)
    assert t.device == one and t.to("cpu").device == cpu and t.to(one).data_ptr == t.data_ptr
    with pytest.raises(gt.Error):
        gt.device("tpu")
    memory = cpu.memory()
    assert set(memory) >= {"parameters", "gradients", "optimizer", "activations", "data", "total"}


def test_tensors_of_two_devices_do_not_mix():
    a, b = gt.zeros((3,)), gt.zeros((3,), device=gt.device("cpu", threads=1))
    b.assign(a)  # moves by itself
    assert a.to(b.device).device == b.device


def test_results_do_not_depend_on_threads(rng):
    a = rng.normal(size=(64, 4096)).astype("f")
    sums = []
    for threads in (1, 2, 3):
        x = gt.tensor(a, device=gt.device("cpu", threads=threads))
        sums.append(gt.matmul(x, x.transpose(0, 1)).sum().item())
    assert len(set(sums)) == 1


def test_threads_may_compute_at_once(rng):
    import threading

    a = rng.normal(size=(256, 256)).astype("f")
    want = gt.matmul(gt.tensor(a), gt.tensor(a)).numpy().copy()
    wrong = []

    def work():
        for _ in range(20):
            if not (gt.matmul(gt.tensor(a), gt.tensor(a)).numpy() == want).all():
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_repr_shows_what_matters():
    text = repr(gt.tensor([[1.0, 2.0]], requires_grad=True) * 1)
    assert "shape=(1, 2)" in text and "f32" in text and "cpu" in text and "requires_grad" in text
    assert len(repr(gt.zeros((100, 100)))) < 200


def test_full_of_integers():
    for dtype, value in [("i32", -7), ("i64", 2**40), ("u8", 255)]:
        assert gt.full((3,), value, dtype=dtype).tolist() == [value] * 3
    for dtype, value in [("u8", 256), ("u8", -1), ("i32", 2**31), ("i32", 0.5),
                         ("i64", float("nan"))]:
        with pytest.raises(gt.InvalidArgument, match="is no value of dtype"):
            gt.full((3,), value, dtype=dtype)
