"""Reads what tensors a PyTorch checkpoint has (``.pth.tar``, ``.pth``), without PyTorch and without running it.

A checkpoint is a pickle, and unpickling calls whatever functions the file names. Here every name becomes a record
that does nothing (:mod:`.inert_pickle`), whatever it is called in the file; a file that names a function which runs
code or opens files is refused. Both layouts are read: the zip archive that torch.save has written since 1.6, and the
row of pickles before it, with the storages behind.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from ..errors import UnreadableModel
from ..ir.checkpoint import Checkpoint, StoredTensor
from .inert_pickle import Refused, TensorRecord, load

_SMALL = 1024
"""Elements up to which a tensor's values are kept: every bias has as many at most."""
_MOST_BYTES = 1 << 28
"""Of one storage that is looked into. A chip's weights are a hundredth of it."""
_NUMPY = {
    "float64": "f8",
    "float32": "f4",
    "float16": "f2",
    "bfloat16": "u2",
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint8": "u1",
    "bool": "?",
}

Bytes = Callable[[str], bytes | None]
"""The bytes of a storage by its key; None where they are not to be had."""


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The tensors of a checkpoint's ``state_dict`` and its plain entries.

    Raises UnreadableModel for a file that is no checkpoint, is damaged, or would run code when loaded.
    """
    from .sniff import sniff

    name = os.fspath(path)
    kind = sniff(path)
    if kind.format != "checkpoint":
        missing = kind.format in ("missing", "empty", "unopened", "directory", "special")
        advice = kind.advice if missing else f"is no checkpoint of weights that torch.save wrote ({kind.format})"
        raise UnreadableModel(name, f"{advice}; --checkpoint takes the quantised .pth.tar")
    try:
        content = Path(path).read_bytes()
        found, storage = (_from_zip if content.startswith(b"PK") else _from_row)(content)
        return _checkpoint(name, found, storage)
    except Refused as refusal:
        reason = f"names {refusal}, which a file of weights has no need of; it is not read, and nothing in it was run"
        raise UnreadableModel(name, f"{reason}: fetch the checkpoint from where you trust it") from None
    except OSError as error:
        raise UnreadableModel(name, f"cannot be opened: {error.strerror or error}") from None
    except Exception as error:  # whatever a damaged pickle or archive leads to
        what = str(error) or type(error).__name__
        raise UnreadableModel(name, f"is a checkpoint that is cut short or damaged ({what}); save it again") from None


def _checkpoint(name: str, found: Any, storage: Bytes) -> Checkpoint:
    if not isinstance(found, dict):
        raise ValueError("there is no dictionary in it")
    state = found.get("state_dict")
    tensors = state if isinstance(state, dict) else found
    return Checkpoint(
        name,
        {str(key): _stored(value, storage) for key, value in tensors.items() if isinstance(value, TensorRecord)},
        {str(key): _plain(value) for key, value in found.items() if not isinstance(value, TensorRecord | dict)},
        has_state="state_dict" in found,
    )


def _plain(value: Any) -> Any:
    """Words and numbers as they are; of anything else that it is there."""
    return value if isinstance(value, str | int | float | bool | None) else f"<{type(value).__name__}>"


# ---- the two layouts


def _from_zip(content: bytes) -> tuple[Any, Bytes]:
    archive = zipfile.ZipFile(BytesIO(content))
    members = {info.filename: info for info in archive.infolist()}
    pickled = next(member for member in members if member.endswith("data.pkl"))
    folder = pickled.removesuffix("data.pkl")
    order = members.get(f"{folder}byteorder")
    big_endian = order is not None and order.file_size < 16 and archive.read(order) == b"big"

    def storage(key: str) -> bytes | None:
        info = members.get(f"{folder}data/{key}")
        if info is None or big_endian or info.file_size > _MOST_BYTES:
            return None
        return archive.read(info)

    if members[pickled].file_size > _MOST_BYTES:
        raise ValueError("its index alone is larger than any chip's weights")
    return load(BytesIO(archive.read(pickled))), storage


def _from_row(content: bytes) -> tuple[Any, Bytes]:
    """Magic number, protocol, facts of the machine, the object, keys of the storages; then every storage: its number
    of elements in 8 bytes, and the elements."""
    file = BytesIO(content)
    sizes: dict[str, int] = {}
    for _ in range(2):
        load(file)
    machine = load(file)
    found = load(file, sizes)
    places: dict[str, slice] = {}
    for key in load(file):
        count = int.from_bytes(file.read(8), "little")
        start = file.tell()
        places[key] = slice(start, start + count * sizes[key])
        if not start <= places[key].stop <= len(content):
            raise ValueError("its last bytes are missing")
        file.seek(places[key].stop)
    little = not isinstance(machine, dict) or machine.get("little_endian", True)
    return found, lambda key: content[places[key]] if key in places and little else None


# ---- a tensor


def _stored(record: TensorRecord, storage: Bytes) -> StoredTensor:
    dtype = record.storage.dtype
    values = _values(record, storage)
    if values is None:
        return StoredTensor(record.shape, dtype)
    if not values.size:
        return StoredTensor(record.shape, dtype, zero=True, values=())
    count = 1
    for size in record.shape:
        count *= size
    return StoredTensor(
        record.shape,
        dtype,
        zero=not values.any(),
        least=values.min().item(),
        most=values.max().item(),
        values=_flat(record, values) if count <= _SMALL else None,
        whole=not (values % 1).any(),
        digest=_digest(record, values),
    )


def _digest(record: TensorRecord, values: Any) -> str:
    from hashlib import sha1

    return "" if values.shape != record.shape else sha1(values.tobytes(), usedforsecurity=False).hexdigest()


def _flat(record: TensorRecord, values: Any) -> tuple[float, ...]:
    import numpy

    return tuple(numpy.broadcast_to(values, record.shape).reshape(-1).tolist())


def _values(record: TensorRecord, storage: Bytes) -> Any:
    """The tensor's elements as an array, an axis of stride 0 being one element long; None when they are not there."""
    import numpy

    code = _NUMPY.get(record.storage.dtype)
    content = storage(record.storage.key) if code else None
    if content is None or len(record.shape) != len(record.stride) or min(record.shape + record.stride, default=0) < 0:
        return None
    elements = numpy.frombuffer(content, f"<{code}", count=len(content) // numpy.dtype(code).itemsize)
    shape = tuple(size if stride else min(size, 1) for size, stride in zip(record.shape, record.stride, strict=True))
    last = record.offset + sum((size - 1) * stride for size, stride in zip(shape, record.stride, strict=True))
    if 0 in shape:
        return numpy.zeros(shape)
    if record.offset < 0 or last >= len(elements):
        raise ValueError("a tensor lies outside its storage")
    strides = tuple(stride * elements.itemsize for stride in record.stride)
    values = numpy.lib.stride_tricks.as_strided(elements[record.offset :], shape, strides, writeable=False)
    if record.storage.dtype == "bfloat16":
        return (values.astype("<u4") << 16).view("<f4")
    return values


def stored_arrays(content: bytes) -> dict[str, Callable[[], Any]]:
    """Of a dictionary of tensors that torch.save wrote: by name, a function that reads the tensor's values, or gives
    None where they are not there. Raises Refused, and whatever damaged bytes lead to."""
    found, storage = (_from_zip if content.startswith(b"PK") else _from_row)(content)
    tensors = found.items() if isinstance(found, dict) else ()
    return {str(key): partial(_values, value, storage) for key, value in tensors if isinstance(value, TensorRecord)}
