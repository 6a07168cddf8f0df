"""Tests of the installed package. Run them outside the source tree: scripts/test_python.sh."""

import gc

import numpy as np
import pytest

import gigatrain as gt


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def live_bytes():
    """A function that gives the bytes of live tensors on the default device, garbage collected."""

    def measure():
        gc.collect()
        return gt.default_device().memory()["total"]["now"]

    return measure


@pytest.fixture(autouse=True)
def on_the_cpu():
    gt.set_default_device("cpu")
