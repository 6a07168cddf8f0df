"""DLPack with numpy, with PyTorch where it is installed, and with objects of our own."""

import gc

import numpy as np
import pytest

import gigatrain as gt


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "int64", "uint8"])
def test_numpy_both_ways(dtype):
    a = np.arange(6).reshape(2, 3).astype(dtype)
    t = gt.from_dlpack(a)
    assert t.data_ptr == a.ctypes.data and t.shape == (2, 3)
    b = np.from_dlpack(t)
    assert b.ctypes.data == a.ctypes.data and (b == a).all()


def test_strides_go_along():
    t = gt.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).transpose(0, 1)
    a = np.from_dlpack(t)
    assert a.ctypes.data == t.data_ptr and a.strides == (4, 12)
    assert (a == [[1, 4], [2, 5], [3, 6]]).all()
    assert gt.from_dlpack(a).tolist() == a.tolist()


def test_lifetimes(live_bytes):
    before = live_bytes()
    t = gt.full((100,), 3.0)
    a = np.from_dlpack(t)
    del t
    assert live_bytes() == before + 400 and (a == 3.0).all()
    del a
    assert live_bytes() == before
    u = gt.from_dlpack(np.full(100, 4.0))
    gc.collect()
    assert u.tolist() == [4.0] * 100


def test_both_kinds_of_capsule():
    t = gt.tensor([1.0, 2.0])
    assert '"dltensor"' in repr(t.__dlpack__())
    capsule = t.__dlpack__(max_version=(1, 0))
    assert '"dltensor_versioned"' in repr(capsule)
    assert gt.from_dlpack(capsule).data_ptr == t.data_ptr
    assert gt.from_dlpack(t.__dlpack__()).data_ptr == t.data_ptr
    assert t.__dlpack_device__() == (1, 0)


def test_a_capsule_serves_once():
    capsule = gt.tensor([1.0]).__dlpack__()
    gt.from_dlpack(capsule)
    with pytest.raises(gt.InvalidArgument, match="used before"):
        gt.from_dlpack(capsule)


def test_unused_capsules_free_their_tensor(live_bytes):
    before = live_bytes()
    gt.full((100,), 3.0).__dlpack__()
    gt.full((100,), 3.0).__dlpack__(max_version=(1, 0))
    assert live_bytes() == before


def test_a_copy_when_asked():
    t = gt.tensor([1.0])
    assert gt.from_dlpack(t.__dlpack__(max_version=(1, 0), copy=True)).data_ptr != t.data_ptr


def test_bad_input():
    with pytest.raises(gt.InvalidArgument, match="__dlpack__"):
        gt.from_dlpack([1.0])
    with pytest.raises(gt.InvalidArgument, match="bits"):
        gt.from_dlpack(np.ones(3, np.complex64))
    with pytest.raises(gt.InvalidArgument, match="another device"):
        gt.tensor([1.0]).__dlpack__(dl_device=(2, 0))
    read_only = np.ones(3, np.float32)
    read_only.flags.writeable = False
    with pytest.raises((gt.InvalidArgument, BufferError)):  # older numpy refuses by itself
        gt.from_dlpack(read_only)
    with pytest.raises(gt.InvalidArgument, match="negative"):
        gt.from_dlpack(np.ones(3, np.float32)[::-1])


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "int32", "int64",
                                   "uint8"])
def test_pytorch_both_ways(torch, dtype):
    a = torch.arange(6).to(getattr(torch, dtype)).reshape(2, 3)
    t = gt.from_dlpack(a)
    assert t.data_ptr == a.data_ptr() and t.shape == (2, 3)
    b = torch.from_dlpack(t)
    assert b.data_ptr() == a.data_ptr() and b.dtype == a.dtype and torch.equal(a, b)


def test_pytorch_sees_writes_and_strides(torch):
    t = gt.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    a = torch.from_dlpack(t.transpose(0, 1))
    assert a.stride() == (1, 3) and a.data_ptr() == t.data_ptr
    a[0, 1] = 40.0
    assert t.tolist() == [[1.0, 2.0, 3.0], [40.0, 5.0, 6.0]]
    assert gt.from_dlpack(a[1:]).tolist() == [[2.0, 5.0], [3.0, 6.0]]


def test_pytorch_holds_memory_and_is_held(torch, live_bytes):
    before = live_bytes()
    a = torch.from_dlpack(gt.full((100,), 3.0))
    assert live_bytes() == before + 400 and a.sum().item() == 300.0
    del a
    assert live_bytes() == before
    t = gt.from_dlpack(torch.full((100,), 4.0))
    gc.collect()
    assert t.tolist() == [4.0] * 100


def test_pytorch_tensors_that_do_not_fit(torch):
    assert gt.from_dlpack(torch.tensor([True])).dtype == gt.u8
    for wrong in (torch.ones(3, requires_grad=True), torch.ones(3, dtype=torch.complex64)):
        with pytest.raises((gt.InvalidArgument, BufferError, RuntimeError)):
            gt.from_dlpack(wrong)
