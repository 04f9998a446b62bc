"""Puts every node of a traced model on the user's own line of Python.

The line is the one in ``__init__`` where the layer was made, and the call in ``forward`` goes with it; an operator
that no layer stands for (a ``+``, a function) is on the line of ``forward`` that calls it. Frames and modules of
torch, and of the layer libraries that rule packs name, are passed over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from .ir import Frame, Graph, Node, Scope, Source
from .source_files import Definition, Sources
from .source_layers import Made, layer_made, named

_TORCH = re.compile(
    r"[/\\]torch[/\\](?:(?:nn|fx|_?export|_?dynamo|jit|utils|autograd|_library|_higher_order_ops|onnx)[/\\]"
    r"|(?:functional|_ops|_tensor|library|overrides|_jit_internal)\.py$)"
)
_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib[/\\]python3[^/\\]*[/\\]|^<")
_T = TypeVar("_T")
_PASSED_THROUGH = frozenset({"Sequential", "ModuleList", "ModuleDict"})
_OWN, _INSTALLED_RANK, _LAYERS = 2, 1, 0
"""Whose code: the user's, a library's of models, torch's or a library's of layers."""


def with_source_lines(graph: Graph, libraries: Callable[[], Sequence[str]]) -> Graph:
    """The graph with ``file``, ``line`` and ``calls`` in the sources of nodes that were traced. ``libraries`` gives
    the modules of layers that are not the user's own code though they lie beside it."""
    if not any(node.source.frames or node.source.scopes for node in graph.nodes):
        return graph
    finder = _Finder(graph, libraries())
    nodes = tuple(finder.placed(_with_trace(node, graph)) for node in graph.nodes)
    return graph.with_(nodes=nodes, source=finder.model(graph))


def _with_trace(node: Node, graph: Graph) -> Node:
    """Exporters put in nodes of their own: such a one stands at least where both its neighbours do."""
    if node.source.frames or node.source.scopes:
        return node
    before = next((made.source for name in node.inputs if (made := graph.producer(name))), None)
    after = next((read.source for name in node.outputs for read in graph.consumers(name)), None)
    if before is None or after is None:
        return node
    source = replace(
        node.source,
        frames=_common(before.frames, after.frames),
        scopes=_common(before.scopes, after.scopes),
    )
    return replace(node, source=source)


def _common(first: tuple[_T, ...], second: tuple[_T, ...]) -> tuple[_T, ...]:
    """What two sequences begin with alike."""
    pairs = zip(first, second, strict=False)
    return tuple(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class _Finder:
    def __init__(self, graph: Graph, libraries: Sequence[str]) -> None:
        self._libraries = frozenset(libraries)
        self._sources = Sources(_folders(graph))
        self._made: dict[tuple[str, tuple[Scope, ...]], Made | None] = {}
        self._ranks: dict[str, int] = {}

    def placed(self, node: Node) -> Node:
        frames = tuple(self._sources.frame(f) for f in node.source.frames if self._file_rank(f.file) != _LAYERS)
        rank = max([self._file_rank(frame.file) for frame in frames], default=_LAYERS)
        called = next((f for f in reversed(frames) if self._file_rank(f.file) == rank), None) if rank else None
        made = self._layer(node.source.scopes, frames)
        if made is not None and self._file_rank(made.within.file.path) >= rank:
            calls = (_shown(called),) if called is not None else ()
            place = Source(file=_short(made.within.file.path), line=made.line, column=made.column)
            return _moved(node, place, calls)
        if called is None:
            return node
        return _moved(node, Source(file=_short(called.file), line=called.line), ())

    def model(self, graph: Graph) -> Source:
        """The class of the whole model, where it is the user's."""
        node = next((node for node in graph.nodes if node.source.scopes), None)
        frames = [self._sources.frame(frame) for frame in node.source.frames] if node is not None else []
        found = self._sources.definition(node.source.scopes[0].kind, frames) if node is not None else None
        if found is None or self._file_rank(found.file.path) != _OWN:
            return graph.source
        return Source(_short(found.file.path), found.node.lineno)

    # ---- the layer

    def _layer(self, scopes: tuple[Scope, ...], frames: Sequence[Frame]) -> Made | None:
        key = (frames[0].file if frames else "", scopes)
        if key not in self._made:
            self._made[key] = self._find_layer(scopes, frames)
        return self._made[key]

    def _find_layer(self, scopes: tuple[Scope, ...], frames: Sequence[Frame]) -> Made | None:
        """Where the layer was made that the user's innermost module is asked for; of a class it takes from outside,
        where that is said."""
        ranks = [self._rank(scope.kind, frames) for scope in scopes]
        best = max(ranks, default=_LAYERS)
        if best == _LAYERS:
            return None
        own = [index for index, rank in enumerate(ranks) if rank == best]
        target = _target(scopes, own[-1])
        if target is None:
            return None
        kind = target.kind.rpartition(".")[2]
        first: Made | None = None
        for index in reversed(own):
            owner = self._sources.definition(scopes[index].kind, frames)
            made = self._made_in(owner, scopes[index], target, kind)
            if made is None:
                break
            first = first or made
            said = named(made, kind, self._sources) if kind else made
            if said is not None:
                return said
            target = scopes[index]
        return first

    def _made_in(self, owner: Definition | None, scope: Scope, target: Scope, kind: str) -> Made | None:
        path = target.path[len(scope.path) + 1 if scope.path else 0 :]
        if owner is None or not target.path.startswith(scope.path) or not path:
            return None
        return layer_made(owner, path.split("."), kind, self._sources)

    # ---- whose code it is

    def _rank(self, kind: str, frames: Sequence[Frame]) -> int:
        if kind not in self._ranks:
            self._ranks[kind] = self._find_rank(kind, frames)
        return self._ranks[kind]

    def _find_rank(self, kind: str, frames: Sequence[Frame]) -> int:
        module = kind.rpartition(".")[0]
        if not kind or module.split(".")[0] == "torch" or self._libraries & set(module.split(".")):
            return _LAYERS
        found = self._sources.definition(kind, frames)
        return self._file_rank(found.file.path) if found is not None else _LAYERS

    def _file_rank(self, file: str) -> int:
        if _TORCH.search(file) or Path(file).stem in self._libraries:
            return _LAYERS
        return _INSTALLED_RANK if _INSTALLED.search(file) else _OWN


def _target(scopes: Sequence[Scope], own: int) -> Scope | None:
    """The layer below a module of the user's: what lies in it is the layer's own affair, but for containers."""
    for scope in scopes[own + 1 :]:
        if scope.kind.rpartition(".")[2] not in _PASSED_THROUGH:
            return scope
    return None


def _folders(graph: Graph) -> list[Path]:
    """Where modules of the model may lie: the folders around the files it was traced from, those of the model file
    and the working directory."""
    found: dict[Path, None] = {}
    for frame in dict.fromkeys(f.file for node in graph.nodes for f in node.source.frames):
        if not _INSTALLED.search(frame) and not _TORCH.search(frame):
            found |= dict.fromkeys(list(Path(frame).parents)[:3])
    found[Path.cwd()] = None
    if graph.path:
        found[Path(graph.path).absolute().parent] = None
    return list(found)


def _moved(node: Node, place: Source, calls: tuple[Frame, ...]) -> Node:
    source = replace(node.source, file=place.file, line=place.line, column=place.column, calls=calls)
    return replace(node, source=source)


def _shown(frame: Frame) -> Frame:
    return replace(frame, file=_short(frame.file))


def _short(path: str) -> str:
    """Relative to the working directory where it lies below."""
    try:
        below = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if below.startswith("..") else below
