"""Made by scripts/make_stubs.py; not edited by hand."""
"""
gigatrain's C++ core
"""
from __future__ import annotations
import collections.abc
import typing
from . import nn
from . import optim
__all__: list[str] = ['ArraySource', 'Batch', 'BatchSource', 'CheckpointConfig', 'CheckpointEntry', 'CheckpointLine', 'CheckpointReport', 'Communicator', 'Config', 'DType', 'DataConfig', 'DataParallel', 'Device', 'DropoutArgs', 'EvalLine', 'Evaluation', 'Function', 'FunctionContext', 'FunctionSource', 'GradientCheck', 'GradientError', 'LeafScope', 'LeafTurn', 'LoadedModel', 'LogConfig', 'ModelConfig', 'OptimConfig', 'ParallelConfig', 'Parameter', 'ParameterUse', 'PrecisionConfig', 'ReportSummary', 'RopeOptions', 'RopeScaling', 'RunConfig', 'RunOutcome', 'RunSummary', 'ScheduleConfig', 'StepLine', 'StepReport', 'Tensor', 'TokenSource', 'Tokenizer', 'Trace', 'TrainConfig', 'Trainer', 'World', 'abs', 'accuracy', 'add', 'argmax', 'attention', 'attention_packed', 'avg_pool2d', 'backward', 'bf16', 'binary_cross_entropy', 'cast', 'check_gradients', 'collect_gradients', 'concat', 'contiguous', 'conv1d', 'conv2d', 'cross_entropy', 'cuda_available', 'default_device', 'detect_anomaly', 'device', 'discard_gradients', 'div', 'dropout', 'dropout_args', 'embedding', 'empty', 'equal', 'evaluate', 'exp', 'f16', 'f32', 'f64', 'from_dlpack', 'from_numpy', 'full', 'gather', 'gelu', 'generate', 'greater', 'group_norm', 'huber_loss', 'i32', 'i64', 'init', 'layer_norm', 'less', 'linear', 'linear_cross_entropy', 'list_checkpoints', 'load_config', 'load_model', 'load_state', 'log', 'log_softmax', 'matmul', 'max', 'maximum', 'mean', 'memory_report', 'minimum', 'mse_loss', 'mul', 'neg', 'nn', 'no_grad', 'one_hot', 'optim', 'parse_config', 'permute', 'pow', 'qk_norm_rope', 'relu', 'report', 'request_checkpoint', 'reshape', 'residual_dropout', 'residual_norm', 'residual_rms_norm', 'rms_norm', 'rope', 'rsqrt', 'save_hf_folder', 'save_state', 'scale', 'set_default_device', 'sigmoid', 'silu', 'slice', 'softmax', 'sqrt', 'state_digest', 'sub', 'sum', 'swiglu', 'take', 'tanh', 'tensor', 'tokenize_files', 'tokenizer', 'top_k', 'train_run', 'transpose', 'u8', 'upsample_nearest2d', 'verify_checkpoint', 'where', 'write_tensorboard', 'zeros']
class Device:
    """
    A processor with its memory and its queue of work. Made by device(); lives as long as the process. Wherever one is expected its kind will do: "cpu", "cuda", "auto".
    """
    def __eq__(self, arg0: Device | str) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, kind: str = 'auto') -> None:
        """
        The device of this kind; see device().
        """
    def __repr__(self) -> str:
        ...
    def memory(self) -> dict:
        """
        Bytes of live blocks by purpose (parameters, gradients, optimizer, activations, workspace, data) and in total: {purpose: {"now": n, "peak": n}}; reserved: live and cached bytes.
        """
    def reset_peak_memory(self) -> None:
        """
        Peaks start again from what is live now.
        """
    def synchronize(self) -> None:
        """
        Waits for everything submitted. Raises DeviceError naming what failed.
        """
    def trim_memory(self) -> None:
        """
        Gives cached blocks back to the operating system or the driver.
        """
    @property
    def kind(self) -> str:
        """
        "cpu" or "cuda"
        """
    @property
    def model(self) -> str:
        """
        The maker's name of the processor.
        """
    @property
    def threads(self) -> int:
        """
        Threads that run CPU kernels; results never depend on it.
        """
class DType:
    """
    Element type of a tensor; wherever one is expected its name will do: "f32". bf16 and f16 are storage, arithmetic happens in f32.

    Members:

      f32

      f64

      bf16

      f16

      i32

      i64

      u8
    """
    __members__: typing.ClassVar[dict[str, DType]]
    bf16: typing.ClassVar[DType]
    f16: typing.ClassVar[DType]
    f32: typing.ClassVar[DType]
    f64: typing.ClassVar[DType]
    i32: typing.ClassVar[DType]
    i64: typing.ClassVar[DType]
    u8: typing.ClassVar[DType]
    @typing.overload
    def __eq__(self, other: DType | str) -> bool:
        ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __getstate__(self) -> int:
        ...
    def __hash__(self) -> int:
        ...
    def __index__(self) -> int:
        ...
    @typing.overload
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @typing.overload
    def __init__(self, arg0: str) -> None:
        ...
    def __int__(self) -> int:
        ...
    @typing.overload
    def __ne__(self, other: DType | str) -> bool:
        ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool:
        ...
    def __repr__(self) -> str:
        ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def __str__(self) -> str:
        ...
    @property
    def name(self) -> str:
        ...
    @property
    def value(self) -> int:
        ...
