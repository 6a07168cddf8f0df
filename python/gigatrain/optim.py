"""Optimizers, schedules, clipping. See gigatrain.optim.Optimizer for how to write one."""

from gigatrain._core.optim import *  # noqa: F401,F403
