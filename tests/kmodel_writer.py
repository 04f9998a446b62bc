"""Writes headers of kmodels, as their three compilers lay them out; the bodies are zeros."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack


def kmodel_3(
    layers: Sequence[int] = (10240, 12),
    outputs: Sequence[tuple[int, int]] = ((0, 40),),
    memory: int = 400,
    image: tuple[int, int, int] = (3, 240, 320),
    architecture: int = 0,
) -> bytes:
    """``layers`` are type numbers, each with a body of 128 bytes; ``image`` is what the first convolution reads."""
    header = pack("<7I", 3, 1, architecture, len(layers), 0, memory, len(outputs))
    lists = b"".join(pack("<2I", *pair) for pair in [*outputs, *((kind, 128) for kind in layers)])
    start = len(header + lists)
    channels, height, width = image
    registers = pack("<4I", 0, 0, 0, 0) + pack("<4I", channels - 1, 0, width - 1 | height - 1 << 10, 0)
    first = (pack("<6I", 0, 0, start + 24, 0, 0, 0) + registers).ljust(128, b"\0")
    return header + lists + first + bytes(128 * (len(layers) - 1))


def kmodel_4(
    nodes: Sequence[int] = (0x2002, 0x03),
    inputs: Sequence[tuple[int, ...]] = ((1, 1, 28, 80),),
    outputs: Sequence[int] = (14336,),
    memory: int = 33600,
    constants: int = 16,
    architecture: int = 1,
) -> bytes:
    """``inputs`` are shapes of uint8, ``outputs`` bytes of float32, ``nodes`` operation codes with 40 bytes each."""
    counts = (len(nodes), len(inputs), len(outputs))
    parts = [b"LDMK", pack("<9I", 4, 0, architecture, constants, memory, *counts, 0)]
    parts += [pack("<4I", 2, 1, 0, 3584) for _ in inputs]
    parts += [pack("<4I", *shape) for shape in inputs]
    parts += [pack("<4I", 1, 0, 7168, size) for size in outputs]
    parts += [bytes(constants), *(pack("<2I", code, 40) for code in nodes), bytes(40 * len(nodes))]
    return b"".join(parts)


def kmodel_5(modules: Sequence[str] = ("stackvm", "k210"), data: int = 49152, version: int = 5) -> bytes:
    """The first module has one function, float32 1x1x32x32 to 1x10; all have a pool of data and two sections."""
    body = b"".join(_module(name, data if k == 0 else 0, k == 0) for k, name in enumerate(modules))
    return b"LDMK" + pack("<7I", version, 32, 0, 8, len(modules), 0, 0) + body


def _module(name: str, data: int, entry: bool) -> bytes:
    pools = [(2, 16), (3, data)] + ([(64, 2097152)] if name != "stackvm" else [])
    ends = pack("<BBHII", 0, 9, 0, 0, 4096) + pack("<5I", 4, 1, 1, 32, 32)
    ends += pack("<BBHII", 1, 9, 0, 0, 40) + pack("<3I", 2, 1, 10)
    ends += bytes(-len(ends) % 8)
    function = pack("<8I", 32, 32 + len(ends), 4096, 40, 1, 1, 0, 0) + ends if entry else b""
    sections = b".rdata".ljust(16, b"\0") + pack("<4I", 0, 8, 16, 0) + bytes(24)
    sections += b".text".ljust(16, b"\0") + pack("<4I", 1, 0, 8, 0)
    body = b"".join(pack("<2I", *pool) for pool in pools) + function + sections
    counts = (len(pools), 0, 2, int(entry), 0)
    return name.encode().ljust(16, b"\0") + pack("<8I", 1, 48, 48 + len(body), *counts) + body