class Tensor:
    """
    Values on a device, and their place on the tape when a gradient is wanted. Made by tensor(), from_numpy(), from_dlpack(), zeros(), ... and by the functions of this module.
    """
    @typing.overload
    def __add__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __add__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    def __array__(self, dtype: typing.Any | None = None, copy: typing.Any | None = None) -> typing.Any:
        """
        For numpy.asarray().
        """
    def __bool__(self) -> bool:
        ...
    def __dlpack__(self, *, stream: typing.Any | None = None, max_version: typing.Any | None = None, dl_device: typing.Any | None = None, copy: bool | None = None) -> typing.Any:
        """
        A DLPack capsule that shares this tensor's memory (versioned if max_version allows).
        """
    def __dlpack_device__(self) -> tuple[int, int]:
        """
        (device type, device number) of DLPack: (1, 0) is the CPU, (2, 0) a GPU.
        """
    @typing.overload
    def __eq__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __eq__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    def __float__(self) -> float:
        ...
    @typing.overload
    def __ge__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __ge__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    def __getitem__(self, key: typing.Any) -> Tensor:
        """
        ints, slices of step 1, None and ...; a view where the memory allows.
        """
    @typing.overload
    def __gt__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __gt__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    def __hash__(self):
        """
        Return hash(self).
        """
    def __int__(self) -> int:
        ...
    @typing.overload
    def __le__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __le__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    def __len__(self) -> int:
        ...
    @typing.overload
    def __lt__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __lt__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    def __matmul__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __mul__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    @typing.overload
    def __mul__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __mul__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    @typing.overload
    def __ne__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __ne__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    def __neg__(self) -> Tensor:
        ...
    def __pow__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    @typing.overload
    def __radd__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __radd__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    def __repr__(self) -> str:
        ...
    def __rmatmul__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __rmul__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    @typing.overload
    def __rmul__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __rmul__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    @typing.overload
    def __rsub__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __rsub__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    @typing.overload
    def __rtruediv__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __rtruediv__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    @typing.overload
    def __sub__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __sub__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    @typing.overload
    def __truediv__(self, arg0: Tensor | Parameter | ParameterUse) -> Tensor:
        ...
    @typing.overload
    def __truediv__(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        ...
    def assign(self, values: Tensor | Parameter | ParameterUse) -> None:
        """
        Overwrites the values with those of a tensor of the same shape, converting the dtype; not recorded on the tape.
        """
    def backward(self, gradient: Tensor | Parameter | ParameterUse | None = None) -> None:
        """
        Runs the tape back from this tensor: a scalar, or with its gradient given. Gradients are added up in the .grad of inputs and in the uses of parameters; the graph is freed.
        """
    def cast(self, dtype: DType | str) -> Tensor:
        """
        Converted to f32, bf16, f16 or f64.
        """
    def contiguous(self) -> Tensor:
        """
        Row-major; the tensor itself when it is.
        """
    def detach(self) -> Tensor:
        """
        The same memory, not on the tape.
        """
    def item(self) -> typing.Any:
        """
        The value of a tensor of one element, as a Python number.
        """
    def mean(self, dims: typing.SupportsInt | typing.SupportsIndex | collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = []) -> Tensor:
        """
        Over the dims (kept, with size 1), or of everything: a scalar.
        """
    def numpy(self) -> typing.Any:
        """
        The values as a numpy array that shares the memory and keeps it alive; bf16 as ml_dtypes.bfloat16. Read-only when the tensor is on the tape. Raises InvalidArgument for a tensor of a GPU: t.to("cpu").numpy().
        """
    def reshape(self, shape: collections.abc.Sequence[int] | int) -> Tensor:
        """
        The same values in another shape; the same memory when contiguous.
        """
    def sum(self, dims: typing.SupportsInt | typing.SupportsIndex | collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = []) -> Tensor:
        """
        Over the dims (kept, with size 1), or of everything: a scalar.
        """
    def to(self, device: Device | str) -> Tensor:
        """
        A copy on another device, not on the tape; the tensor itself when it is there.
        """
    def tolist(self) -> typing.Any:
        """
        The values as nested lists of Python numbers.
        """
    def transpose(self, dim0: typing.SupportsInt | typing.SupportsIndex, dim1: typing.SupportsInt | typing.SupportsIndex) -> Tensor:
        """
        A view with two dims exchanged.
        """
    def zero_grad(self) -> None:
        """
        Forgets the gradient collected so far.
        """
    @property
    def data_ptr(self) -> int:
        """
        Address of the first element, in the device's memory.
        """
    @property
    def device(self) -> Device:
        """
        Where the values are.
        """
    @property
    def dtype(self) -> DType:
        """
        Element type, a DType.
        """
    @property
    def grad(self) -> Tensor:
        """
        The gradient collected so far, f32 (f64 of an f64 tensor), or None.
        """
    @property
    def is_contiguous(self) -> bool:
        """
        Row-major without gaps?
        """
    @property
    def ndim(self) -> int:
        """
        Number of dims.
        """
    @property
    def requires_grad(self) -> bool:
        """
        Is a gradient wanted through this tensor? Settable on inputs, not on results.
        """
    @requires_grad.setter
    def requires_grad(self, arg1: bool) -> None:
        ...
    @property
    def shape(self) -> tuple[int, ...]:
        """
        Sizes, outermost first.
        """
    @property
    def size(self) -> int:
        """
        Number of elements.
        """
    @property
    def strides(self) -> tuple:
        """
        Distance of neighbours along each dim, in elements.
        """
class Parameter:
    """
    A named weight of a layer. Its name is its path in the model; values are made by gt.nn.materialize(). Stands wherever a tensor is expected.
    """
    def __init__(self, shape: collections.abc.Sequence[int] | int, *, init: str = 'normal', std: typing.SupportsFloat | typing.SupportsIndex = 0.019999999552965164) -> None:
        """
        init: "normal" (0, std), "zeros" or "ones"; value i depends on (seed, name, i) only.
        """
    def __repr__(self) -> str:
        ...
    def assign(self, values: Tensor | Parameter | ParameterUse) -> None:
        """
        Overwrites the values with those of a tensor of the same shape.
        """
    def changed(self) -> None:
        """
        Say so after writing into value: copies in the compute dtype are out of date.
        """
    def tensor(self) -> Tensor:
        """
        The values in the compute dtype, connected to the gradient of the first use.
        """
    def use(self) -> ...:
        """
        Another use, with a gradient of its own that is added after the others': for weights that several layers share. Ask once, when the layer is built, not in forward().
        """
    @property
    def compute_dtype(self) -> DType:
        """
        What products use: f32, bf16 or f16.
        """
    @property
    def grad(self) -> Tensor:
        """
        The step's gradient, f32; None before collect_gradients() or the Trainer made it.
        """
    @grad.setter
    def grad(self, arg1: Tensor | Parameter | ParameterUse | None) -> None:
        ...
    @property
    def name(self) -> str:
        """
        Its path: "h.0.attn.weight".
        """
    @property
    def requires_grad(self) -> bool:
        """
        False: frozen. No gradient is made for it, and optimizers refuse it.
        """
    @requires_grad.setter
    def requires_grad(self, arg1: bool) -> None:
        ...
    @property
    def shape(self) -> tuple[int, ...]:
        """
        Sizes, outermost first.
        """
    @property
    def value(self) -> Tensor:
        """
        The master values: f32, or bf16 without a master; None before materialize(), and where ranks share them (zero 1 to 3). After writing into it call changed().
        """
class ParameterUse:
    """
    One place where a parameter enters the computation.
    """
    def tensor(self) -> Tensor:
        """
        The parameter in its compute dtype, connected to this use's gradient.
        """
class no_grad:
    """
    with gt.no_grad(): the tape is off in this thread; results need no memory for a backward.
    """
    def __enter__(self) -> typing.Any:
        ...
    def __exit__(self, *args) -> None:
        ...
    def __init__(self) -> None:
        ...
class detect_anomaly:
    """
    with gt.detect_anomaly(step): every value that an op, a gradient or a weight makes is looked at; the first NaN or Inf raises Cancelled that names step, op, layer and parameter. Several times slower.
    """
    def __enter__(self) -> typing.Any:
        ...
    def __exit__(self, *args) -> None:
        ...
    def __init__(self, step: typing.SupportsInt | typing.SupportsIndex = -1) -> None:
        """
        step: from 1, for the message.
        """
class FunctionContext:
    """
    What a Function's forward leaves for its backward: tensors by save_for_backward(), anything else as attributes.
    """
    def save_for_backward(self, *args) -> None:
        """
        Keeps tensors (or None) until the backward, which finds them in .saved.
        """
    @property
    def needs_input_grad(self) -> list[bool]:
        """
        For each argument of apply(): is its gradient wanted?
        """
    @property
    def saved(self) -> list[Tensor]:
        """
        What save_for_backward() kept, in its order.
        """
class Function:
    """
    An op of your own. Derive, write two static methods and call apply():

        class Square(gt.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x
            @staticmethod
            def backward(ctx, dout):
                return 2.0 * ctx.saved[0] * dout

        y = Square.apply(x)

    forward runs with the tape off. backward gets one gradient an output (None where none came) and returns one an argument of apply(), of its shape and dtype; None where the argument is no tensor or needs none. What does not fit raises InvalidArgument that names the function, the argument and the shape expected.
    """
    @staticmethod
    def apply(arg0: typing.Any, *args) -> typing.Any:
        """
        Runs forward(ctx, *args) and puts it on the tape.
        """
    def __init__(self) -> None:
        ...
class DropoutArgs:
    """
    How a mask is drawn: from Philox, by global position only, never stored. Made by BatchContext.dropout() or dropout_args().
    """
    @property
    def rate(self) -> float:
        """
        Probability that an element is dropped.
        """
class RopeScaling:
    """
    How rotary frequencies change for contexts longer than the model was trained on: the kinds and fields of Hugging Face's rope_scaling.
    """
    def __init__(self, kind: str, *, factor: typing.SupportsFloat | typing.SupportsIndex = 1.0, original_positions: typing.SupportsInt | typing.SupportsIndex = 0, low_freq_factor: typing.SupportsFloat | typing.SupportsIndex = 1.0, high_freq_factor: typing.SupportsFloat | typing.SupportsIndex = 4.0, beta_fast: typing.SupportsFloat | typing.SupportsIndex = 32.0, beta_slow: typing.SupportsFloat | typing.SupportsIndex = 1.0, attention_factor: typing.SupportsFloat | typing.SupportsIndex | None = None, mscale: typing.SupportsFloat | typing.SupportsIndex = 0.0, mscale_all_dim: typing.SupportsFloat | typing.SupportsIndex = 0.0, truncate: bool = True) -> None:
        """
        kind: none, linear, dynamic, llama3 or yarn (arXiv:2309.00071). original_positions: needed by the last three.
        """
class RopeOptions:
    """
    How queries and keys are turned.
    """
    def __init__(self, *, layout: str = 'half', theta: typing.SupportsFloat | typing.SupportsIndex = 10000.0, rotary_dims: typing.SupportsInt | typing.SupportsIndex = 0, first_position: typing.SupportsInt | typing.SupportsIndex = 0, positions: Tensor | Parameter | ParameterUse | None = None, scaling: RopeScaling = ...) -> None:
        """
        layout: "half" pairs (i, i + R / 2), as Hugging Face's Llama; "interleaved" (2 i, 2 i + 1), as GPT-J. rotary_dims: R; 0: all D. positions: (B, T) i32, else first_position + t.
        """
class Batch:
    """
    Tensors with names; dim 0 is the sample. batch["x"].
    """
    def __contains__(self, name: str) -> bool:
        ...
    def __getitem__(self, name: str) -> Tensor:
        ...
    def __init__(self, fields: collections.abc.Mapping[str, Tensor | Parameter | ParameterUse]) -> None:
        """
        From {name: tensor} with equal numbers of samples.
        """
    def keys(self) -> list[str]:
        """
        Names of the fields.
        """
    def slice(self, begin: typing.SupportsInt | typing.SupportsIndex, end: typing.SupportsInt | typing.SupportsIndex) -> Batch:
        """
        Samples [begin, end), as views.
        """
    @property
    def samples(self) -> int:
        """
        How many there are.
        """
class BatchSource:
    """
    Batches as a pure function of the step. Nothing but the step is state, so a run continues anywhere with the same data.
    """
    def batch_at(self, step: typing.SupportsInt | typing.SupportsIndex, device: Device | str | None = None, *, first: typing.SupportsInt | typing.SupportsIndex = 0, count: typing.SupportsInt | typing.SupportsIndex | None = None) -> Batch:
        """
        The batch of a step, from 0: all of it, or samples [first, first + count), such as a leaf's.
        """
    @property
    def digest(self) -> int:
        """
        Names the data: a 64-bit number.
        """
    @property
    def eval_samples(self) -> int:
        """
        Samples of an evaluation; 0: cannot be evaluated on.
        """
    @property
    def global_batch(self) -> int:
        """
        Samples of a step.
        """
class ArraySource(BatchSource):
    """
    Batches from arrays whose dim 0 is the sample: images, tables, pairs. Every epoch takes every sample once, in an order that depends on (data, seed, epoch) only.
    """
    def __init__(self, arrays: collections.abc.Mapping[str, typing.Any], *, global_batch: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, terms: str = '') -> None:
        """
        arrays: {name: array}; contiguous ones are shared, not copied, and must not change. terms: the i32 field whose values that are not negative are the terms of the loss; "": one term a sample. Raises DataError on NaN or Inf.
        """
class FunctionSource(BatchSource):
    """
    Batches that a function makes: synthetic data, augmentation, a reader of your own.
    """
    def __init__(self, function: typing.Any, fields: collections.abc.Mapping[str, tuple[DType | str, collections.abc.Sequence[int] | int]], *, name: str, global_batch: typing.SupportsInt | typing.SupportsIndex, terms: str = '', eval_samples: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        function(step, first_sample, count) -> {field: array} of samples [first_sample, first_sample + count) of a step; the same arguments must give the same values. fields: {name: (dtype, shape of a sample)}. name: what the function makes; change it when the data change. eval_samples: samples of step 0 that an evaluation sees.
        """
class TokenSource(BatchSource):
    """
    Windows of seq_len + 1 consecutive tokens of shards: fields "tokens" and "targets", (seq_len) i32 each. Every epoch takes every window once, in an order of its own.
    """
    def __init__(self, paths: collections.abc.Sequence[str], *, seq_len: typing.SupportsInt | typing.SupportsIndex = 256, global_batch: typing.SupportsInt | typing.SupportsIndex = 1, seed: typing.SupportsInt | typing.SupportsIndex = 0, vocab_size: typing.SupportsInt | typing.SupportsIndex = 0, split: str = 'train') -> None:
        """
        paths: shard files, or folders for their <split>*.bin. vocab_size: ids must be below; 0: not checked. Raises DataError on damaged shards.
        """
    @property
    def seq_len(self) -> int:
        """
        Tokens of a sample.
        """
    @property
    def tokens(self) -> int:
        """
        In all shards.
        """
class RunConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def dir(self) -> str:
        """
        folder that holds the run folders
        """
    @dir.setter
    def dir(self, arg1: str) -> None:
        ...
    @property
    def name(self) -> str:
        """
        run name; default: the configuration file's name
        """
    @name.setter
    def name(self, arg1: str) -> None:
        ...
class ModelConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def dropout(self) -> float:
        """
        probability
        """
    @dropout.setter
    def dropout(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def from_(self) -> str:
        """
        Hugging Face folder to start from; its config.json gives sizes
        """
    @from_.setter
    def from_(self, arg1: str) -> None:
        ...
    @property
    def head_dim(self) -> int:
        """
        llama: channels of a head; 0: n_embd / n_head
        """
    @head_dim.setter
    def head_dim(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def init_std(self) -> float:
        """
        of initial matrices; small models learn sooner with 1 / sqrt(n_embd)
        """
    @init_std.setter
    def init_std(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def kind(self) -> str:
        """
        architecture; with model.from the folder's; one of gpt, llama
        """
    @kind.setter
    def kind(self, arg1: str) -> None:
        ...
    @property
    def mlp_bias(self) -> bool:
        """
        llama: biases in the MLP
        """
    @mlp_bias.setter
    def mlp_bias(self, arg1: bool) -> None:
        ...
    @property
    def n_embd(self) -> int:
        """
        channels, a multiple of n_head unless head_dim is given
        """
    @n_embd.setter
    def n_embd(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_head(self) -> int:
        """
        attention heads
        """
    @n_head.setter
    def n_head(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_inner(self) -> int:
        """
        MLP channels; 0: 4 n_embd (gpt), 8/3 n_embd up to a multiple of 64 (llama)
        """
    @n_inner.setter
    def n_inner(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_kv_head(self) -> int:
        """
        key and value heads; 0: n_head
        """
    @n_kv_head.setter
    def n_kv_head(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def n_layer(self) -> int:
        """
        transformer blocks
        """
    @n_layer.setter
    def n_layer(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def no_rope_every(self) -> int:
        """
        llama: every so many layers, one does not rotate (SmolLM3: 4); 0: all do [layers]
        """
    @no_rope_every.setter
    def no_rope_every(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def norm_eps(self) -> float:
        """
        added to the variance in norms
        """
    @norm_eps.setter
    def norm_eps(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def o_bias(self) -> bool:
        """
        llama: bias on the attention's output
        """
    @o_bias.setter
    def o_bias(self, arg1: bool) -> None:
        ...
    @property
    def qk_norm(self) -> bool:
        """
        llama: normalise each head's query and key (Qwen3)
        """
    @qk_norm.setter
    def qk_norm(self, arg1: bool) -> None:
        ...
    @property
    def qkv_bias(self) -> bool:
        """
        llama: biases on q, k and v (Qwen2)
        """
    @qkv_bias.setter
    def qkv_bias(self, arg1: bool) -> None:
        ...
    @property
    def rope_factor(self) -> float:
        """
        llama: by how much
        """
    @rope_factor.setter
    def rope_factor(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def rope_positions(self) -> int:
        """
        llama: context before stretching; 0: train.seq_len / rope_factor [tokens]
        """
    @rope_positions.setter
    def rope_positions(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def rope_scaling(self) -> str:
        """
        llama: how rotary positions stretch to longer contexts; one of none, linear, llama3, yarn
        """
    @rope_scaling.setter
    def rope_scaling(self, arg1: str) -> None:
        ...
    @property
    def rope_theta(self) -> float:
        """
        llama: base of the rotary frequencies
        """
    @rope_theta.setter
    def rope_theta(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def tie(self) -> bool:
        """
        the head is the token table
        """
    @tie.setter
    def tie(self, arg1: bool) -> None:
        ...
    @property
    def vocab_size(self) -> int:
        """
        token ids; 0: the tokenizer's; more is allowed, less is not
        """
    @vocab_size.setter
    def vocab_size(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
class DataConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def tokenizer(self) -> str:
        """
        how text became tokens; none: ids of another tokenizer, no text is shown; one of byte, none
        """
    @tokenizer.setter
    def tokenizer(self, arg1: str) -> None:
        ...
    @property
    def train(self) -> list[str]:
        """
        token shards to train on: a file, a folder (its train*.bin), or a list
        """
    @train.setter
    def train(self, arg1: collections.abc.Sequence[str]) -> None:
        ...
    @property
    def val(self) -> list[str]:
        """
        token shards to evaluate on; a folder means its val*.bin
        """
    @val.setter
    def val(self, arg1: collections.abc.Sequence[str]) -> None:
        ...
class TrainConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def anomaly(self) -> bool:
        """
        stop where the first NaN or Inf is made and name it; several times slower
        """
    @anomaly.setter
    def anomaly(self, arg1: bool) -> None:
        ...
    @property
    def batch_ramp(self) -> list[str]:
        """
        STEP: LEAVES of steps from that one on; the most is train.leaves, as is every step's without a ramp
        """
    @batch_ramp.setter
    def batch_ramp(self, arg1: collections.abc.Sequence[str]) -> None:
        ...
    @property
    def eval_batches(self) -> int:
        """
        micro-batches of an evaluation; 0: the whole of data.val [batches]
        """
    @eval_batches.setter
    def eval_batches(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def eval_every(self) -> int:
        """
        evaluate; 0: never [steps]
        """
    @eval_every.setter
    def eval_every(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def global_batch(self) -> int:
        """
        batch of a step, = leaves * A * micro_batch [sequences]
        """
    @global_batch.setter
    def global_batch(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def leaves(self) -> int:
        """
        leaves of the gradient tree, a power of two; 0: the largest up to 16
        """
    @leaves.setter
    def leaves(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def limit_seconds(self) -> float:
        """
        stop at a clean step after this much training; 0: no limit [s]
        """
    @limit_seconds.setter
    def limit_seconds(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def micro_batch(self) -> int:
        """
        what one forward pass sees; 0: largest divisor of global_batch up to 4 [sequences]
        """
    @micro_batch.setter
    def micro_batch(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def numerics(self) -> str:
        """
        what the bits of the weights may depend on; one of fast, deterministic, strict
        """
    @numerics.setter
    def numerics(self, arg1: str) -> None:
        ...
    @property
    def sample_every(self) -> int:
        """
        write a sample; 0: never [steps]
        """
    @sample_every.setter
    def sample_every(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def sample_prompt(self) -> str:
        """
        text that a sample continues
        """
    @sample_prompt.setter
    def sample_prompt(self, arg1: str) -> None:
        ...
    @property
    def sample_tokens(self) -> int:
        """
        length of a sample [tokens]
        """
    @sample_tokens.setter
    def sample_tokens(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def seed(self) -> int:
        """
        of initial values, data order and dropout
        """
    @seed.setter
    def seed(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def seq_len(self) -> int:
        """
        context [tokens]
        """
    @seq_len.setter
    def seq_len(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def steps(self) -> int:
        """
        optimizer steps of the whole run [steps]
        """
    @steps.setter
    def steps(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
class OptimConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def beta1(self) -> float:
        """
        decay of the mean
        """
    @beta1.setter
    def beta1(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def beta2(self) -> float:
        """
        decay of the square
        """
    @beta2.setter
    def beta2(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def clip(self) -> float:
        """
        largest global gradient norm; 0: no clipping
        """
    @clip.setter
    def clip(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def decoupled(self) -> bool:
        """
        sgd: weight decay apart from the gradient, not L2
        """
    @decoupled.setter
    def decoupled(self, arg1: bool) -> None:
        ...
    @property
    def ema(self) -> float:
        """
        decay of an average of the weights, which is then evaluated; 0: none
        """
    @ema.setter
    def ema(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def ema_bias_correction(self) -> bool:
        """
        weigh the average's first steps as Adam does; else it starts at the weights
        """
    @ema_bias_correction.setter
    def ema_bias_correction(self, arg1: bool) -> None:
        ...
    @property
    def eps(self) -> float:
        """
        added to the root
        """
    @eps.setter
    def eps(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def groups(self) -> list[str]:
        """
        PATTERN: lr=FACTOR, decay=VALUE by parameter name; the first that matches
        """
    @groups.setter
    def groups(self, arg1: collections.abc.Sequence[str]) -> None:
        ...
    @property
    def lr(self) -> float:
        """
        peak learning rate
        """
    @lr.setter
    def lr(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def momentum(self) -> float:
        """
        of sgd and muon
        """
    @momentum.setter
    def momentum(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def name(self) -> str:
        """
        optimizer; one of adamw, sgd, lion, muon, adafactor, adamw8bit
        """
    @name.setter
    def name(self, arg1: str) -> None:
        ...
    @property
    def nesterov(self) -> bool:
        """
        of sgd and muon: look ahead along the momentum
        """
    @nesterov.setter
    def nesterov(self, arg1: bool) -> None:
        ...
    @property
    def relative_step(self) -> bool:
        """
        adafactor: the paper's rates in place of the schedule's
        """
    @relative_step.setter
    def relative_step(self, arg1: bool) -> None:
        ...
    @property
    def threshold(self) -> float:
        """
        adafactor: largest root mean square of a tensor's update
        """
    @threshold.setter
    def threshold(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def weight_decay(self) -> float:
        """
        of matrices; decoupled, but for sgd L2
        """
    @weight_decay.setter
    def weight_decay(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
class ScheduleConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def decay(self) -> float:
        """
        wsd: the last fraction of train.steps, in which the rate falls
        """
    @decay.setter
    def decay(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def decay_shape(self) -> str:
        """
        wsd: the fall is a line, or 1 - sqrt(t); one of linear, sqrt
        """
    @decay_shape.setter
    def decay_shape(self, arg1: str) -> None:
        ...
    @property
    def kind(self) -> str:
        """
        of the learning rate after warm-up; one of cosine, linear, constant, inverse_sqrt, wsd
        """
    @kind.setter
    def kind(self, arg1: str) -> None:
        ...
    @property
    def min_lr(self) -> float:
        """
        last learning rate, fraction of optim.lr
        """
    @min_lr.setter
    def min_lr(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def warmup(self) -> int:
        """
        linear rise from zero [steps]
        """
    @warmup.setter
    def warmup(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
class ParallelConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def cp(self) -> int:
        """
        context [ranks]
        """
    @cp.setter
    def cp(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def dp(self) -> int:
        """
        data; 0: what is left of the ranks [ranks]
        """
    @dp.setter
    def dp(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def ep(self) -> int:
        """
        experts [ranks]
        """
    @ep.setter
    def ep(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def pp(self) -> int:
        """
        pipeline [ranks]
        """
    @pp.setter
    def pp(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def sp(self) -> int:
        """
        sequence [ranks]
        """
    @sp.setter
    def sp(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def tp(self) -> int:
        """
        tensor [ranks]
        """
    @tp.setter
    def tp(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def zero(self) -> int:
        """
        ZeRO stage of sharded data parallelism
        """
    @zero.setter
    def zero(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
class PrecisionConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def compute(self) -> str:
        """
        matrix products, attention; one of f32, bf16, f16
        """
    @compute.setter
    def compute(self, arg1: str) -> None:
        ...
    @property
    def grads(self) -> str:
        """
        gradient sums; one of f32
        """
    @grads.setter
    def grads(self, arg1: str) -> None:
        ...
    @property
    def loss_scale(self) -> float:
        """
        f16: the loss is multiplied by this power of two; 0: as large as fits
        """
    @loss_scale.setter
    def loss_scale(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def params(self) -> str:
        """
        weights; bf16: no f32 master, stochastic rounding; one of f32, bf16
        """
    @params.setter
    def params(self, arg1: str) -> None:
        ...
class CheckpointConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def async_(self) -> bool:
        """
        write while training goes on, from a copy of the state
        """
    @async_.setter
    def async_(self, arg1: bool) -> None:
        ...
    @property
    def bandwidth(self) -> float:
        """
        of each rank's writing while training goes on, at most; 0: no limit [MB/s]
        """
    @bandwidth.setter
    def bandwidth(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def every(self) -> int:
        """
        save; 0: at the end only [steps]
        """
    @every.setter
    def every(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def keep(self) -> int:
        """
        newest checkpoints to keep, besides the best
        """
    @keep.setter
    def keep(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def keep_every(self) -> int:
        """
        checkpoints of its multiples are kept for good; 0: none [steps]
        """
    @keep_every.setter
    def keep_every(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
class LogConfig:
    """
    A section of a Config; keys, ranges: docs/reference.md. Keys that are words of Python end in an underscore: from_, async_.
    """
    @property
    def every(self) -> int:
        """
        one progress line [steps]
        """
    @every.setter
    def every(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def trace(self) -> bool:
        """
        write steps 2 to 4 of this process to trace/, for ui.perfetto.dev
        """
    @trace.setter
    def trace(self, arg1: bool) -> None:
        ...
class Config:
    """
    The configuration of a run, as `gigatrain train` reads it.
    """
    def __init__(self) -> None:
        """
        Defaults; model, data.train and train.steps are required.
        """
    def __repr__(self) -> str:
        ...
    def to_json(self) -> str:
        """
        Every key, as JSON.
        """
    def to_toml(self) -> str:
        """
        Every key; parses back to the same values.
        """
    def validate(self) -> None:
        """
        Raises InvalidArgument that lists everything that is broken.
        """
    @property
    def checkpoint(self) -> CheckpointConfig:
        """
        [checkpoint]
        """
    @checkpoint.setter
    def checkpoint(self, arg0: CheckpointConfig) -> None:
        ...
    @property
    def data(self) -> DataConfig:
        """
        [data]
        """
    @data.setter
    def data(self, arg0: DataConfig) -> None:
        ...
    @property
    def log(self) -> LogConfig:
        """
        [log]
        """
    @log.setter
    def log(self, arg0: LogConfig) -> None:
        ...
    @property
    def model(self) -> ModelConfig:
        """
        [model]
        """
    @model.setter
    def model(self, arg0: ModelConfig) -> None:
        ...
    @property
    def optim(self) -> OptimConfig:
        """
        [optim]
        """
    @optim.setter
    def optim(self, arg0: OptimConfig) -> None:
        ...
    @property
    def parallel(self) -> ParallelConfig:
        """
        [parallel]
        """
    @parallel.setter
    def parallel(self, arg0: ParallelConfig) -> None:
        ...
    @property
    def precision(self) -> PrecisionConfig:
        """
        [precision]
        """
    @precision.setter
    def precision(self, arg0: PrecisionConfig) -> None:
        ...
    @property
    def run(self) -> RunConfig:
        """
        [run]
        """
    @run.setter
    def run(self, arg0: RunConfig) -> None:
        ...
    @property
    def schedule(self) -> ScheduleConfig:
        """
        [schedule]
        """
    @schedule.setter
    def schedule(self, arg0: ScheduleConfig) -> None:
        ...
    @property
    def train(self) -> TrainConfig:
        """
        [train]
        """
    @train.setter
    def train(self, arg0: TrainConfig) -> None:
        ...
class Tokenizer:
    """
    Text to token ids and back. Made by tokenizer().
    """
    def decode(self, ids: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]) -> str:
        """
        The text of ids; bytes that make no character become U+FFFD.
        """
    def encode(self, text: str) -> list[int]:
        """
        Token ids of a text; special tokens in it are plain text.
        """
    def sha256(self) -> str:
        """
        Of to_json(): its identity in shards.
        """
    def to_json(self) -> str:
        """
        A Hugging Face tokenizer.json.
        """
    @property
    def eot(self) -> int | None:
        """
        The id that ends a document, or None.
        """
    @property
    def name(self) -> str:
        """
        "byte", ...
        """
    @property
    def vocab_size(self) -> int:
        """
        Number of ids.
        """
class LoadedModel:
    """
    What load_model() found.
    """
    @property
    def config(self) -> Config:
        """
        The run's; defaults for a Hugging Face folder.
        """
    @property
    def folder(self) -> str:
        """
        What was opened.
        """
    @property
    def model(self) -> nn.LanguageModel:
        """
        A LanguageModel with its values.
        """
    @property
    def step(self) -> int:
        """
        Of the checkpoint; -1 for another folder.
        """
    @property
    def tokenizer(self) -> Tokenizer:
        """
        Its tokenizer, or None when unknown.
        """
class Communicator:
    """
    This rank among the others, for as long as the function that it was given to runs. Every rank makes the same calls in the same order; one that differs raises CommunicationError that names both, and one that does not come raises Timeout that names the rank.
    """
    def __repr__(self) -> str:
        ...
    def abort(self, reason: str) -> None:
        """
        Ends every rank's communication with this reason.
        """
    def all_gather(self, data: typing.Any) -> typing.Any:
        """
        Every rank's array, or CPU tensor, in rank order: (size, *shape).
        """
    def all_reduce(self, value: typing.Any, op: str = 'sum') -> typing.Any:
        """
        The sum, min or max of every rank's int or float, the same on each.
        """
    def barrier(self) -> None:
        """
        Returns when every rank has called it.
        """
    def broadcast(self, data: typing.Any, root: typing.SupportsInt | typing.SupportsIndex = 0) -> typing.Any:
        """
        Overwrites the array, or the CPU tensor, with the root's, and returns it.
        """
    def set_label(self, label: str) -> None:
        """
        Where this rank is, such as "step 12": goes into messages.
        """
    @property
    def rank(self) -> int:
        """
        From 0 on.
        """
    @property
    def size(self) -> int:
        """
        How many ranks there are.
        """
class World:
    """
    The ranks of this program; made by init().
    """
    def run(self, function: typing.Any, *args, **kwargs) -> list:
        """
        Calls function(ranks, *args, **named) on every rank, `ranks` being its Communicator, and returns what each returned, by rank.

        Ranks are threads: rank 0 is the calling one. Each has a device of its own, a share of the cores, which is its default_device(): make tensors and models inside the function. What a rank raises ends the others and comes out of run() with its traceback.
        """
    @property
    def size(self) -> int:
        """
        How many ranks there are.
        """
class LeafTurn:
    """
    A leaf of the step that this rank computes.
    """
    @property
    def counts(self) -> bool:
        """
        False: computed in step with the other ranks, which need this one, and then forgotten.
        """
    @property
    def leaf(self) -> int:
        """
        Its number, from 0 on: which samples it is.
        """
class LeafScope:
    """
    with dp.leaf(turn): forward and backward of one leaf.
    """
    def __enter__(self) -> None:
        ...
    def __exit__(self, arg0: typing.Any, *args) -> None:
        ...
class DataParallel:
    """
    Ranks compute different leaves of a step and end with the same weights, the bits of one rank that computes them all. With ZeRO (Rajbhandari et al., arXiv:1910.02054) each keeps only its part of the optimizer state (zero=1), of the gradients too (2), of the weights too (3).

        dp = gt.DataParallel(model, ranks, leaves=8, zero=2)
        adamw = gt.optim.AdamW(model)                # after it
        for step in range(1, steps + 1):
            dp.begin_step()
            for turn in dp.turns():
                with dp.leaf(turn):
                    model.loss(batch_of(step, turn.leaf), scale).backward()
            dp.finish()
            dp.step(adamw, step=step, lr=1e-3, clip=dp.clip(1.0))

    Every rank makes the same calls in the same order. The model computes only while its DataParallel lives.
    """
    def __init__(self, model: nn.Layer, ranks: Communicator, *, leaves: typing.SupportsInt | typing.SupportsIndex, zero: typing.SupportsInt | typing.SupportsIndex = 0, whole: None | str | collections.abc.Sequence[str] | None = None, bucket_bytes: typing.SupportsInt | typing.SupportsIndex = 16777216, ranks_per_node: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        model: has its values, the same on every rank. leaves: of a step, a power of two, at least the number of ranks; part of the run, whatever the ranks. whole: what must not be cut: the name of an optimizer that looks at whole matrices ("muon", "adafactor"), or names of parameters. bucket_bytes: of gradients that move together. ranks_per_node: 0: all ranks are on one node. Raises InvalidArgument.
        """
    def begin_step(self) -> None:
        """
        Drops the gradients of the step before, and what a step that raised has left.
        """
    def clip(self, max_norm: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
        """
        optim.clip() of the gradients of all ranks: {norm, factor}, the same on each.
        """
    def finish(self) -> None:
        """
        After all turns: each parameter's .grad is the step's gradient of what this rank updates.
        """
    def leaf(self, turn: LeafTurn, micro_batches: typing.SupportsInt | typing.SupportsIndex = 1) -> LeafScope:
        """
        with dp.leaf(turn): one backward() for each of its micro-batches.
        """
    def step(self, optimizer: optim.Optimizer, *, step: typing.SupportsInt | typing.SupportsIndex, lr: typing.SupportsFloat | typing.SupportsIndex, clip: Tensor | Parameter | ParameterUse | None = None) -> None:
        """
        The optimizer's step on what is this rank's own; then the whole weights are brought together again. Arguments as of Optimizer.step().
        """
    def turns(self) -> list[LeafTurn]:
        """
        [LeafTurn] that this rank computes, in its order; the same in every step.
        """
    def weights_changed(self) -> None:
        """
        Say so after weights were changed otherwise, on every rank.
        """
class GradientError:
    """
    How far a gradient is from central differences.
    """
    def __repr__(self) -> str:
        ...
    @property
    def error(self) -> float:
        """
        ||got - want|| / ||want|| of its gradient.
        """
    @property
    def got(self) -> float:
        """
        There, by backward.
        """
    @property
    def index(self) -> int:
        """
        The element that differs most, row-major.
        """
    @property
    def input(self) -> int:
        """
        Which of the inputs, from 0.
        """
    @property
    def want(self) -> float:
        """
        There, by central differences.
        """
class GradientCheck:
    """
    What check_gradients() found.
    """
    @property
    def inputs(self) -> list[GradientError]:
        """
        A GradientError for each input.
        """
    @property
    def worst(self) -> GradientError:
        """
        The largest of them.
        """
class Trace:
    """
    A timeline of some steps as a Chrome trace, which https://ui.perfetto.dev opens. Give it to a Trainer, or call begin_step() and end_step() in a loop of your own.
    """
    def __init__(self, path: str, *, device: Device | str | None = None, first_step: typing.SupportsInt | typing.SupportsIndex = 2, steps: typing.SupportsInt | typing.SupportsIndex = 3) -> None:
        """
        steps: recorded from first_step on, counted from 1 in this process.
        """
    def begin_step(self, step: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Before a step; its name in the trace.
        """
    def end_step(self) -> None:
        """
        After it; replaces the file as a whole.
        """
    @property
    def recorded(self) -> int:
        """
        Steps in the file.
        """
class StepReport:
    """
    What happened in one step.
    """
    def __repr__(self) -> str:
        ...
    @property
    def grad_norm(self) -> float:
        """
        Before clipping.
        """
    @property
    def loss(self) -> float:
        """
        Mean over the loss terms; of text: nats a token.
        """
    @property
    def loss_scale(self) -> float:
        """
        Of this step: 1 unless in f16.
        """
    @property
    def lr(self) -> float:
        """
        Learning rate.
        """
    @property
    def reason(self) -> str:
        """
        Why it was skipped.
        """
    @property
    def samples(self) -> int:
        """
        Of this step.
        """
    @property
    def skipped(self) -> bool:
        """
        The weights stayed.
        """
    @property
    def step(self) -> int:
        """
        How many are done, from 1.
        """
    @property
    def step_ms(self) -> float:
        """
        Wall time in ms, callbacks not counted.
        """
    @property
    def tokens(self) -> int:
        """
        Seen since the run began; or samples.
        """
class Trainer:
    """
    The training loop: gradient, clip, update, callbacks. It prints and writes nothing.
    """
    def __init__(self, model: nn.Model, optimizer: optim.Optimizer, data: BatchSource, *, steps: typing.SupportsInt | typing.SupportsIndex, schedule: optim.Schedule = ..., micro_batch: typing.SupportsInt | typing.SupportsIndex = 0, leaves: typing.SupportsInt | typing.SupportsIndex | None = None, batch_ramp: collections.abc.Sequence[str] = [], seed: typing.SupportsInt | typing.SupportsIndex = 1, clip: typing.SupportsFloat | typing.SupportsIndex = 1.0, loss_scale: typing.SupportsFloat | typing.SupportsIndex = 0.0, limit_seconds: typing.SupportsFloat | typing.SupportsIndex = 0.0, anomaly: bool = False, trace: Trace | None = None, ranks: DataParallel | None = None) -> None:
        """
        steps: of the whole run; also the schedule's. micro_batch: samples of one forward; 0: as many as a leaf has. leaves: of the gradient tree, a power of two; None: those of `ranks`, else 1; global batch = leaves * A * micro_batch. batch_ramp: ["0: 2", "100: 8"]: steps have 2 leaves, from step 100 on 8, the most being `leaves`. clip: largest gradient norm; 0: off. loss_scale: of a model that computes in f16, a power of two; 0: dynamic. limit_seconds: of training; 0: none. anomaly: look at every value as it is made, and raise Cancelled that names step, op, layer and parameter of the first NaN or Inf; several times slower. trace: a Trace, which records some of the steps. ranks: a DataParallel of the model; every rank makes a Trainer and calls the same. Raises InvalidArgument when the data do not fit the model.
        """
    def fit(self) -> str:
        """
        Trains until the steps are done ("finished"), the time is up ("time_limit") or stop_when() said so ("requested"). Ctrl-C finishes the step, then raises KeyboardInterrupt; fit() continues from there.
        """
    def on_step(self, callback: collections.abc.Callable[[StepReport], None]) -> None:
        """
        Calls callback(report) after every step of fit(). What it raises ends fit().
        """
    def restore_loss_scale(self, value: typing.SupportsFloat | typing.SupportsIndex, good_steps: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Continue with the loss scale of an earlier run.
        """
    def resume_at(self, step: typing.SupportsInt | typing.SupportsIndex, tokens: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        Continues a run: so many steps and tokens are behind us.
        """
    def step(self) -> StepReport:
        """
        One optimizer step; returns its StepReport. Raises Cancelled when the loss or the gradient is not finite: the weights are then those of the step before. In f16 with a dynamic loss scale such a step is skipped and the scale halved.
        """
    def stop_when(self, asked: collections.abc.Callable[[], bool]) -> None:
        """
        asked() is called between steps; True ends fit().
        """
    @property
    def loss_scale(self) -> tuple[float, int] | None:
        """
        (value, good steps since it changed) of the next step, for restore_loss_scale(); None unless the model computes in f16.
        """
    @property
    def steps_done(self) -> int:
        """
        Since the run began.
        """
    @property
    def tokens_done(self) -> int:
        """
        Since the run began.
        """
class Evaluation:
    """
    The loss on held-out data.
    """
    @property
    def loss(self) -> float:
        """
        Mean over the loss terms; of text: nats a token.
        """
    @property
    def samples(self) -> int:
        """
        Seen.
        """
    @property
    def terms(self) -> int:
        """
        Predicted tokens, or samples.
        """
class RunSummary:
    """
    What a run is about to do.
    """
    @property
    def device(self) -> str:
        """
        Processor, threads, vector code.
        """
    @property
    def first_step(self) -> int:
        """
        Above 0: resumed there.
        """
    @property
    def folder(self) -> str:
        """
        runs/<name>.
        """
    @property
    def parameters(self) -> int:
        """
        Weights.
        """
    @property
    def steps(self) -> int:
        """
        Of the whole run.
        """
    @property
    def train_tokens(self) -> int:
        """
        Tokens to train on.
        """
class StepLine:
    """
    A step, and how fast the run goes.
    """
    @property
    def eta_seconds(self) -> float:
        """
        Until the end.
        """
    @property
    def limit_fraction(self) -> float:
        """
        Of the machine's measured rate of matrix products.
        """
    @property
    def log(self) -> bool:
        """
        An interval ends: worth a line.
        """
    @property
    def memory_bytes(self) -> int:
        """
        Peak.
        """
    @property
    def report(self) -> StepReport:
        """
        The StepReport.
        """
    @property
    def tokens_per_s(self) -> float:
        """
        Over the log interval.
        """
class EvalLine:
    """
    An evaluation within a run.
    """
    @property
    def best(self) -> bool:
        """
        The lowest loss so far?
        """
    @property
    def evaluation(self) -> Evaluation:
        """
        The Evaluation.
        """
    @property
    def step(self) -> int:
        """
        When.
        """
class CheckpointLine:
    """
    A checkpoint has become durable; one that is written while training goes on is told of some steps after its own.
    """
    @property
    def bytes(self) -> int:
        """
        Of all its files.
        """
    @property
    def digest(self) -> str:
        """
        Of the state.
        """
    @property
    def path(self) -> str:
        """
        Its folder.
        """
    @property
    def stall_ms(self) -> float:
        """
        Training waited.
        """
    @property
    def step(self) -> int:
        """
        Whose state it is.
        """
    @property
    def write_ms(self) -> float:
        """
        Hashing, writing, syncing.
        """
class RunOutcome:
    """
    How a run ended.
    """
    @property
    def checkpoint(self) -> str:
        """
        The last one's folder.
        """
    @property
    def digest(self) -> str:
        """
        Of the final state.
        """
    @property
    def folder(self) -> str:
        """
        runs/<name>.
        """
    @property
    def loss(self) -> float:
        """
        Last seen; NaN: never.
        """
    @property
    def reason(self) -> str:
        """
        "finished", "time_limit" or "requested".
        """
    @property
    def step(self) -> int:
        """
        Steps done.
        """
    @property
    def val_loss(self) -> float:
        """
        Last seen; NaN: never.
        """
class CheckpointEntry:
    """
    A checkpoint of a run.
    """
    @property
    def best(self) -> bool:
        """
        Does BEST name it?
        """
    @property
    def folder(self) -> str:
        """
        Its folder.
        """
    @property
    def latest(self) -> bool:
        """
        Does LATEST name it?
        """
    @property
    def name(self) -> str:
        """
        "step_00001000".
        """
    @property
    def step(self) -> int:
        """
        Whose state it is.
        """
class CheckpointReport:
    """
    What verify_checkpoint() found.
    """
    @property
    def bytes(self) -> int:
        """
        Of all files.
        """
    @property
    def digest(self) -> str:
        """
        Of the state.
        """
    @property
    def folder(self) -> str:
        """
        The checkpoint's.
        """
    @property
    def problems(self) -> list[str]:
        """
        Empty: it is whole.
        """
    @property
    def step(self) -> int:
        """
        Whose state it is.
        """
    @property
    def tensors(self) -> int:
        """
        Weights and optimizer state.
        """
    @property
    def whole(self) -> bool:
        """
        No problems.
        """
class ReportSummary:
    """
    A report that was written.
    """
    @property
    def bytes(self) -> int:
        """
        Of the file.
        """
    @property
    def last_step(self) -> int:
        """
        Of the run that went furthest.
        """
    @property
    def path(self) -> str:
        """
        The HTML file.
        """
    @property
    def warnings(self) -> list[str]:
        """
        Lines that could not be read.
        """
def abs(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    |x|; its derivative at 0 is 0.
    """
def accuracy(model: nn.Model, data: BatchSource, *, micro_batch: typing.SupportsInt | typing.SupportsIndex = 1, label: str = 'label', ranks: typing.Any | None = None) -> float:
    """
    The fraction of labels (-1 not counted) that are the largest of their row of logits. ranks: as of evaluate().
    """
def add(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    a + b; f32, bf16, f16 or f64, sizes broadcast as in numpy.
    """
def argmax(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    Where the largest of the last dim is, the first of equal ones: (..., C) to (...) i32.
    """
def attention(q: Tensor | Parameter | ParameterUse, k: Tensor | Parameter | ParameterUse, v: Tensor | Parameter | ParameterUse, *, causal: bool = True, scale: typing.SupportsFloat | typing.SupportsIndex | None = None, lengths: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = [], mask: Tensor | Parameter | ParameterUse | None = None, segments: Tensor | Parameter | ParameterUse | None = None) -> Tensor:
    """
    softmax(scale q k^T + mask) v. q (B, Tq, H, D); k, v (B, Tk, Hkv, D), H a multiple of Hkv; result (B, Tq, H, D).

    causal: query t sees keys up to t + Tk - Tq. scale: 1 / sqrt(D) by default. lengths: cut the B T positions, seen as one row, into sequences that attend to themselves only. mask: broadcast to (B, H, Tq, Tk); u8: 1 where a query attends to a key, f32 or bf16: added to the scores. segments: (B, T) i32, attend within equal ids only. A query that sees no key gives zeros. Online softmax after arXiv:2205.14135.
    """
def attention_packed(qkv: Tensor | Parameter | ParameterUse, heads: typing.SupportsInt | typing.SupportsIndex, kv_heads: typing.SupportsInt | typing.SupportsIndex, *, causal: bool = True, scale: typing.SupportsFloat | typing.SupportsIndex | None = None, lengths: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = [], mask: Tensor | Parameter | ParameterUse | None = None, segments: Tensor | Parameter | ParameterUse | None = None) -> Tensor:
    """
    attention() from one packed tensor (B, T, (H + 2 Hkv) D), as one product makes it; result (B, T, H D).
    """
def avg_pool2d(x: Tensor | Parameter | ParameterUse, size: typing.SupportsInt | typing.SupportsIndex) -> Tensor:
    """
    Means of windows of size x size, side by side: (N, C, H, W) to (N, C, H / size, W / size).
    """
def backward(root: Tensor | Parameter | ParameterUse, gradient: Tensor | Parameter | ParameterUse | None = None) -> None:
    """
    Runs the tape back from root: a scalar, or with its gradient given.

    Gradients are added up in the .grad of inputs and in the uses of parameters (then collect_gradients()); the graph is freed as it is walked. Raises InvalidArgument if the graph was freed before.
    """
def binary_cross_entropy(logits: Tensor | Parameter | ParameterUse, target: Tensor | Parameter | ParameterUse, scale: typing.SupportsFloat | typing.SupportsIndex = 1.0, pos_weight: typing.SupportsFloat | typing.SupportsIndex = 1.0) -> Tensor:
    """
    scale * sum of -(pos_weight t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))) of logits x and targets t in [0, 1]; no logit overflows. Raises DataError on a target out of range.
    """
def cast(x: Tensor | Parameter | ParameterUse, dtype: DType | str) -> Tensor:
    """
    Converted to f32, bf16, f16 or f64; the gradient is converted back.
    """
def check_gradients(f: typing.Any, inputs: collections.abc.Sequence[Tensor | Parameter | ParameterUse], *, step: typing.SupportsFloat | typing.SupportsIndex = 1e-05) -> GradientCheck:
    """
    Compares the backward of f(*inputs), a scalar f64 tensor, with central differences: the test of a gradient written by hand.

    inputs: contiguous f64 tensors on the CPU, moved up and down by step and put back. result.worst.error should be below about 1e-6. Raises InvalidArgument for other inputs, or if f does not depend on one.
    """
def collect_gradients(parameters: typing.Any) -> None:
    """
    After one or more backward(): moves what the uses of each parameter collected into its .grad; zeros where no gradient came. parameters: a layer, or Parameters.
    """
def concat(tensors: collections.abc.Sequence[Tensor | Parameter | ParameterUse], dim: typing.SupportsInt | typing.SupportsIndex) -> Tensor:
    """
    One after the other along dim; the other sizes are equal.
    """
def contiguous(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    Row-major; x itself when it already is.
    """
def conv1d(x: Tensor | Parameter | ParameterUse, weight: Tensor | Parameter | ParameterUse, bias: Tensor | Parameter | ParameterUse | None = None, *, stride: typing.SupportsInt | typing.SupportsIndex = 1, padding: typing.SupportsInt | typing.SupportsIndex = 0, dilation: typing.SupportsInt | typing.SupportsIndex = 1, groups: typing.SupportsInt | typing.SupportsIndex = 1) -> Tensor:
    """
    Cross-correlation over time: x (N, C, T), weight (Cout, C / groups, K), bias (Cout); result (N, Cout, T').
    """
def conv2d(x: Tensor | Parameter | ParameterUse, weight: Tensor | Parameter | ParameterUse, bias: Tensor | Parameter | ParameterUse | None = None, *, stride: typing.SupportsInt | typing.SupportsIndex | typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"] = 1, padding: typing.SupportsInt | typing.SupportsIndex | typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"] = 0, dilation: typing.SupportsInt | typing.SupportsIndex | typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"] = 1, groups: typing.SupportsInt | typing.SupportsIndex = 1) -> Tensor:
    """
    Cross-correlation of images: x (N, C, H, W), weight (Cout, C / groups, KH, KW), bias (Cout); result (N, Cout, H', W') with H' = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1. Options: one number, or (of height, of width). groups = C: depthwise.
    """
def cross_entropy(logits: Tensor | Parameter | ParameterUse, targets: Tensor | Parameter | ParameterUse, scale: typing.SupportsFloat | typing.SupportsIndex = 1.0, *, label_smoothing: typing.SupportsFloat | typing.SupportsIndex = 0.0, z_loss: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> Tensor:
    """
    scale * sum over rows of -log softmax(logits)[target]; logits (..., V), targets i32 in [0, V) or -1 (ignored), with the leading shape of logits.

    label_smoothing: in [0, 1), arXiv:1512.00567. z_loss: adds z_loss * logsumexp(logits)^2, arXiv:2204.02311. Raises DataError on a target out of range.
    """
def cuda_available() -> bool:
    """
    Was the CUDA part built and installed?
    """
def default_device() -> Device:
    """
    The device of tensors and models for which none is given; device("auto") at first.
    """
def device(kind: str = 'auto', *, threads: typing.SupportsInt | typing.SupportsIndex = 0, ordinal: typing.SupportsInt | typing.SupportsIndex = 0, tf32: bool = False, measure: bool = False) -> Device:
    """
    Opens a device, or returns it when it is open with the same options already.

    kind: "cpu", "cuda", or "auto": GIGATRAIN_DEVICE, else a GPU if one can be used, else the CPU.
    threads: of a CPU; 0: GIGATRAIN_NUM_THREADS, else every core, or a rank's share of them. Every rank has a device of its own.
    ordinal: which GPU. tf32: f32 products of a GPU on tensor cores, operands rounded to 10 bits.
    measure: choose a GPU's product algorithms by timing.
    Raises DeviceError that says which part is missing and what to do.
    """
def discard_gradients(parameters: typing.Any) -> None:
    """
    Forgets what the uses of each parameter collected, e.g. after a backward() that raised.
    """
def div(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    a / b; f32, bf16, f16 or f64, sizes broadcast as in numpy.
    """
def dropout(x: Tensor | Parameter | ParameterUse, args: DropoutArgs) -> Tensor:
    """
    x with elements dropped, the others scaled by 1 / (1 - rate).
    """
def dropout_args(rate: typing.SupportsFloat | typing.SupportsIndex, *, seed: typing.SupportsInt | typing.SupportsIndex, step: typing.SupportsInt | typing.SupportsIndex, name: str = '') -> DropoutArgs:
    """
    A mask of your own: a pure function of (seed, name, step, element).
    """
def embedding(tokens: Tensor | Parameter | ParameterUse, table: Tensor | Parameter | ParameterUse, positions: Tensor | Parameter | ParameterUse | None = None, first_position: typing.SupportsInt | typing.SupportsIndex = 0, dropout: DropoutArgs = ...) -> Tensor:
    """
    dropout(table[tokens] + positions[first_position + t]); tokens (B, T) i32 in [0, V), table (V, C), positions (P, C); result (B, T, C). Raises DataError on a token out of range.
    """
def empty(shape: collections.abc.Sequence[int] | int, dtype: DType | str = ..., device: Device | str | None = None) -> Tensor:
    """
    Uninitialised memory, to be written by assign() or through numpy().
    """
def equal(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    1 where a == b, else 0, as u8; no gradient.
    """
def evaluate(model: nn.Model, data: BatchSource, *, micro_batch: typing.SupportsInt | typing.SupportsIndex = 1, batches: typing.SupportsInt | typing.SupportsIndex = 0, on_batch: collections.abc.Callable[[Batch, Tensor], None] | None = None, ranks: typing.Any | None = None) -> Evaluation:
    """
    The loss on every sample once; dropout is off. micro_batch: samples at a time. batches: at most so many, spread evenly; 0: all. on_batch(batch, prediction): for a metric. ranks: who share the work, each calling this (a Communicator or a DataParallel): one result, that of a rank alone; on_batch sees its own rank's part.
    """
def exp(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    e to the power of x.
    """
def from_dlpack(x: typing.Any) -> Tensor:
    """
    A tensor that shares the memory of another library's (PyTorch, JAX, numpy, CuPy, ...), strides included, and keeps it alive.

    Raises InvalidArgument for dtypes, devices, read-only or negatively strided memory that tensors do not have.
    """
def from_numpy(array: typing.Any) -> Tensor:
    """
    A CPU tensor that shares the array's memory and keeps it alive; strides are kept.

    Raises InvalidArgument for arrays that are read-only, of another byte order, of a dtype that tensors do not have, not aligned to their elements, or with negative strides; tensor() copies all but the dtype.
    """
def full(shape: collections.abc.Sequence[int] | int, value: typing.SupportsFloat | typing.SupportsIndex, dtype: DType | str = ..., device: Device | str | None = None) -> Tensor:
    """
    A tensor of one value. Raises InvalidArgument for a value that an integer dtype cannot hold.
    """
def gather(x: Tensor | Parameter | ParameterUse, dim: typing.SupportsInt | typing.SupportsIndex, index: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    y[.., k, ..] = x[.., index[.., k, ..], ..] along dim; index i32 has x's shape but for that dim. Raises DataError on an index out of range.
    """
def gelu(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    GELU in the tanh form, arXiv:1606.08415.
    """
def generate(model: nn.LanguageModel, prompt: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], *, max_tokens: typing.SupportsInt | typing.SupportsIndex = 200, temperature: typing.SupportsFloat | typing.SupportsIndex = 0.8, top_k: typing.SupportsInt | typing.SupportsIndex = 0, top_p: typing.SupportsFloat | typing.SupportsIndex = 1.0, seed: typing.SupportsInt | typing.SupportsIndex = 1, stop_token: typing.SupportsInt | typing.SupportsIndex = -1) -> list[int]:
    """
    Token ids that continue a prompt of at least one id. temperature 0: always the most likely token. top_k: keep so many; 0: all. top_p: keep the smallest set with this probability (arXiv:1904.09751). Token i is a pure function of (weights, prompt, options).
    """
def greater(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    1 where a > b, else 0, as u8; no gradient.
    """
def group_norm(x: Tensor | Parameter | ParameterUse, groups: typing.SupportsInt | typing.SupportsIndex, weight: Tensor | Parameter | ParameterUse, bias: Tensor | Parameter | ParameterUse | None = None, eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999747378752e-06) -> Tensor:
    """
    Normalised over each of `groups` runs of C / groups channels and all positions; x (N, C, ...); weight, bias (C) f32. arXiv:1803.08494.
    """
def huber_loss(x: Tensor | Parameter | ParameterUse, target: Tensor | Parameter | ParameterUse, delta: typing.SupportsFloat | typing.SupportsIndex = 1.0, scale: typing.SupportsFloat | typing.SupportsIndex = 1.0) -> Tensor:
    """
    scale * sum of e^2 / 2 where |e| = |x - target| <= delta, else delta (|e| - delta / 2) (Huber, 1964).
    """
def init(*, ranks: typing.SupportsInt | typing.SupportsIndex = 1, timeout_s: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> World:
    """
    How many ranks this program has; gt.init(ranks=2).run(function) starts them.

    timeout_s: deadline of each operation between ranks; 0: GIGATRAIN_TIMEOUT_S, else 300. Past it Timeout names the rank that did not come.
    """
def layer_norm(x: Tensor | Parameter | ParameterUse, weight: Tensor | Parameter | ParameterUse, bias: Tensor | Parameter | ParameterUse | None = None, eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999747378752e-06) -> Tensor:
    """
    (x - mean) / sqrt(var + eps) * weight [+ bias] over the last dim; weight, bias (C) f32. arXiv:1607.06450.
    """
def less(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    1 where a < b, else 0, as u8; no gradient.
    """
def linear(x: Tensor | Parameter | ParameterUse, weight: Tensor | Parameter | ParameterUse, bias: Tensor | Parameter | ParameterUse | None = None, *, layout: str = 'out_in', gelu: bool = False) -> Tensor:
    """
    x W [+ bias] [then GELU, fused]; x (..., C_in), bias (C_out) f32, result (..., C_out). layout of the weight: "out_in" (C_out, C_in), or "in_out" (C_in, C_out), GPT-2's.
    """
def linear_cross_entropy(x: Tensor | Parameter | ParameterUse, weight: Tensor | Parameter | ParameterUse, targets: Tensor | Parameter | ParameterUse, scale: typing.SupportsFloat | typing.SupportsIndex = 1.0, *, label_smoothing: typing.SupportsFloat | typing.SupportsIndex = 0.0, z_loss: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> Tensor:
    """
    cross_entropy(x weight^T, targets) without ever holding the (N, V) logits; x (..., C), weight (V, C). After arXiv:2411.09009.
    """
def list_checkpoints(path: str) -> list[CheckpointEntry]:
    """
    The checkpoints of a run folder, by step, oldest first.
    """
def load_config(path: str, overrides: collections.abc.Sequence[str] = []) -> Config:
    """
    Reads a TOML file, then applies overrides "section.key=value" in order, and checks the result. Raises InvalidArgument that lists every problem with its place.
    """
def load_model(path: str, device: Device | str | None = None, *, compute: DType | str = ...) -> LoadedModel:
    """
    A trained model: a run folder, a ckpt/ folder or a step of it, or a Hugging Face folder.
    """
def load_state(path: str, model: nn.Layer, optimizer: optim.Optimizer, *, ranks: typing.Any | None = None) -> int:
    """
    Overwrites weights and optimizer state with those of save_state(), and returns the step. Raises Corrupt for the file of another model or optimizer, or a damaged one.
    """
def log(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    Natural logarithm.
    """
def log_softmax(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    log(softmax(x)) over the last dim.
    """
def matmul(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    (M, K) x (K, N), or (B, M, K) x (B, K, N).
    """
def max(x: Tensor | Parameter | ParameterUse, dims: typing.SupportsInt | typing.SupportsIndex | collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = []) -> Tensor:
    """
    The largest over the dims, which stay with size 1, or of everything. Elements that share the maximum share its gradient.
    """
def maximum(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    The larger; where equal, each gets half of the gradient.
    """
def mean(x: Tensor | Parameter | ParameterUse, dims: typing.SupportsInt | typing.SupportsIndex | collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = []) -> Tensor:
    """
    Like sum(), divided by the number of elements.
    """
def memory_report(device: Device | str | None = None, blocks: typing.SupportsInt | typing.SupportsIndex = 10) -> str:
    """
    Where a device's memory is at this moment, as a table to read: live bytes by purpose, and the largest blocks.
    """
def minimum(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    The smaller; where equal, each gets half of the gradient.
    """
def mse_loss(x: Tensor | Parameter | ParameterUse, target: Tensor | Parameter | ParameterUse, scale: typing.SupportsFloat | typing.SupportsIndex = 1.0) -> Tensor:
    """
    scale * sum of (x - target)^2; target of x's shape. scale = 1 / x.size: the mean.
    """
def mul(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    a * b; f32, bf16, f16 or f64, sizes broadcast as in numpy.
    """
def neg(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    -x.
    """
def one_hot(index: Tensor | Parameter | ParameterUse, classes: typing.SupportsInt | typing.SupportsIndex, dtype: DType | str = ...) -> Tensor:
    """
    (..., classes): 1 where the class is index (...), else 0; an index out of range: zeros.
    """
def parse_config(text: str, origin: str = '<text>', overrides: collections.abc.Sequence[str] = []) -> Config:
    """
    load_config() of a text; origin names it in errors.
    """
def permute(x: Tensor | Parameter | ParameterUse, dims: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]) -> Tensor:
    """
    A view: dim i is x's dims[i].
    """
def pow(x: Tensor | Parameter | ParameterUse, exponent: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
    """
    x to a finite power; a negative x with an exponent that is no integer gives NaN.
    """
def qk_norm_rope(qkv: Tensor | Parameter | ParameterUse, heads: typing.SupportsInt | typing.SupportsIndex, kv_heads: typing.SupportsInt | typing.SupportsIndex, options: RopeOptions = ..., q_weight: Tensor | Parameter | ParameterUse | None = None, k_weight: Tensor | Parameter | ParameterUse | None = None, eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999974752427e-07) -> Tensor:
    """
    The queries and keys of a packed qkv (B, T, (H + 2 Hkv) D): each head RMS-normalised where a weight (D) f32 is given (arXiv:2010.04245), then turned; values stay.
    """
def relu(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    max(x, 0); its derivative at 0 is 0.
    """
def report(runs: str | collections.abc.Sequence[str], out: str = '') -> ReportSummary:
    """
    Run folders as one HTML page that needs no network: losses, throughput, time by kernel family, memory, samples; several runs are compared.

    runs: a folder or a list of them, also while they train. out: the file; by default report.html in the folder of a single run, or in this one. Returns a ReportSummary. Raises IoError for a folder that holds no run.
    """
def request_checkpoint(run_folder: str) -> None:
    """
    Asks the process that trains into this folder, whichever it is, for a checkpoint of the step at hand; training does not stop for it. The same as `touch RUN/SAVE`.
    """
def reshape(x: Tensor | Parameter | ParameterUse, shape: collections.abc.Sequence[int] | int) -> Tensor:
    """
    The same values in another shape; the same memory when x is contiguous.
    """
def residual_dropout(residual: Tensor | Parameter | ParameterUse, x: Tensor | Parameter | ParameterUse, args: DropoutArgs) -> Tensor:
    """
    dropout(x) + residual, in one pass.
    """
def residual_norm(x: Tensor | Parameter | ParameterUse, delta: Tensor | Parameter | ParameterUse, weight: Tensor | Parameter | ParameterUse, bias: Tensor | Parameter | ParameterUse | None = None, eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999747378752e-06, dropout: DropoutArgs = ...) -> tuple[Tensor, Tensor]:
    """
    (sum, y): sum = x + dropout(delta), y = layer_norm(sum); one pass over memory.
    """
def residual_rms_norm(x: Tensor | Parameter | ParameterUse, delta: Tensor | Parameter | ParameterUse, weight: Tensor | Parameter | ParameterUse, eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999974752427e-07, dropout: DropoutArgs = ...) -> tuple[Tensor, Tensor]:
    """
    (sum, y): sum = x + dropout(delta), y = rms_norm(sum); one pass over memory.
    """
def rms_norm(x: Tensor | Parameter | ParameterUse, weight: Tensor | Parameter | ParameterUse, eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999974752427e-07) -> Tensor:
    """
    x / sqrt(mean(x^2) + eps) * weight over the last dim; weight (C) f32. arXiv:1910.07467.
    """
def rope(x: Tensor | Parameter | ParameterUse, options: RopeOptions = ...) -> Tensor:
    """
    Rotary position embedding of x (B, T, H, D), arXiv:2104.09864.
    """
def rsqrt(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    1 / sqrt(x).
    """
def save_hf_folder(model: nn.LanguageModel, folder: str, *, dtype: DType | str = ...) -> None:
    """
    Makes a Hugging Face folder that transformers opens, whole or not at all. dtype: f32, bf16 or f16. Raises IoError if the path exists.
    """
def save_state(path: str, model: nn.Layer, optimizer: optim.Optimizer, *, step: typing.SupportsInt | typing.SupportsIndex = 0, ranks: typing.Any | None = None) -> None:
    """
    Weights and optimizer state as one safetensors file, replaced as a whole. step: done, for load_state(). ranks: who share the state, each calling this (a Communicator or a DataParallel). Any number of ranks, at any zero, continues from it with the same bits.
    """
def scale(x: Tensor | Parameter | ParameterUse, factor: typing.SupportsFloat | typing.SupportsIndex) -> Tensor:
    """
    factor * x.
    """
def set_default_device(device: Device | str) -> None:
    """
    Chooses default_device().
    """
def sigmoid(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    1 / (1 + exp(-x)).
    """
def silu(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    x sigmoid(x), arXiv:1702.03118.
    """
def slice(x: Tensor | Parameter | ParameterUse, dim: typing.SupportsInt | typing.SupportsIndex, begin: typing.SupportsInt | typing.SupportsIndex, end: typing.SupportsInt | typing.SupportsIndex) -> Tensor:
    """
    [begin, end) of one dim: a view. x[begin:end] does the same.
    """
def softmax(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    exp(x) / sum of exp(x) over the last dim.
    """
def sqrt(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    Square root.
    """
def state_digest(model: nn.Layer, optimizer: optim.Optimizer | None = None, *, ranks: typing.Any | None = None) -> str:
    """
    One number, 16 hex digits, for all weights and optimizer state: equal states, equal bits. ranks: who share the state, each calling this (a Communicator or a DataParallel); the number is that of a rank alone.
    """
def sub(a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    a - b; f32, bf16, f16 or f64, sizes broadcast as in numpy.
    """
def sum(x: Tensor | Parameter | ParameterUse, dims: typing.SupportsInt | typing.SupportsIndex | collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = []) -> Tensor:
    """
    Over the dims, one or several (negative counts from the end), which stay with size 1; of everything when none is given: a scalar of shape ().
    """
def swiglu(gate: Tensor | Parameter | ParameterUse, up: Tensor | Parameter | ParameterUse | None = None) -> Tensor:
    """
    silu(gate) * up, arXiv:2002.05202; gate, up (..., F). Or of one packed tensor (..., 2 F), gate first.
    """
def take(x: Tensor | Parameter | ParameterUse, index: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    Rows of x (V, ...): index i32 of any shape; result index.shape + x.shape[1:].
    """
def tanh(x: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    Hyperbolic tangent.
    """
def tensor(data: typing.Any, dtype: DType | str | None = None, device: Device | str | None = None, requires_grad: bool = False) -> Tensor:
    """
    A copy of numbers, nested lists, or anything numpy understands, on a device.

    dtype: that of an array; Python's floats become f32, its ints i32 (i64 if they need it).
    requires_grad: collect a gradient in .grad.
    Raises InvalidArgument for a dtype or byte order that tensors do not have.
    """
def tokenize_files(tokenizer: Tokenizer, inputs: collections.abc.Sequence[str], output: str, *, val_fraction: typing.SupportsFloat | typing.SupportsIndex = 0.1) -> dict:
    """
    Text files (.txt, .jsonl) to token shards output/train.bin and output/val.bin; the last val_fraction of the text, in bytes, is val. Returns their paths, and what was read.
    """
def tokenizer(name: str = 'byte') -> Tokenizer:
    """
    The tokenizer of this name. Raises InvalidArgument for others.
    """
def top_k(x: Tensor | Parameter | ParameterUse, k: typing.SupportsInt | typing.SupportsIndex) -> tuple[Tensor, Tensor]:
    """
    (values, indices i32), both (..., k): the k largest of the last dim, descending.
    """
def train_run(config: Config, *, device: Device | str | None = None, mode: str = 'fresh', observer: typing.Any | None = None, ranks: typing.SupportsInt | typing.SupportsIndex = 1) -> RunOutcome:
    """
    A whole run: data, model, optimizer, run folder, metrics, evaluation, checkpoints.

    mode: "fresh", "resume" (from the newest whole checkpoint) or "overwrite". observer: any object; of on_start(summary), on_step(line), on_eval(line), on_sample(text, step), on_checkpoint(line), on_warning(text) it may have some. ranks: so many threads share the run, each on a device of its own (of device's kind); rank 0 writes and is observed, and the bits are those of one. Ctrl-C saves after the step at hand, then raises KeyboardInterrupt.
    """
def transpose(x: Tensor | Parameter | ParameterUse, dim0: typing.SupportsInt | typing.SupportsIndex, dim1: typing.SupportsInt | typing.SupportsIndex) -> Tensor:
    """
    A view with two dims exchanged.
    """
def upsample_nearest2d(x: Tensor | Parameter | ParameterUse, factor: typing.SupportsInt | typing.SupportsIndex) -> Tensor:
    """
    Each pixel becomes factor x factor equal ones: (N, C, H, W) to (N, C, factor H, factor W).
    """
def verify_checkpoint(path: str) -> CheckpointReport:
    """
    Every file's size and SHA-256 and every tensor's digest, of a run's newest checkpoint or of one step's folder. Damage is reported, not raised.
    """
def where(mask: Tensor | Parameter | ParameterUse, a: Tensor | Parameter | ParameterUse, b: Tensor | Parameter | ParameterUse) -> Tensor:
    """
    mask ? a : b; mask u8, true when not 0. All three broadcast.
    """
def write_tensorboard(run: str) -> str:
    """
    Every step's scalars of a run folder for TensorBoard, as RUN/events.out.tfevents.gigatrain; returns the path. Raises IoError for a folder that holds no run.
    """
def zeros(shape: collections.abc.Sequence[int] | int, dtype: DType | str = ..., device: Device | str | None = None) -> Tensor:
    """
    A tensor of zeros.
    """
__version__: str = '0.1.0'
bf16: DType
f16: DType
f32: DType
f64: DType
i32: DType
i64: DType
u8: DType
