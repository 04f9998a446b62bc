"""Opens the archives that ``torch.export.save`` writes: the program's JSON, and the weights' bytes when asked for.

Three layouts. Up to torch 2.7 the members ``serialized_exported_program.json`` and ``serialized_state_dict.pt`` (2.1:
``.json``); since 2.8 ``models/<name>.json`` and ``data/weights``, where ``model_weights_config.json`` says which member
is which parameter; in the first of these releases all weights are one pickle, ``data/weights/<name>.pt``. A pickle is
read by :mod:`.inert_pickle`, which calls nothing, and only when somebody asks for a weight's values.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO

from ..errors import UnreadableModel
from ..ir import Constant
from .checkpoint import stored_arrays
from .pickle_names import refused_in

_MOST_JSON = 1 << 29
"""Bytes of a program's text. A network of 100 000 operators takes some 200 MB."""
_MOST_WEIGHT = 1 << 30
"""Bytes of one weight that is looked into."""
_DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}
"""torch/_export/serde/schema.py, ScalarType: the numbers are the same in every schema version."""


def dtype_of(number: Any) -> str:
    """numpy's name of an element type of the archive; ``"unknown"`` for a number this version has no name for."""
    return _DTYPES.get(number, "unknown")


@dataclass(frozen=True)
class Archive:
    """An opened archive. ``program`` is the parsed JSON of the exported program."""

    name: str
    program: dict[str, Any]
    zip: zipfile.ZipFile = field(repr=False)
    model: str
    """The model's name in the archive (``model`` where the layout has none)."""

    def constant(self, name: str) -> Constant:
        """The values of a parameter, a buffer or a tensor constant, by the name the program gives it."""
        return Constant(lambda: self._values(name))

    def _values(self, name: str) -> Any:
        try:
            entry = self._config.get(name)
            if entry is not None and not entry.get("use_pickle"):
                return _array(self._member(str(entry["path_name"])), entry["tensor_meta"])
            return self._pickled.get(name, lambda: None)()
        except Exception:  # whatever damaged bytes lead to: a value that cannot be read is one that is not there
            return None

    @cached_property
    def _names(self) -> dict[str, zipfile.ZipInfo]:
        return {_short(info.filename): info for info in self.zip.infolist()}

    def _member(self, name: str) -> bytes:
        for folder in ("data/weights/", "data/constants/", ""):
            info = self._names.get(folder + name)
            if info is not None and info.file_size <= _MOST_WEIGHT:
                return self.zip.read(info)
        raise KeyError(name)

    @cached_property
    def _config(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for kind in ("weights", "constants"):
            info = self._names.get(f"data/{kind}/{self.model}_{kind}_config.json")
            content = json.loads(self.zip.read(info)) if info is not None else {}
            entries = content.get("config") if isinstance(content, dict) else None
            found |= {k: v for k, v in entries.items() if isinstance(v, dict)} if isinstance(entries, dict) else {}
        return found

    @cached_property
    def _pickled(self) -> dict[str, Any]:
        """Readers of what lies in pickled dictionaries of tensors."""
        found: dict[str, Any] = {}
        for name in _PICKLES:
            info = self._names.get(name.format(model=self.model))
            if info is not None and info.file_size <= _MOST_WEIGHT:
                try:
                    found |= stored_arrays(self.zip.read(info))
                except Exception:  # whatever damaged bytes lead to: then these weights are not there
                    continue
        return found


_PICKLES = (
    "serialized_state_dict.pt",
    "serialized_state_dict.json",
    "serialized_constants.pt",
    "serialized_constants.json",
    "data/weights/{model}.pt",
    "data/constants/{model}.pt",
)


def open_archive(source: str | os.PathLike[str] | BinaryIO, name: str = "") -> Archive:
    """Raises UnreadableModel for an archive that is damaged or of a layout that is not known."""
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else name
    try:
        archive = zipfile.ZipFile(source)
        members = {_short(info.filename): info for info in archive.infolist()}
        chosen = _program_member(members)
        if chosen is None:
            raise UnreadableModel(name, "is a zip archive without an exported program; save it with torch.export.save")
        info = members[chosen]
        if info.file_size > _MOST_JSON:
            raise UnreadableModel(name, f"has a program of {info.file_size} bytes of text, more than is read")
        function = refused_in(archive)
        if function:
            reason = (
                f"names {function}, which would run when PyTorch loads it; it is not read, and nothing in it was run"
            )
            raise UnreadableModel(name, reason)
        program = json.loads(archive.read(info))
    except UnreadableModel:
        raise
    except OSError as error:
        raise UnreadableModel(name, f"cannot be opened: {error.strerror or error}") from None
    except RecursionError:
        raise UnreadableModel(name, "is an exported program nested deeper than any that torch writes") from None
    except Exception as error:  # whatever a damaged archive leads to
        what = str(error) or type(error).__name__
        reason = f"is an exported program that is cut short or damaged ({what}); save it again with torch.export.save"
        raise UnreadableModel(name, reason) from None
    if not isinstance(program, dict) or not isinstance(program.get("graph_module"), dict):
        raise UnreadableModel(name, f"holds {chosen}, which is no exported program; save it with torch.export.save")
    model = chosen.removeprefix("models/").removesuffix(".json") if chosen.startswith("models/") else "model"
    return Archive(name, program, archive, model)


def _program_member(members: dict[str, zipfile.ZipInfo]) -> str | None:
    """The program: ``model`` where an archive has several, else the first."""
    if "serialized_exported_program.json" in members:
        return "serialized_exported_program.json"
    programs = sorted(m for m in members if m.startswith("models/") and m.endswith(".json"))
    return "models/model.json" if "models/model.json" in programs else programs[0] if programs else None


def _short(member: str) -> str:
    """The member's name without the one folder that torch's own writer puts everything in."""
    known = ("models/", "data/", "extra/", "serialized_", ".data/", "code/")
    rest = member.partition("/")[2]
    return rest if rest and not member.startswith(known) else member


def _array(content: bytes, meta: dict[str, Any]) -> Any:
    """A weight stored as the bytes of its storage. The meta data are those of a tensor of the program."""
    import numpy as np

    dtype = dtype_of(meta["dtype"])
    sizes = tuple(int(size["as_int"]) for size in meta["sizes"])
    strides = tuple(int(stride["as_int"]) for stride in meta["strides"])
    offset = int(meta["storage_offset"]["as_int"])
    code = "uint16" if dtype == "bfloat16" else dtype
    elements = np.frombuffer(content, code, count=len(content) // np.dtype(code).itemsize)
    if min(sizes + strides, default=0) < 0 or offset < 0:
        raise ValueError("a negative size")
    if 0 in sizes:
        return np.zeros(sizes, code)
    if math.prod(sizes) > len(elements) or offset + sum(
        (n - 1) * s for n, s in zip(sizes, strides, strict=True)
    ) >= len(elements):
        raise ValueError("a weight lies outside its storage")
    steps = tuple(s * elements.itemsize for s in strides)
    values = np.lib.stride_tricks.as_strided(elements[offset:], sizes, steps, writeable=False)
    return (values.astype("<u4") << 16).view("<f4") if dtype == "bfloat16" else values


def in_memory(content: bytes, name: str) -> Archive:
    """An archive that is not a file."""
    return open_archive(io.BytesIO(content), name)
