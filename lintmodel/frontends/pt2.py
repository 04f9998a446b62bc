"""Exported PyTorch programs (``.pt2``), read without torch: nothing is imported from it and nothing unpickled.

A ``.pt2`` is a zip archive whose JSON holds the whole graph: operators with their arguments, shapes and types of every
value, and for every operator the modules it stands in and the lines of Python that called it. Weights are looked into
only when somebody asks for their values.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ..errors import UnreadableModel, UsageError, did_you_mean
from ..ir import Graph
from .aten import OPSET, lower, results
from .aten_tidy import tidy
from .order import ordered
from .pt2_archive import Archive, in_memory, open_archive
from .pt2_program import Program, open_dimensions, program_of

_DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def read_pt2(
    source: str | os.PathLike[str] | bytes,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    *,
    name: str = "",
) -> Graph:
    """The graph of an exported program: of a file, or of the archive's bytes, which then are called ``name``.

    ``input_shapes`` gives full shapes to inputs whose sizes the export left open. Raises UnreadableModel for an
    archive that is damaged, of an unknown layout, or made to run code when it is loaded; UsageError for an input that
    is not there or a shape the program was not exported for.
    """
    archive = in_memory(source, name) if isinstance(source, bytes) else open_archive(source)
    try:
        symbols = _symbols(archive, input_shapes or {})
        program = program_of(archive.program, symbols)
        return _graph(archive, program)
    except _DAMAGE as error:
        what = f"{type(error).__name__}: {error}"
        version = archive.program.get("schema_version")
        reason = f"is an exported program of a form that is not known (schema {version}; {what})"
        raise UnreadableModel(archive.name, f"{reason}; save it again with torch.export.save") from None


def _graph(archive: Archive, program: Program) -> Graph:
    lowered = lower(program, archive.name, archive.constant)
    outputs = results(lowered)
    nodes, tensors = tidy(lowered.nodes, lowered.tensors, outputs)
    given = {*program.inputs, *(name for name, tensor in tensors.items() if tensor.constant is not None)}
    in_order, problems = ordered(nodes, given, outputs)
    return Graph(
        name=PurePath(archive.name).stem or "program",
        format="pt2",
        inputs=program.inputs,
        outputs=outputs,
        nodes=in_order,
        tensors=tensors,
        opsets={"": OPSET},
        metadata={k: v for k, v in (("schema_version", program.schema), ("torch_version", program.torch)) if v},
        path=archive.name,
        problems=(*problems, *lowered.problems),
    )


def _symbols(archive: Archive, input_shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Sizes of open dimensions (``s0``) from the shapes that were given."""
    spelled: Any = open_dimensions(archive.program)
    symbols: dict[str, int] = {}
    for name, sizes in input_shapes.items():
        if name not in spelled:
            names = ", ".join(spelled) or "none"
            near = did_you_mean(name, list(spelled))
            raise UsageError(f"{archive.name}: the model has no input '{name}' (its inputs: {names}){near}")
        stated = spelled[name]
        fits = len(stated) == len(sizes)
        for dim, size in zip(stated, sizes, strict=False):
            fits = fits and (symbols.setdefault(dim, int(size)) == size if dim.isidentifier() else dim == str(size))
        if not fits:
            asked, fixed = ("x".join(map(str, each)) for each in (sizes, stated))
            reason = "torch.export fixes the sizes that are not named in dynamic_shapes; export it with that shape"
            raise UsageError(f"{archive.name}: input '{name}' is {fixed} in the file, not {asked}; {reason}")
    return symbols
