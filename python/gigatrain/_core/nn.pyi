"""Made by scripts/make_stubs.py; not edited by hand."""
"""
Layers and models.
"""
from __future__ import annotations
import collections.abc
import gigatrain._core
import typing
__all__: list[str] = ['BatchContext', 'ClassificationHead', 'Conv1d', 'Conv2d', 'Dropout', 'Embedding', 'Function', 'Gelu', 'GptConfig', 'GroupNorm', 'LanguageModel', 'Layer', 'LayerNorm', 'Linear', 'LlamaConfig', 'Model', 'MultiHeadAttention', 'PackedLinear', 'RegressionHead', 'Relu', 'RmsNorm', 'Sequential', 'Sigmoid', 'Silu', 'Tanh', 'TransformerBlock', 'context', 'gpt', 'llama', 'materialize', 'parameter_count']
class BatchContext:
    """
    Facts of the batch at hand that layers need besides their input. `with gt.nn.BatchContext(training=True, seed=1, step=i): loss = model(x)` hands them to every layer called inside; the Trainer does so by itself. Without one, layers evaluate: no dropout.
    """
    def __enter__(self) -> BatchContext:
        ...
    def __exit__(self, *args) -> None:
        ...
    def __init__(self, *, training: bool = False, seed: typing.SupportsInt | typing.SupportsIndex = 0, step: typing.SupportsInt | typing.SupportsIndex = 0, first_sample: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        seed: of the run. first_sample: number, within the step, of the batch's first sample.
        """
    def dropout(self, rate: typing.SupportsFloat | typing.SupportsIndex, layer: str) -> gigatrain._core.DropoutArgs:
        """
        The mask of a layer, by its path; off when not training.
        """
    @property
    def first_sample(self) -> int:
        """
        Number, within the step, of the batch's first sample.
        """
    @first_sample.setter
    def first_sample(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def seed(self) -> int:
        """
        Of the run.
        """
    @seed.setter
    def seed(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def step(self) -> int:
        """
        Of the run, from 0.
        """
    @step.setter
    def step(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def tokens_per_sample(self) -> int:
        """
        Rows of a sample: dropout masks hang on it.
        """
    @tokens_per_sample.setter
    def tokens_per_sample(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def training(self) -> bool:
        """
        Dropout on?
        """
    @training.setter
    def training(self, arg0: bool) -> None:
        ...
class Layer:
    """
    A map in a tree of layers. Derive, assign layers and gt.Parameters to attributes in __init__ (after super().__init__()), and write forward():

        class Mlp(gt.nn.Layer):
            def __init__(self):
                super().__init__()
                self.fc = gt.nn.Linear(8, 32, gelu=True)
                self.out = gt.Parameter((4, 32))
            def forward(self, x):
                return gt.linear(self.fc(x), self.out)

    gt.nn.materialize(model) names everything by its path and makes the values.
    """
    def __call__(self, *args, **kwargs) -> typing.Any:
        """
        forward().
        """
    def __delattr__(self, arg0: str) -> None:
        ...
    def __init__(self) -> None:
        ...
    def __repr__(self) -> str:
        ...
    def __setattr__(self, arg0: str, arg1: typing.Any) -> None:
        ...
    def children(self) -> list[tuple[str, Layer]]:
        """
        [(name, layer)] of the layers directly below.
        """
    def dropout_args(self, rate: typing.SupportsFloat | typing.SupportsIndex) -> gigatrain._core.DropoutArgs:
        """
        The mask of this layer in the batch at hand, for gt.dropout().
        """
    def forward(self, *args: typing.Any, **kwargs: typing.Any) -> gigatrain._core.Tensor:
        """
        The layer's result for x. context: a BatchContext; the innermost `with` by default.
        """
    def load_state_dict(self, values: collections.abc.Mapping[str, typing.Any]) -> None:
        """
        Overwrites every parameter with {path: tensor or array}. Raises InvalidArgument that lists all missing, unexpected and misshapen ones at once, before anything is written.
        """
    def named_parameters(self) -> list[tuple[str, gigatrain._core.Parameter]]:
        """
        [(path, parameter)] below this layer, each once, in order of the paths.
        """
    def parameters(self) -> list[gigatrain._core.Parameter]:
        """
        Every parameter below, each once, in name order: what optimizers take.
        """
    def replace(self, name: str, layer: Layer) -> None:
        """
        Exchanges a child. Raises InvalidArgument if there is none, or it does not fit.
        """
    def state_dict(self) -> dict[str, gigatrain._core.Tensor]:
        """
        {path: tensor} of the live values: writing into them changes the model.
        """
    @property
    def path(self) -> str:
        """
        Its place in the model: "h.0.attn".
        """
class Linear(Layer):
    """
    y = x W [+ b] [then GELU]; x (..., n_in), y (..., n_out).
    """
    def __init__(self, n_in: typing.SupportsInt | typing.SupportsIndex, n_out: typing.SupportsInt | typing.SupportsIndex, *, bias: bool = True, gelu: bool = False, layout: str = 'out_in', init_std: typing.SupportsFloat | typing.SupportsIndex = 0.019999999552965164) -> None:
        """
        Parameters weight (n_out, n_in), or (n_in, n_out) with layout "in_out", and bias (n_out).
        """
class PackedLinear(Layer):
    """
    Several linear maps of one input as one product: x (..., n_in) -> [y_0 | y_1 | ...], side by side in the last dim.
    """
    def __init__(self, n_in: typing.SupportsInt | typing.SupportsIndex, parts: dict[str, int], *, bias: bool = True, init_std: typing.SupportsFloat | typing.SupportsIndex = 0.019999999552965164) -> None:
        """
        parts: {name: n_out}, in their order: parameters "<name>.weight" (n_out, n_in) and "<name>.bias" (n_out) of their own, which lie one after the other in memory.
        """
class LayerNorm(Layer):
    """
    Layer normalisation over the last dim, arXiv:1607.06450.
    """
    def __init__(self, channels: typing.SupportsInt | typing.SupportsIndex, *, eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999747378752e-06, bias: bool = True) -> None:
        """
        Parameters weight (channels) of ones and bias (channels) of zeros.
        """
class Embedding(Layer):
    """
    A table of vectors: (B, T) tokens i32 -> (B, T, C).
    """
    def __init__(self, count: typing.SupportsInt | typing.SupportsIndex, channels: typing.SupportsInt | typing.SupportsIndex, *, init_std: typing.SupportsFloat | typing.SupportsIndex = 0.019999999552965164) -> None:
        """
        Parameter weight (count, channels).
        """
    @property
    def weight(self) -> gigatrain._core.Parameter:
        """
        The table's parameter.
        """
class RmsNorm(Layer):
    """
    Root-mean-square normalisation over the last dim, arXiv:1910.07467.
    """
    def __init__(self, channels: typing.SupportsInt | typing.SupportsIndex, *, eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999974752427e-07) -> None:
        """
        Parameter weight (channels) of ones.
        """
class Conv1d(Layer):
    """
    gt.conv1d of x (N, n_in, T).
    """
    def __init__(self, n_in: typing.SupportsInt | typing.SupportsIndex, n_out: typing.SupportsInt | typing.SupportsIndex, kernel: typing.SupportsInt | typing.SupportsIndex, *, stride: typing.SupportsInt | typing.SupportsIndex = 1, padding: typing.SupportsInt | typing.SupportsIndex = 0, groups: typing.SupportsInt | typing.SupportsIndex = 1, bias: bool = True) -> None:
        """
        Parameters weight (n_out, n_in / groups, kernel) and bias.
        """
class Conv2d(Layer):
    """
    gt.conv2d of x (N, n_in, H, W).
    """
    def __init__(self, n_in: typing.SupportsInt | typing.SupportsIndex, n_out: typing.SupportsInt | typing.SupportsIndex, kernel: typing.SupportsInt | typing.SupportsIndex, *, stride: typing.SupportsInt | typing.SupportsIndex = 1, padding: typing.SupportsInt | typing.SupportsIndex = 0, groups: typing.SupportsInt | typing.SupportsIndex = 1, bias: bool = True) -> None:
        """
        Parameters weight (n_out, n_in / groups, kernel, kernel), normal as in arXiv:1502.01852, and bias.
        """
class GroupNorm(Layer):
    """
    gt.group_norm of x (N, channels, ...).
    """
    def __init__(self, groups: typing.SupportsInt | typing.SupportsIndex, channels: typing.SupportsInt | typing.SupportsIndex, *, eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999747378752e-06, bias: bool = True) -> None:
        """
        Parameters weight (channels) of ones and bias of zeros.
        """
class Function(Layer):
    """
    A function of one tensor as a layer.
    """
class Gelu(Function):
    """
    GELU in the tanh form, arXiv:1606.08415.
    """
    def __init__(self) -> None:
        ...
class Relu(Function):
    """
    max(x, 0).
    """
    def __init__(self) -> None:
        ...
class Sigmoid(Function):
    """
    1 / (1 + exp(-x)).
    """
    def __init__(self) -> None:
        ...
class Silu(Function):
    """
    x sigmoid(x), arXiv:1702.03118.
    """
    def __init__(self) -> None:
        ...
class Tanh(Function):
    """
    Hyperbolic tangent.
    """
    def __init__(self) -> None:
        ...
class Dropout(Layer):
    """
    Zeroes elements of x (B, ..., C) while training, and scales the others.
    """
    def __init__(self, rate: typing.SupportsFloat | typing.SupportsIndex) -> None:
        """
        rate: the probability, in [0, 1).
        """
class Sequential(Layer):
    """
    Layers and functions of one tensor, one after the other: Sequential(Linear(8, 32), gt.gelu, Linear(32, 4)). Also a list of layers: len(), [i], iteration, append().
    """
    def __getitem__(self: Layer, index: typing.SupportsInt | typing.SupportsIndex) -> Layer:
        ...
    def __init__(self, *args) -> None:
        """
        Children are named "0", "1", ...
        """
    def __len__(self) -> int:
        ...
    def append(self, layer: typing.Any) -> None:
        """
        Adds a layer, or a function of one tensor, at the end.
        """
class MultiHeadAttention(Layer):
    """
    Attention of a sequence to itself, x (B, T, C) -> (B, T, C); arXiv:1706.03762. Children qkv and proj.
    """
    def __init__(self, channels: typing.SupportsInt | typing.SupportsIndex, heads: typing.SupportsInt | typing.SupportsIndex, *, kv_heads: typing.SupportsInt | typing.SupportsIndex = 0, causal: bool = False, bias: bool = True, init_std: typing.SupportsFloat | typing.SupportsIndex = 0.019999999552965164) -> None:
        """
        kv_heads: fewer share keys and values; 0: heads. causal: a position sees itself and earlier ones only.
        """
class TransformerBlock(Layer):
    """
    x + attn(norm_1(x)), then + mlp(norm_2(...)), x (B, T, C); arXiv:2002.04745.
    """
    def __init__(self, channels: typing.SupportsInt | typing.SupportsIndex, heads: typing.SupportsInt | typing.SupportsIndex, *, causal: bool = False, inner: typing.SupportsInt | typing.SupportsIndex = 0, dropout: typing.SupportsFloat | typing.SupportsIndex = 0.0, init_std: typing.SupportsFloat | typing.SupportsIndex = 0.019999999552965164) -> None:
        """
        inner: of the MLP; 0: 4 channels. init_std: of every matrix.
        """
class Model(Layer):
    """
    What the Trainer needs of a layer: a loss of a batch. Derive as from Layer, and define

        def loss(self, batch, scale): ...   # scale * the sum of the batch's loss terms
        def predict(self, batch): ...       # optional: what a metric looks at
    """
    def __init__(self) -> None:
        ...
    def loss(self, *args: typing.Any, **kwargs: typing.Any) -> gigatrain._core.Tensor:
        """
        scale * sum of the batch's loss terms, a scalar f32; the Trainer's scale is 1 / the step's number of terms.
        """
    def predict(self, *args: typing.Any, **kwargs: typing.Any) -> gigatrain._core.Tensor:
        """
        The output that a metric looks at: logits, values.
        """
class ClassificationHead(Model):
    """
    Cross-entropy of linear(body(x)); one term a label, -1 ignored.
    """
    def __init__(self, body: Layer, *, channels: typing.SupportsInt | typing.SupportsIndex, classes: typing.SupportsInt | typing.SupportsIndex, x: str = 'x', label: str = 'label', label_smoothing: typing.SupportsFloat | typing.SupportsIndex = 0.0, z_loss: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> None:
        """
        channels: of the body's output (B, ..., channels). x, label: fields of the batch; labels i32 (B, ...). label_smoothing, z_loss: as in cross_entropy().
        """
class RegressionHead(Model):
    """
    Mean over outputs of (prediction - target)^2, or of the Huber loss; one term a sample.
    """
    def __init__(self, body: Layer, *, channels: typing.SupportsInt | typing.SupportsIndex, outputs: typing.SupportsInt | typing.SupportsIndex = 1, x: str = 'x', target: str = 'target', huber_delta: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> None:
        """
        channels: of the body's output (B, channels). x, target: fields of the batch; target (B, outputs) or (B). huber_delta: where the Huber loss turns linear; 0: squares.
        """
class LanguageModel(Model):
    """
    A model of text. Called with tokens (B, T) i32 it gives logits (B, T, V).
    """
    def flops_per_token(self, t: typing.SupportsInt | typing.SupportsIndex) -> float:
        """
        Floating-point operations of a token's forward and backward at context length t.
        """
    def hf_config(self) -> str:
        """
        Hugging Face's config.json, as text.
        """
    def loss(self, tokens: gigatrain._core.Tensor | gigatrain._core.Parameter | gigatrain._core.ParameterUse, targets: gigatrain._core.Tensor | gigatrain._core.Parameter | gigatrain._core.ParameterUse, scale: typing.SupportsFloat | typing.SupportsIndex = 1.0, context: BatchContext | None = None) -> gigatrain._core.Tensor:
        """
        scale * sum of the targets' cross-entropies in nats, a scalar f32. tokens, targets (B, T) i32; target -1: ignored. scale = 1 / number of targets gives their mean.
        """
    def next_token_logits(self, tokens: gigatrain._core.Tensor | gigatrain._core.Parameter | gigatrain._core.ParameterUse) -> gigatrain._core.Tensor:
        """
        Logits of the last position of each sequence, (B, V).
        """
    @property
    def max_positions(self) -> int:
        """
        Longest sequence, in tokens.
        """
    @property
    def vocab_size(self) -> int:
        """
        Token ids.
        """
class GptConfig:
    """
    Sizes of a GPT-2 model.
    """
    def __init__(self, *, vocab_size: typing.SupportsInt | typing.SupportsIndex = 50257, n_positions: typing.SupportsInt | typing.SupportsIndex = 1024, n_layer: typing.SupportsInt | typing.SupportsIndex = 12, n_head: typing.SupportsInt | typing.SupportsIndex = 12, n_kv_head: typing.SupportsInt | typing.SupportsIndex = 0, n_embd: typing.SupportsInt | typing.SupportsIndex = 768, n_inner: typing.SupportsInt | typing.SupportsIndex = 0, dropout: typing.SupportsFloat | typing.SupportsIndex = 0.0, tie: bool = True, layer_norm_eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999747378752e-06, init_std: typing.SupportsFloat | typing.SupportsIndex = 0.019999999552965164) -> None:
        """
        n_kv_head 0: n_head. n_inner 0: 4 n_embd. tie: the head is the token table. init_std: small models learn sooner with about 1 / sqrt(n_embd).
        """
    @property
    def dropout(self) -> float:
        """
        Probability.
        """
    @dropout.setter
    def dropout(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def init_std(self) -> float:
        """
        Of initial matrices.
        """
    @init_std.setter
    def init_std(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def layer_norm_eps(self) -> float:
        """
        Added to the variance.
        """
    @layer_norm_eps.setter
    def layer_norm_eps(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def n_embd(self) -> int:
        """
        Channels, a multiple of n_head.
        """
    @n_embd.setter
    def n_embd(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_head(self) -> int:
        """
        Attention heads.
        """
    @n_head.setter
    def n_head(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_inner(self) -> int:
        """
        MLP channels; 0: 4 n_embd.
        """
    @n_inner.setter
    def n_inner(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_kv_head(self) -> int:
        """
        Key and value heads; 0: n_head.
        """
    @n_kv_head.setter
    def n_kv_head(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_layer(self) -> int:
        """
        Transformer blocks.
        """
    @n_layer.setter
    def n_layer(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_positions(self) -> int:
        """
        Longest sequence, in tokens.
        """
    @n_positions.setter
    def n_positions(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def tie(self) -> bool:
        """
        Is the head the token table?
        """
    @tie.setter
    def tie(self, arg0: bool) -> None:
        ...
    @property
    def vocab_size(self) -> int:
        """
        Token ids.
        """
    @vocab_size.setter
    def vocab_size(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
class LlamaConfig:
    """
    Sizes and options of a Llama, Mistral, Qwen2, Qwen3 or SmolLM model; the defaults are SmolLM2-135M's.
    """
    def __init__(self, *, vocab_size: typing.SupportsInt | typing.SupportsIndex = 49152, n_positions: typing.SupportsInt | typing.SupportsIndex = 8192, n_layer: typing.SupportsInt | typing.SupportsIndex = 30, n_head: typing.SupportsInt | typing.SupportsIndex = 9, n_kv_head: typing.SupportsInt | typing.SupportsIndex = 3, n_embd: typing.SupportsInt | typing.SupportsIndex = 576, n_inner: typing.SupportsInt | typing.SupportsIndex = 1536, head_dim: typing.SupportsInt | typing.SupportsIndex = 0, tie: bool = True, qk_norm: bool = False, qkv_bias: bool = False, o_bias: bool = False, mlp_bias: bool = False, rope_theta: typing.SupportsFloat | typing.SupportsIndex = 100000.0, rope_scaling: gigatrain._core.RopeScaling = ..., norm_eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999747378752e-06, init_std: typing.SupportsFloat | typing.SupportsIndex = 0.019999999552965164) -> None:
        """
        Zeros are filled in: n_kv_head by n_head, n_inner by 8/3 n_embd, head_dim by n_embd / n_head.
        """
    @property
    def head_dim(self) -> int:
        """
        Of a head; 0: n_embd / n_head.
        """
    @head_dim.setter
    def head_dim(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def init_std(self) -> float:
        """
        Of initial matrices.
        """
    @init_std.setter
    def init_std(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def mlp_bias(self) -> bool:
        """
        Biases in the MLP.
        """
    @mlp_bias.setter
    def mlp_bias(self, arg0: bool) -> None:
        ...
    @property
    def n_embd(self) -> int:
        """
        Channels.
        """
    @n_embd.setter
    def n_embd(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_head(self) -> int:
        """
        Attention heads.
        """
    @n_head.setter
    def n_head(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_inner(self) -> int:
        """
        MLP channels; 0: 8/3 n_embd, rounded up.
        """
    @n_inner.setter
    def n_inner(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_kv_head(self) -> int:
        """
        Key and value heads; 0: n_head.
        """
    @n_kv_head.setter
    def n_kv_head(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_layer(self) -> int:
        """
        Transformer blocks.
        """
    @n_layer.setter
    def n_layer(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_positions(self) -> int:
        """
        Longest sequence, in tokens.
        """
    @n_positions.setter
    def n_positions(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def norm_eps(self) -> float:
        """
        Added to the mean square.
        """
    @norm_eps.setter
    def norm_eps(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def o_bias(self) -> bool:
        """
        A bias on the attention's output.
        """
    @o_bias.setter
    def o_bias(self, arg0: bool) -> None:
        ...
    @property
    def qk_norm(self) -> bool:
        """
        RMS norms of query and key heads (Qwen3).
        """
    @qk_norm.setter
    def qk_norm(self, arg0: bool) -> None:
        ...
    @property
    def qkv_bias(self) -> bool:
        """
        Biases on q, k, v (Qwen2).
        """
    @qkv_bias.setter
    def qkv_bias(self, arg0: bool) -> None:
        ...
    @property
    def rope_scaling(self) -> gigatrain._core.RopeScaling:
        """
        For longer contexts.
        """
    @rope_scaling.setter
    def rope_scaling(self, arg0: gigatrain._core.RopeScaling) -> None:
        ...
    @property
    def rope_theta(self) -> float:
        """
        Base of the rotary frequencies.
        """
    @rope_theta.setter
    def rope_theta(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def tie(self) -> bool:
        """
        Is the head the token table?
        """
    @tie.setter
    def tie(self, arg0: bool) -> None:
        ...
    @property
    def vocab_size(self) -> int:
        """
        Token ids.
        """
    @vocab_size.setter
    def vocab_size(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
def context() -> BatchContext:
    """
    The BatchContext that layers called here would see.
    """
def gpt(config: GptConfig) -> LanguageModel:
    """
    GPT-2 (Radford et al., 2019) with Hugging Face's names; no values before materialize(). Raises InvalidArgument when sizes do not divide.
    """
def llama(config: LlamaConfig) -> LanguageModel:
    """
    Llama (arXiv:2302.13971) and its family with Hugging Face's names; no values before materialize(). Raises InvalidArgument when sizes do not divide, Unsupported for a mixture that no architecture has.
    """
def materialize(model: typing.Any, device: gigatrain._core.Device | str | None = None, *, compute: gigatrain._core.DType | str = ..., params: gigatrain._core.DType | str = ..., seed: typing.SupportsInt | typing.SupportsIndex = 1337) -> typing.Any:
    """
    Names every layer and parameter below the model by its path, gives the parameters memory on the device and their initial values, and returns the model.

    compute: f32, or bf16 or f16 for matrices. params: of the masters; bf16 (with bf16 compute) keeps no f32 copy. seed: value i of a parameter depends on (seed, name, i) only.
    """
@typing.overload
def parameter_count(config: GptConfig) -> int:
    """
    Number of weights, tied ones once.
    """
@typing.overload
def parameter_count(config: LlamaConfig) -> int:
    """
    Number of weights, tied ones once.
    """
