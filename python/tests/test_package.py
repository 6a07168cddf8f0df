"""The package as such: documentation, stubs, size, speed of import, leaks, the command."""

import importlib
import inspect
import os
import re
import resource
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

import gigatrain as gt

MODULES = ["gigatrain", "gigatrain.nn", "gigatrain.optim", "gigatrain.errors"]


def documented(owner, path):
    for name, value in vars(owner).items():
        if name.startswith("_"):
            continue
        member = getattr(owner, name)
        if inspect.ismodule(member) or isinstance(member, (str, int, tuple, dict)):
            continue
        yield f"{path}.{name}", member
        if inspect.isclass(member) and member.__module__.startswith("gigatrain"):
            yield from documented(member, f"{path}.{name}")


def text_of(member):
    """The docstring without the signature that pybind11 writes above it."""
    doc = inspect.getdoc(member) or ""
    lines = [line for line in doc.splitlines()
             if not re.match(r"(\d+\. )?\w+\(.*\) -> |Overloaded function", line)]
    return "\n".join(lines).strip()


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_is_documented(module):
    missing = [path for path, member in documented(importlib.import_module(module), module)
               if (callable(member) or isinstance(member, property)) and not text_of(member)
               and not path.startswith("gigatrain.DType.")]
    assert not missing, missing


def test_import_is_quick_and_leaves_numpy_alone():
    code = ("import time; t = time.perf_counter(); import gigatrain; "
            "print(time.perf_counter() - t); import sys; print('numpy' in sys.modules)")
    best, numpy = 9.0, ""
    for _ in range(3):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        seconds, numpy = out.stdout.split()
        best = min(best, float(seconds))
    assert best < 0.3 and numpy == "False"


def test_version_is_the_headers():
    from importlib.metadata import PackageNotFoundError, version

    try:
        assert version("libgigatrain") == gt.__version__
    except PackageNotFoundError:
        pytest.skip("gigatrain is not installed, only importable")


def test_the_command():
    command = shutil.which("gigatrain", path=os.path.dirname(sys.executable))
    if not command or not os.path.exists(os.path.join(os.path.dirname(gt.__file__), "bin")):
        pytest.skip("this build has no command (libcli11-dev), or is not installed")
    out = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert out.stdout.strip() == "gigatrain " + gt.__version__
    assert subprocess.run([command, "doctor"], capture_output=True).returncode == 0


def test_only_system_libraries_are_needed():
    folder = os.path.dirname(gt.__file__)
    library = next((f for f in os.listdir(folder) if f.startswith("libgigatrain.so")), None)
    if not library or not shutil.which("ldd"):
        pytest.skip("not an installed wheel")
    out = subprocess.run(["ldd", os.path.join(folder, library)], capture_output=True, text=True)
    names = {line.split()[0].split(".so")[0] for line in out.stdout.splitlines()}
    assert names <= {"linux-vdso", "libstdc++", "libm", "libgcc_s", "libc", "libpthread", "libdl",
                     "/lib64/ld-linux-x86-64"}, out.stdout


def small_step(model, adamw, x, step):
    t = gt.from_numpy(x)
    d = Halve.apply(model(t)) - 1.0
    (d * d).mean().backward()
    gt.collect_gradients(model)
    adamw.step(step=step, lr=1e-4, clip=gt.optim.clip(model, 1.0))
    gt.from_dlpack(t).numpy()
    try:
        gt.add(t, gt.zeros((3, 3)))
    except gt.InvalidArgument:
        pass


class Halve(gt.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 0.5

    @staticmethod
    def backward(ctx, dout):
        return dout * 0.5


def test_no_leak_over_ten_thousand_steps(live_bytes):
    gt.set_default_device(gt.device("cpu", threads=1))  # small steps: threads would only wait
    model = gt.nn.materialize(gt.nn.Sequential(gt.nn.Linear(4, 8), gt.gelu, gt.nn.Linear(8, 2)))
    adamw = gt.optim.AdamW(model)
    x = np.ones((2, 4), np.float32)
    for step in range(1, 1001):
        small_step(model, adamw, x, step)
    bytes_before, objects = live_bytes(), len(gc_objects())
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for step in range(1001, 11001):
        small_step(model, adamw, x, step)
    assert live_bytes() == bytes_before
    assert len(gc_objects()) <= objects + 50
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 1024  # KiB


def gc_objects():
    import gc

    gc.collect()
    return gc.get_objects()


SNIPPET = """
import gigatrain as gt

class Net(gt.nn.Model):
    def __init__(self) -> None:
        super().__init__()
        self.fc = gt.nn.Linear(4, 2)
    def loss(self, batch: gt.Batch, scale: float) -> gt.Tensor:
        d = self.fc(batch["x"]) - batch["y"]
        return (d * d).sum() * scale

model = gt.nn.materialize(Net(), device="cpu", compute=gt.bf16, seed=1)
x: gt.Tensor = gt.tensor([1.0], dtype="f32")
shape: tuple[int, ...] = x.shape
y: gt.Tensor = 2.0 * x + gt.exp(x[0])
adamw = gt.optim.AdamW(model.parameters(), weight_decay=0.1)
adamw.step(step=1, lr=1e-3, clip=gt.optim.clip(model, 1.0))
"""


def test_type_checkers_understand_the_package(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(SNIPPET)
    bad.write_text(SNIPPET + "gt.exp('text')\nx.shapes\n")
    run = [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", str(tmp_path / "c")]
    env = {k: os.path.abspath(v) if k == "PYTHONPATH" else v for k, v in os.environ.items()}
    out = subprocess.run([*run, str(good)], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert out.returncode == 0, out.stdout
    out = subprocess.run([*run, str(bad)], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert out.stdout.count("error:") == 2, out.stdout
