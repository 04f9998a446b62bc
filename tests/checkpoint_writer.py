"""Writes PyTorch checkpoints without PyTorch: the zip archive of torch 1.6 and later, and the row of pickles before."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

_torch, _utils = ModuleType("torch"), ModuleType("torch._utils")


def _named(module: ModuleType, name: str) -> Any:
    made = type(name, (), {"__module__": module.__name__})
    setattr(module, name, made)
    return made


_STORAGES = {
    "f": _named(_torch, "FloatStorage"),
    "q": _named(_torch, "LongStorage"),
    "e": _named(_torch, "HalfStorage"),
}
_REBUILD = _named(_utils, "_rebuild_tensor_v2")
_SGD = _named(_torch, "SGD")


class _Storage:
    def __init__(self, code: str, key: str, content: bytes) -> None:
        self.code, self.key, self.content = code, key, content


class Stored:
    """A tensor: values, shape, and strides where they are not those of a packed one."""

    def __init__(
        self, values: list[float], *shape: int, stride: tuple[int, ...] | None = None, code: str = "f"
    ) -> None:
        self.storage = _Storage(code, "", struct.pack(f"<{len(values)}{code}", *values))
        self.shape, self.stride = shape, stride if stride is not None else _packed(shape)

    def __reduce__(self) -> Any:
        return _REBUILD, (self.storage, 0, self.shape, self.stride, False, OrderedDict())


class Optimizer:
    """What a checkpoint of training drags along: an object of a class of torch."""

    def __reduce__(self) -> Any:
        return _SGD, (), {"lr": 0.1}


def _packed(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides = [1]
    for size in reversed(shape[1:]):
        strides.insert(0, strides[0] * size)
    return tuple(strides[: len(shape)])


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, storages: dict[str, _Storage], legacy: bool) -> None:
        super().__init__(file, protocol=2)
        self.storages, self.legacy = storages, legacy

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, _Storage):
            return None
        value.key = value.key or str(len(self.storages))
        self.storages[value.key] = value
        count = len(value.content) // struct.calcsize(value.code)
        return ("storage", _STORAGES[value.code], value.key, "cpu", count, *([None] if self.legacy else []))


@contextmanager
def _modules() -> Iterator[None]:
    """pickle writes the name of a function only when it finds the function under it."""
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update({"torch": _torch, "torch._utils": _utils})
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def write_checkpoint(
    path: Path, tensors: Mapping[str, Stored], *, legacy: bool = False, bare: bool = False, **entries: Any
) -> Path:
    """``bare`` leaves out the dictionary around the state dictionary."""
    state = OrderedDict(tensors)
    content: Any = state if bare else {"epoch": 3, "arch": "example", "state_dict": state, **entries}
    storages: dict[str, _Storage] = {}
    file = io.BytesIO()
    with _modules():
        if legacy:
            for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
                pickle.dump(part, file, protocol=2)
        _Pickler(file, storages, legacy).dump(content)
    if legacy:
        pickle.dump(list(storages), file, protocol=2)
        for storage in storages.values():
            file.write(struct.pack("<q", len(storage.content) // struct.calcsize(storage.code)) + storage.content)
        path.write_bytes(file.getvalue())
        return path
    return write_zip(path, file.getvalue(), {key: storage.content for key, storage in storages.items()})


def write_zip(path: Path, pickled: bytes, storages: Mapping[str, bytes] | None = None) -> Path:
    """An archive round any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", b"3\n")
        for key, content in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", content)
    return path
