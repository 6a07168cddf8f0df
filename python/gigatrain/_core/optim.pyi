"""Made by scripts/make_stubs.py; not edited by hand."""
"""
Optimizers, schedules, clipping.
"""
from __future__ import annotations
import collections.abc
import gigatrain._core
import typing
__all__: list[str] = ['Adafactor', 'AdamW', 'AdamW8bit', 'Ema', 'GroupRule', 'Lion', 'Muon', 'Optimizer', 'ParameterGroup', 'Schedule', 'Sgd', 'clip', 'gradient_norm', 'groups_by_pattern', 'make_optimizer', 'optimizer_names']
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
    def step(self, *args: typing.Any, **kwargs: typing.Any) -> None:
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
class GroupRule:
    """
    Parameters by their names, and what is theirs.
    """
    def __init__(self, pattern: str, *, lr_scale: typing.SupportsFloat | typing.SupportsIndex = 1.0, weight_decay: typing.SupportsFloat | typing.SupportsIndex | None = None) -> None:
        """
        pattern: of whole names; a glob (*, ?), or "re:" and a regular expression. weight_decay None: as without a rule.
        """
    @property
    def pattern(self) -> str:
        """
        Of whole names.
        """
class AdamW(Optimizer):
    """
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101.
    """
    def __init__(self, parameters: typing.Any, *, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.10000000149011612, beta1: typing.SupportsFloat | typing.SupportsIndex = 0.8999999761581421, beta2: typing.SupportsFloat | typing.SupportsIndex = 0.949999988079071, eps: typing.SupportsFloat | typing.SupportsIndex = 9.99999993922529e-09, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        parameters: a layer, parameters (matrices decay, vectors do not), or ParameterGroups (weight_decay is then theirs). seed: of stochastic rounding, for weights without an f32 master. Raises InvalidArgument for what is frozen or no parameter.
        """
class AdamW8bit(Optimizer):
    """
    AdamW with its moments in 8 bits, by blocks of 256 (arXiv:2110.02861): about 2 bytes of state a weight in place of 8. Parameters below 4096 elements keep f32 moments.
    """
    def __init__(self, parameters: typing.Any, *, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.10000000149011612, beta1: typing.SupportsFloat | typing.SupportsIndex = 0.8999999761581421, beta2: typing.SupportsFloat | typing.SupportsIndex = 0.949999988079071, eps: typing.SupportsFloat | typing.SupportsIndex = 9.99999993922529e-09, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        parameters: a layer, parameters (matrices decay, vectors do not), or ParameterGroups (weight_decay is then theirs). seed: of stochastic rounding, for weights without an f32 master. Raises InvalidArgument for what is frozen or no parameter.
        """
class Sgd(Optimizer):
    """
    Stochastic gradient descent with (Nesterov) momentum (Sutskever et al., 2013).
    """
    def __init__(self, parameters: typing.Any, *, momentum: typing.SupportsFloat | typing.SupportsIndex = 0.8999999761581421, nesterov: bool = False, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.0, decoupled: bool = False, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        parameters: a layer, parameters (matrices decay, vectors do not), or ParameterGroups (weight_decay is then theirs). seed: of stochastic rounding, for weights without an f32 master. Raises InvalidArgument for what is frozen or no parameter.
        """
class Lion(Optimizer):
    """
    Chen et al., arXiv:2302.06675.
    """
    def __init__(self, parameters: typing.Any, *, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.10000000149011612, beta1: typing.SupportsFloat | typing.SupportsIndex = 0.8999999761581421, beta2: typing.SupportsFloat | typing.SupportsIndex = 0.9900000095367432, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        parameters: a layer, parameters (matrices decay, vectors do not), or ParameterGroups (weight_decay is then theirs). seed: of stochastic rounding, for weights without an f32 master. Raises InvalidArgument for what is frozen or no parameter.
        """
class Muon(Optimizer):
    """
    Momentum made orthogonal by five Newton-Schulz steps, for hidden matrices (https://kellerjordan.github.io/posts/muon); scaled as in arXiv:2502.16982, so that AdamW's learning rates and decays serve it too. All else is AdamW's.
    """
    def __init__(self, parameters: typing.Any, *, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.10000000149011612, momentum: typing.SupportsFloat | typing.SupportsIndex = 0.949999988079071, nesterov: bool = True, adamw_names: collections.abc.Sequence[str] = ['*wte.*', '*wpe.*', '*embed*', '*head.*'], beta1: typing.SupportsFloat | typing.SupportsIndex = 0.8999999761581421, beta2: typing.SupportsFloat | typing.SupportsIndex = 0.949999988079071, eps: typing.SupportsFloat | typing.SupportsIndex = 9.99999993922529e-09, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        adamw_names: patterns (see GroupRule) of matrices that are AdamW's, as vectors are: embeddings and heads. beta1, beta2, eps: AdamW's. parameters: a layer, parameters (matrices decay, vectors do not), or ParameterGroups (weight_decay is then theirs). seed: of stochastic rounding, for weights without an f32 master. Raises InvalidArgument for what is frozen or no parameter.
        """
class Adafactor(Optimizer):
    """
    Shazeer and Stern, arXiv:1804.04235, without momentum: of the second moment of a matrix, the means of its rows and columns alone are kept.
    """
    def __init__(self, parameters: typing.Any, *, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.0, eps1: typing.SupportsFloat | typing.SupportsIndex = 1.0000000031710769e-30, eps2: typing.SupportsFloat | typing.SupportsIndex = 0.0010000000474974513, threshold: typing.SupportsFloat | typing.SupportsIndex = 1.0, decay_power: typing.SupportsFloat | typing.SupportsIndex = 0.800000011920929, scale_parameter: bool = False, relative_step: bool = False, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        eps1: added to squared gradients. eps2: least size of a weight. threshold: largest root mean square of an update. decay_power: means decay by 1 - step^-decay_power. scale_parameter: the rate is multiplied by the root mean square of the weights. relative_step: the rate is min(0.01, 1 / sqrt(step)), not the step's. parameters: a layer, parameters (matrices decay, vectors do not), or ParameterGroups (weight_decay is then theirs). seed: of stochastic rounding, for weights without an f32 master. Raises InvalidArgument for what is frozen or no parameter.
        """
class Schedule:
    """
    Learning rates: linear warm-up, then constant, linear, cosine (arXiv:1608.03983), inverse square root (arXiv:1706.03762) or warm-up-stable-decay (arXiv:2404.06395), down to a floor.
    """
    def __call__(self, step: typing.SupportsInt | typing.SupportsIndex) -> float:
        """
        at().
        """
    def __init__(self, kind: str = 'cosine', *, lr: typing.SupportsFloat | typing.SupportsIndex = 0.0010000000474974513, warmup: typing.SupportsInt | typing.SupportsIndex = 0, steps: typing.SupportsInt | typing.SupportsIndex = 1, min_lr: typing.SupportsFloat | typing.SupportsIndex = 0.0, decay: typing.SupportsFloat | typing.SupportsIndex = 0.20000000298023224, shape: str = 'linear') -> None:
        """
        kind: constant, linear, cosine, inverse_sqrt or wsd. lr: peak. warmup, steps: in steps; the whole run. min_lr: the floor, as a fraction of the peak. decay, shape (linear or sqrt): of wsd, the part of all steps in which the rate falls, and how.
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
class Ema:
    """
    An exponential moving average of weights (Polyak and Juditsky, 1992). `with ema:` exchanges weights and average: evaluate in between.
    """
    def __enter__(self) -> typing.Any:
        ...
    def __exit__(self, *args) -> None:
        ...
    def __init__(self, parameters: typing.Any, *, decay: typing.SupportsFloat | typing.SupportsIndex = 0.9990000128746033, bias_correction: bool = True) -> None:
        """
        bias_correction: the average is that of the steps so far alone; without it, it begins at the initial weights.
        """
    def state(self) -> dict[str, gigatrain._core.Tensor]:
        """
        {"<parameter>.ema": tensor}: live.
        """
    def update(self, step: typing.SupportsInt | typing.SupportsIndex, clip: gigatrain._core.Tensor | gigatrain._core.Parameter | gigatrain._core.ParameterUse | None = None) -> None:
        """
        After a step, counted from 1. clip: the step's, whose NaN means that it was skipped.
        """
def clip(parameters: typing.Any, max_norm: typing.SupportsFloat | typing.SupportsIndex) -> gigatrain._core.Tensor:
    """
    {norm, factor}, a tensor f64 (2), made without waiting for the device: the global norm of every .grad, and the factor that brings it down to max_norm (1 within; NaN when the norm is not finite: an optimizer then changes nothing). max_norm 0: off. arXiv:1211.5063.
    """
def gradient_norm(parameters: typing.Any) -> float:
    """
    The global norm of every .grad; waits for the device.
    """
def groups_by_pattern(parameters: typing.Any, rules: collections.abc.Sequence[GroupRule], *, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> list[ParameterGroup]:
    """
    ParameterGroups for an optimizer: the first rule that matches a name holds.
    """
def make_optimizer(name: str, parameters: typing.Any, *, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.10000000149011612, beta1: typing.SupportsFloat | typing.SupportsIndex = 0.8999999761581421, beta2: typing.SupportsFloat | typing.SupportsIndex = 0.949999988079071, eps: typing.SupportsFloat | typing.SupportsIndex = 9.99999993922529e-09, momentum: typing.SupportsFloat | typing.SupportsIndex = 0.949999988079071, nesterov: bool = True, decoupled: bool = False, threshold: typing.SupportsFloat | typing.SupportsIndex = 1.0, relative_step: bool = False, groups: collections.abc.Sequence[GroupRule] = [], ema: typing.SupportsFloat | typing.SupportsIndex = 0.0, ema_bias_correction: bool = True, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> Optimizer:
    """
    An optimizer by its name in configurations, with the options that it has, of which the others are not used; see optimizer_names().

    momentum, nesterov: of sgd and muon. decoupled: of sgd. threshold, relative_step: of adafactor. groups: GroupRules. ema above 0: the decay of an average of the weights kept beside them; ema_bias_correction: it weighs the first steps as Adam does. Raises InvalidArgument for an unknown name, and for what is frozen or no parameter.
    """
def optimizer_names() -> list[str]:
    """
    Names that make_optimizer() knows.
    """
