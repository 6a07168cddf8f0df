"""Exception classes, one for each error code of the library.

All derive from `Error`, and from the built-in exception that Python programs expect there.
"""


class Error(Exception):
    """What gigatrain raises. str() has everything: rule, expected, got, frames, next step."""

    code: str = ""
    """Name of the error code: "invalid argument", "out of memory", ..."""
    message: str = ""
    """The rule that was broken, what was expected and what came."""
    next: str = ""
    """The one thing to do about it; may be empty."""
    frames: "tuple[str, ...]" = ()
    """Where it happened, innermost first: "while running the backward of 'linear'"."""


class InvalidArgument(Error, ValueError):
    """The caller broke a rule: shapes, sizes, dtypes, keys."""


class Unsupported(Error, NotImplementedError):
    """A valid request that this build or machine cannot serve."""


class OutOfMemory(Error, MemoryError):
    """The device has no such memory left; the message says what holds it, by purpose."""


class DeviceError(Error, RuntimeError):
    """A device is missing or failed."""


class CommunicationError(Error, ConnectionError):
    """A peer is lost, or collectives do not match."""


class Timeout(Error, TimeoutError):
    """A wait passed its deadline."""


class IoError(Error, OSError):
    """The operating system refused: permission, no space, missing file."""


class DataError(Error, ValueError):
    """Training data is missing, malformed or out of range."""


class Corrupt(Error, RuntimeError):
    """A file contradicts itself or its digest."""


class Cancelled(Error, RuntimeError):
    """The user or a guard asked to stop, e.g. because a loss is not finite."""
