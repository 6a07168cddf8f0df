"""Arrays in and out: the same memory, safe lifetimes, and every array that cannot be shared."""

import gc
import sys
import weakref

import ml_dtypes
import numpy as np
import pytest

import gigatrain as gt

DTYPES = ["float32", "float64", "float16", "int32", "int64", "uint8", ml_dtypes.bfloat16]


def address(array):
    return array.__array_interface__["data"][0] if array.dtype.kind != "V" else array.ctypes.data


@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip_without_a_copy(dtype):
    a = np.arange(24).reshape(2, 3, 4).astype(dtype)
    t = gt.from_numpy(a)
    b = t.numpy()
    assert t.data_ptr == a.ctypes.data == b.ctypes.data
    assert b.dtype == a.dtype and b.shape == a.shape and (b == a).all()
    b[0, 0, 0] = 1
    assert a[0, 0, 0] == 1


def test_bool_becomes_u8_in_place():
    a = np.array([True, False])
    t = gt.from_numpy(a)
    assert t.dtype == gt.u8 and t.data_ptr == a.ctypes.data and t.tolist() == [1, 0]


def test_strided_views_are_shared():
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    for view in (a[:, ::2], a.T, a[1:3, 2:5], np.broadcast_to(a, (2, 4, 6)).copy()[:, 0]):
        t = gt.from_numpy(view)
        assert t.shape == view.shape and t.data_ptr == view.ctypes.data
        assert (t.numpy() == view).all()
        assert (gt.scale(t, 2.0).numpy() == 2 * view).all()


def test_scalars_and_empty_arrays():
    assert gt.from_numpy(np.array(3.0)).item() == 3.0
    empty = gt.from_numpy(np.zeros((0, 3), np.float32))
    assert empty.shape == (0, 3) and empty.numpy().shape == (0, 3)


def test_the_tensor_keeps_the_array_alive():
    a = np.full(1000, 7.0, np.float32)
    gone = weakref.ref(a)
    t = gt.from_numpy(a)
    view = t[10:20]
    del a, t
    gc.collect()
    assert gone() is not None and view.tolist() == [7.0] * 10
    del view
    gc.collect()
    assert gone() is None


def test_the_array_keeps_the_memory_alive(live_bytes):
    before = live_bytes()
    a = gt.full((1000,), 5.0).numpy()
    assert live_bytes() == before + 4000
    assert (a == 5.0).all()
    del a
    assert live_bytes() == before


def test_the_tape_keeps_the_array_alive():
    x = gt.tensor([1.0, 2.0], requires_grad=True)
    y = gt.mul(x, gt.from_numpy(np.array([3.0, 4.0], np.float32))).sum()
    gc.collect()
    y.backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_tensor_copies():
    a = np.ones(3, np.float32)
    t = gt.tensor(a)
    a[:] = 2
    assert t.tolist() == [1.0, 1.0, 1.0]
    assert gt.tensor(a[::-1]).tolist() == [2.0, 2.0, 2.0]
    a.flags.writeable = False
    assert gt.tensor(a).tolist() == [2.0, 2.0, 2.0]


def test_python_numbers_get_the_dtypes_of_the_library():
    assert gt.tensor(1.5).dtype == gt.f32
    assert gt.tensor([[1, 2]]).dtype == gt.i32
    assert gt.tensor(2**40).dtype == gt.i64
    assert gt.tensor([1.0], dtype="f64").dtype == gt.f64
    assert gt.tensor([1.0], dtype=gt.bf16).numpy().dtype == ml_dtypes.bfloat16
    assert gt.tensor(np.float64(1)).dtype == gt.f64


def test_results_on_the_tape_are_read_only():
    x = gt.tensor([1.0], requires_grad=True)
    y = gt.exp(x)
    with pytest.raises(ValueError, match="read-only"):
        y.numpy()[0] = 0
    y.detach().numpy()[0] = 0


def test_numpy_functions_take_tensors():
    t = gt.tensor([[1.0, 2.0]])
    assert np.asarray(t).dtype == np.float32
    assert np.sqrt(t)[0, 0] == 1.0
    assert np.array(t, dtype=np.float64).dtype == np.float64


def unaligned():
    return np.frombuffer(bytearray(9), np.uint8)[1:9].view(np.float32)


def read_only():
    a = np.ones(2, np.float32)
    a.flags.writeable = False
    return a


@pytest.mark.parametrize(
    "array, words",
    [
        (np.ones(3, ">f4"), ["order of another machine", "newbyteorder"]),
        (np.ones(3, np.complex64), ["complex64", "float32, float64, float16, bfloat16"]),
        (np.ones(3, np.uint16), ["uint16"]),
        (np.array(["a"]), ["got str"]),
        (np.array([object()]), ["object"]),
        (read_only(), ["read-only", "gt.tensor(a)"]),
        (unaligned(), ["not aligned", "gt.tensor(a)"]),
        (np.ones((2, 3), np.float32)[:, ::-1], ["negative", "-4 bytes in dim 1"]),
        (np.ones((1,) * 7, np.float32), ["at most 6 dims"]),
        ([1.0, 2.0], ["numpy.ndarray", "list"]),
    ],
)
def test_arrays_that_cannot_be_shared_say_why(array, words):
    with pytest.raises(gt.InvalidArgument) as error:
        gt.from_numpy(array)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("array", [np.ones(3, ">f4"), np.ones(3, np.complex64), ["text"]])
def test_arrays_that_cannot_be_copied_say_why(array):
    with pytest.raises(gt.InvalidArgument, match="dtype"):
        gt.tensor(array)


def test_reference_counts_come_back():
    a = np.ones(3, np.float32)
    before = sys.getrefcount(a)
    for _ in range(10):
        gt.from_numpy(a).numpy()
    gc.collect()
    assert sys.getrefcount(a) == before
