"""gigatrain trains neural networks, with the same bits on any number of threads.

    import gigatrain as gt
    x = gt.tensor([[1.0, 2.0]], requires_grad=True)
    (x * x).sum().backward()
    x.grad                              # 2 x

Sizes in docstrings: B batch, T positions, C channels, H heads, D channels a head, V vocabulary.
"""

from gigatrain import errors, nn, optim
from gigatrain._core import *  # noqa: F401,F403
from gigatrain._core import __version__
from gigatrain.errors import (Cancelled, CommunicationError, Corrupt, DataError, DeviceError, Error,
                              InvalidArgument, IoError, OutOfMemory, Timeout, Unsupported)
