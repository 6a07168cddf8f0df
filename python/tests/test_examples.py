"""Every example of examples/python prints, as its last line, what its header says it must."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

FOLDER = os.environ.get("GIGATRAIN_EXAMPLES")
EXAMPLES = sorted(pathlib.Path(FOLDER).glob("*.py")) if FOLDER else []


@pytest.mark.skipif(not FOLDER, reason="GIGATRAIN_EXAMPLES names no folder of examples")
def test_there_are_examples():
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example, tmp_path):
    text = example.read_text()
    if "sklearn" in text and not importlib.util.find_spec("sklearn"):
        pytest.skip("needs scikit-learn")
    expected = re.search(r"^Expect: (.*)$", text, re.M)[1].replace("\\\\", "\\")
    done = subprocess.run([sys.executable, example], cwd=tmp_path, capture_output=True, text=True,
                          timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.rstrip().split("\n")[-1]
    assert re.fullmatch(expected, last), f"'{last}' is not '{expected}'"
