"""What a pickle would call when it is loaded: its instructions are read, and none of them is carried out."""

from __future__ import annotations

import pickletools
import zipfile
from io import BytesIO
from typing import IO

from .inert_pickle import Refused, check_name, load

_MOST = 1 << 26
"""Bytes of a pickle that are looked through; what tensors hold is not among them."""

Name = tuple[str, str]
"""Module and name of a class or function."""


def named(content: bytes) -> list[Name]:
    """The classes and functions that a pickle names, in its order; of a damaged one those before the damage."""
    found: list[Name] = []
    words: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(content[:_MOST]):
            if opcode.name in ("GLOBAL", "INST"):
                module, _, name = str(argument).partition(" ")
                found.append((module, name))
            elif opcode.name == "STACK_GLOBAL" and len(words) > 1:
                found.append((words[-2], words[-1]))
            elif isinstance(argument, str):
                words.append(argument)
    except Exception:  # whatever a damaged pickle leads to
        return found
    return found


def refused(content: bytes) -> str | None:
    """The first function a pickle names that runs code or reaches files, as ``posix.system``; None without one."""
    try:
        for module, name in named(content):
            check_name(module, name)
        load(BytesIO(content[:_MOST]))  # by another way: names that the stack alone shows
    except Refused as refusal:
        return str(refusal)
    except Exception:  # whatever a damaged pickle leads to
        return None
    return None


def refused_in(archive: zipfile.ZipFile) -> str | None:
    """The same for all pickles in an archive, and in the archives in it as torch.save writes them."""
    for info in archive.infolist():
        if info.is_dir() or info.filename.endswith(".json"):
            continue
        with archive.open(info) as file:
            start = file.read(2)
            if start == b"PK" and info.compress_type == zipfile.ZIP_STORED:
                file.seek(0)
                found = _refused_inside(file)
            else:
                found = refused(start + file.read(_MOST)) if _is_pickle(start) else None
        if found:
            return found
    return None


def _is_pickle(start: bytes) -> bool:
    return start in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def _refused_inside(file: IO[bytes]) -> str | None:
    try:
        inner = zipfile.ZipFile(file)
        pickles = [info for info in inner.infolist() if info.filename.endswith(".pkl") and info.file_size <= _MOST]
        contents = [inner.read(info) for info in pickles]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return None  # weights whose first bytes happen to be those of an archive
    return next((found for content in contents if (found := refused(content))), None)
