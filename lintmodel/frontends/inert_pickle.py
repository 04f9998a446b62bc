"""Unpickles without calling anything: every function and class that a pickle names becomes a record that does nothing.

The records know how a pickled tensor is put together (storage, offset, shape, strides), and that is all they know.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, BinaryIO


class Refused(Exception):
    """The pickle names a function that runs code or reaches the machine; the text is its name."""


_RUNS_CODE = frozenset(
    (
        *("os", "posix", "nt", "ntpath", "posixpath", "pathlib", "shutil", "subprocess", "pty", "sys", "platform"),
        *("importlib", "imp", "pkgutil", "runpy", "code", "codeop", "types", "inspect", "ctypes", "cffi", "_ctypes"),
        *("pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "pdb", "bdb", "timeit", "trace"),
        *("socket", "http", "urllib", "ftplib", "smtplib", "ssl", "asyncio", "webbrowser", "requests", "httpx"),
        *("multiprocessing", "threading", "_thread", "signal", "atexit", "operator", "functools", "tempfile", "io"),
        *("commands", "popen2", "site", "venv", "pip", "setuptools", "doctest", "unittest", "profile", "cProfile"),
    )
)
"""Modules whose functions run code or reach files and networks. Nothing is called in any case; a file that names one
of these was made to be called."""

_HARMLESS = frozenset(
    (
        *("set", "frozenset", "list", "dict", "tuple", "int", "float", "bool", "str", "bytes", "bytearray", "complex"),
        *("object", "slice", "range", "long", "unicode", "Exception"),
    )
)
"""Of Python's own names. All the others are refused: eval, exec, getattr, open, ..."""

_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a tensor's elements lie."""

    dtype: str
    key: str


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """A tensor as the pickle describes it. Offset and strides are counted in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Inert:
    """What became of an object that is of no interest. Takes everything a pickle can do to an object and forgets it."""

    def __setstate__(self, state: Any) -> None: ...
    def __setitem__(self, key: Any, value: Any) -> None: ...
    def append(self, value: Any) -> None: ...
    def extend(self, values: Any) -> None: ...
    def add(self, value: Any) -> None: ...


class Named:
    """A function or class that the pickle names. Calling it makes a record."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, *args: Any, **_: Any) -> Any:
        if self.module == "torch._utils" and self.name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return _tensor(*args)
        if self.module == "torch._utils" and self.name == "_rebuild_parameter":
            return args[0]
        if (self.module, self.name) == ("torch", "Size"):
            return tuple(args[0]) if args else ()
        return Inert()


def _tensor(storage: Any, offset: int, shape: Any, stride: Any, *_: Any) -> TensorRecord | Inert:
    if not isinstance(storage, Storage):
        return Inert()
    return TensorRecord(storage, int(offset), tuple(map(int, shape)), tuple(map(int, stride)))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, sizes: dict[str, int]) -> None:
        super().__init__(file, encoding="utf-8")
        self.sizes = sizes

    def find_class(self, module: str, name: str) -> Any:
        check_name(module, name)
        top = module.partition(".")[0]
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if top == "torch" and name in _DTYPES:
            return Named(module, name)
        if module == "torch._utils" or (module, name) == ("torch", "Size"):
            return Named(module, name)
        return type(name, (_AnyArguments,), {})

    def persistent_load(self, pid: Any) -> Any:
        kind, named, key, *_ = pid
        if kind != "storage" or not isinstance(named, Named):
            return Inert()
        dtype = _DTYPES.get(named.name, "")
        self.sizes[str(key)] = _BYTES.get(dtype, 1)
        return Storage(dtype, str(key))


def check_name(module: str, name: str) -> None:
    """Raises Refused for a function that runs code or reaches files and networks."""
    top = module.partition(".")[0]
    own = top in ("builtins", "__builtin__")
    if top in _RUNS_CODE or (own and name not in _HARMLESS) or "." in name:
        raise Refused(f"{module}.{name}")


class _AnyArguments(Inert):
    """The base of a class made anew for every name, so that what a pickle does to one touches nothing else."""

    def __new__(cls, *_: Any, **__: Any) -> _AnyArguments:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...


def load(file: BinaryIO, sizes: dict[str, int] | None = None) -> Any:
    """The next pickle of a file, made of plain values and records. ``sizes`` is filled with the bytes of an element
    of every storage. Raises Refused, and whatever a damaged pickle leads to."""
    return _Unpickler(file, {} if sizes is None else sizes).load()
