"""Layers and models. See gigatrain.nn.Layer for how to write one."""

from gigatrain._core.nn import *  # noqa: F401,F403
