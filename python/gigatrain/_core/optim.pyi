"""Made by scripts/make_stubs.py; not edited by hand."""
"""
Optimizers, schedules, clipping.
"""
from __future__ import annotations
import gigatrain._core
import typing
__all__: list[str] = ['AdamW', 'Optimizer', 'ParameterGroup', 'Schedule', 'clip', 'gradient_norm']
class Optimizer:
    """
    A pure update of parameters from their .grad. To write one, derive and define

        def step(self, step, lr, clip=None): ...   # p.assign(...) or write into p.value
        def state(self): return {"<parameter>.<state>": tensor}   # live, for checkpoints

    step counts from 1. clip: None, or clip()'s result {norm, factor}: gradients are to be multiplied by clip[1].item(); when it is NaN the step must change nothing.
    """
    def __init__(self) -> None:
        ...
    def state(self) -> dict[str, gigatrain._core.Tensor]:
        """
        {"<parameter>.<state>": tensor}: live, loading writes into them.
        """
    def step(self, step: typing.SupportsInt | typing.SupportsIndex, lr: typing.SupportsFloat | typing.SupportsIndex, clip: gigatrain._core.Tensor | gigatrain._core.Parameter | gigatrain._core.ParameterUse | None = None) -> None:
        """
        Updates the parameters from their .grad. step: from 1, for bias correction. lr: learning rate. clip: from clip(). Raises InvalidArgument that names a parameter without gradient.
        """
    @property
    def name(self) -> str:
        """
        "adamw", ...
        """
class ParameterGroup:
    """
    Parameters that share a learning-rate factor and a decay.
    """
    def __init__(self, parameters: typing.Any, *, lr_scale: typing.SupportsFloat | typing.SupportsIndex = 1.0, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> None:
        """
        lr_scale: multiplies the step's learning rate.
        """
    @property
    def lr_scale(self) -> float:
        """
        Multiplies the step's learning rate.
        """
    @lr_scale.setter
    def lr_scale(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def parameters(self) -> list[gigatrain._core.Parameter]:
        """
        Those of the group.
        """
    @property
    def weight_decay(self) -> float:
        """
        Decoupled.
        """
    @weight_decay.setter
    def weight_decay(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
class AdamW(Optimizer):
    """
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101.
    """
    def __init__(self, parameters: typing.Any, *, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.10000000149011612, beta1: typing.SupportsFloat | typing.SupportsIndex = 0.8999999761581421, beta2: typing.SupportsFloat | typing.SupportsIndex = 0.949999988079071, eps: typing.SupportsFloat | typing.SupportsIndex = 9.99999993922529e-09, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        parameters: a layer, parameters (matrices decay, vectors do not), or ParameterGroups (weight_decay is then theirs). seed: of stochastic rounding, for weights without an f32 master.
        """
class Schedule:
    """
    Learning rates: linear warm-up, then constant, linear or cosine (arXiv:1608.03983) down to a floor.
    """
    def __call__(self, step: typing.SupportsInt | typing.SupportsIndex) -> float:
        """
        at().
        """
    def __init__(self, kind: str = 'cosine', *, lr: typing.SupportsFloat | typing.SupportsIndex = 0.0010000000474974513, warmup: typing.SupportsInt | typing.SupportsIndex = 0, steps: typing.SupportsInt | typing.SupportsIndex = 1, min_lr: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> None:
        """
        kind: constant, linear or cosine. lr: peak. warmup, steps: in steps; the whole run. min_lr: the floor, as a fraction of the peak.
        """
    def at(self, step: typing.SupportsInt | typing.SupportsIndex) -> float:
        """
        The learning rate of step 0, 1, ..., steps - 1.
        """
    @property
    def lr(self) -> float:
        """
        Peak.
        """
    @lr.setter
    def lr(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def min_lr(self) -> float:
        """
        The floor, as a fraction of the peak.
        """
    @min_lr.setter
    def min_lr(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def steps(self) -> int:
        """
        The whole run.
        """
    @steps.setter
    def steps(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def warmup(self) -> int:
        """
        Steps from 0 to the peak.
        """
    @warmup.setter
    def warmup(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
def clip(parameters: typing.Any, max_norm: typing.SupportsFloat | typing.SupportsIndex) -> gigatrain._core.Tensor:
    """
    {norm, factor}, a tensor f64 (2), made without waiting for the device: the global norm of every .grad, and the factor that brings it down to max_norm (1 within; NaN when the norm is not finite: an optimizer then changes nothing). max_norm 0: off. arXiv:1211.5063.
    """
def gradient_norm(parameters: typing.Any) -> float:
    """
    The global norm of every .grad; waits for the device.
    """
