"""The package on a GPU, beside the CPU. Each test is skipped, with the reason, where there is none."""

import numpy as np
import pytest

import gigatrain as gt
from test_function import Square


@pytest.fixture
def gpu():
    try:
        device = gt.device("cuda")
    except gt.DeviceError as error:
        pytest.skip(f"no GPU: {error}")
    gt.set_default_device(device)
    return device


@pytest.fixture
def torch_gpu(gpu):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU")
    return torch


def test_values_go_there_and_back(gpu, rng):
    a = rng.standard_normal((33, 65)).astype(np.float32)
    for dtype in ["f32", "bf16", "f16", "f64"]:
        on_gpu, on_cpu = gt.tensor(a, dtype=dtype), gt.tensor(a, dtype=dtype, device="cpu")
        assert on_gpu.device == gpu
        assert (on_gpu.to("cpu").numpy() == on_cpu.numpy()).all()
        assert ((on_gpu * 2.0 + 1.0).to("cpu").numpy() == (on_cpu * 2.0 + 1.0).numpy()).all()


def test_integers_are_filled_and_copied(gpu):
    for dtype in ["i32", "i64", "u8"]:
        assert gt.full((5,), 7, dtype=dtype).tolist() == [7] * 5
        assert gt.zeros((5,), dtype=dtype).tolist() == [0] * 5


def llama_losses(device, compute, optimizer):
    model = gt.nn.llama(gt.nn.LlamaConfig(vocab_size=97, n_positions=64, n_layer=2, n_head=4,
                                          n_kv_head=2, n_embd=64, n_inner=128, qk_norm=True))
    gt.nn.materialize(model, device, compute=compute, seed=3)
    tokens = np.random.default_rng(1).integers(0, 97, (8, 33)).astype(np.int32)
    inputs, targets = (gt.tensor(tokens[:, part], device=device) for part in
                       (slice(0, -1), slice(1, None)))
    rule, losses = optimizer(model), []
    for step in range(8):
        with gt.nn.BatchContext(training=True, step=step):
            loss = model.loss(inputs, targets, 1 / inputs.size)
        loss.backward()
        gt.collect_gradients(model)
        rule.step(step=step + 1, lr=3e-3, clip=gt.optim.clip(model, 1.0))
        losses.append(loss.item())
    return losses, gt.state_digest(model, rule)


@pytest.mark.parametrize("optimizer", ["AdamW", "AdamW8bit", "Adafactor", "Lion", "Muon", "Sgd"])
@pytest.mark.parametrize("compute", ["f32", "bf16"])
def test_a_llama_trains_as_on_the_cpu(gpu, compute, optimizer):
    make = getattr(gt.optim, optimizer)
    want, _ = llama_losses("cpu", compute, make)
    got, digest = llama_losses(gpu, compute, make)
    assert got == pytest.approx(want, rel=1e-3 if compute == "f32" else 3e-2)
    assert llama_losses(gpu, compute, make)[1] == digest


def test_a_function_written_in_python(gpu):
    x = gt.tensor([1.0, -2.0, 3.0], requires_grad=True)
    Square.apply(x).sum().backward()
    assert x.grad.device == gpu and x.grad.tolist() == [2.0, -4.0, 6.0]


def test_memory_is_counted(gpu):
    before = gpu.memory()["total"]["now"]
    t = gt.zeros((1024, 1024))
    assert gpu.memory()["total"]["now"] == before + (4 << 20)
    del t
    assert gpu.memory()["total"]["now"] == before
    assert "activations" in gt.memory_report(gpu)


def test_torch_shares_memory_both_ways(torch_gpu, gpu):
    a = torch_gpu.arange(12, dtype=torch_gpu.float32, device="cuda").reshape(3, 4).t()
    t = gt.from_dlpack(a)
    assert t.data_ptr == a.data_ptr() and t.device == gpu
    assert (t.to("cpu").numpy() == a.cpu().numpy()).all()
    b = torch_gpu.from_dlpack(t * 2.0)
    assert b.is_cuda and (b == 2 * a).all()
    bf16 = gt.from_dlpack(a.to(torch_gpu.bfloat16))
    assert bf16.dtype == gt.bf16 and torch_gpu.from_dlpack(bf16).dtype == torch_gpu.bfloat16


def test_our_queue_waits_for_torch(torch_gpu):
    # Long work in torch's queue just before; without the wait we would read what was there.
    big = torch_gpu.full((4096, 4096), 1.0, device="cuda")
    for side_stream in [torch_gpu.cuda.current_stream(), torch_gpu.cuda.Stream()]:
        with torch_gpu.cuda.stream(side_stream):
            for round_ in range(5):
                product = big
                for _ in range(20):
                    product = (product @ big) / 4096
                product = product + round_
                shared = gt.from_dlpack(product)
                total = (shared * 1.0).sum()
                del shared, product  # torch may lend the memory out again
                torch_gpu.full((4096, 4096), float("nan"), device="cuda")
                assert total.item() == pytest.approx(4096 * 4096 * (1 + round_), rel=1e-5)


def test_memory_lent_to_torch_is_not_reused_early(torch_gpu):
    for _ in range(5):
        ours = gt.full((4096, 4096), 3.0)
        theirs = torch_gpu.from_dlpack(ours)
        del ours
        slow = theirs
        for _ in range(20):
            slow = (slow @ theirs) / (3 * 4096)
        kept = theirs + slow * 0
        del theirs, slow
        gt.full((4096, 4096), 5.0)
        assert (kept == 3.0).all()
