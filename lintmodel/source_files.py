"""Python files that a traced model came from: read once, parsed, never imported or run."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, TypeVar

from .ir import Frame

_LARGEST = 4 << 20
"""Bytes of a file that is read. A stranger's model names whatever file it likes, so only files that end in ``.py``
are opened, and no large ones."""
_DEEPEST = 8

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class File:
    path: str
    lines: tuple[str, ...]
    tree: ast.Module | None
    """None when it is no Python that this version parses."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A class in a file."""

    file: File
    node: ast.ClassDef


@dataclass(slots=True)
class Sources:
    """The files looked at so far. ``folders`` are those in which modules of the model may lie."""

    folders: list[Path]
    _remembered: dict[tuple[str, int], Any] = field(default_factory=dict)
    _files: dict[str, File | None] = field(default_factory=dict)
    _found: dict[str, str | None] = field(default_factory=dict)
    _classes: dict[str, Definition | None] = field(default_factory=dict)

    def once(self, what: str, node: ast.AST, make: Callable[[], _T]) -> _T:
        """What is worked out of a part of a file, once; all files stay in memory, so that parts are told by id."""
        key = (what, id(node))
        if key not in self._remembered:
            self._remembered[key] = make()
        found: _T = self._remembered[key]
        return found

    def file(self, path: str) -> File | None:
        """The file of that path on this machine; None when there is none that can be read."""
        if path not in self._files:
            self._files[path] = _read(path)
        return self._files[path]

    def frame(self, frame: Frame) -> Frame:
        """The frame with its file and line as they are here: another machine had another folder, and lines move."""
        path = self._here(frame)
        file = self.file(path) if path else None
        if path is None or file is None:
            return frame
        lines = file.lines
        if frame.code and not (frame.line <= len(lines) and lines[frame.line - 1].strip() == frame.code):
            same = [number for number, line in enumerate(lines, start=1) if line.strip() == frame.code]
            return Frame(path, same[0] if len(same) == 1 else frame.line, frame.function, frame.code)
        return Frame(path, frame.line, frame.function, frame.code)

    def _here(self, frame: Frame) -> str | None:
        if frame.file not in self._found:
            self._found[frame.file] = frame.file if self.file(frame.file) else self._moved(frame)
        return self._found[frame.file]

    def _moved(self, frame: Frame) -> str | None:
        """The file of the longest same ending below a folder of the model that has the line."""
        parts = PurePath(frame.file.replace("\\", "/")).parts
        for count in range(min(len(parts) - 1, _DEEPEST), 0, -1):
            for folder in self.folders:
                path = str(folder.joinpath(*parts[-count:]))
                file = self.file(path)
                if file is not None and frame.code and any(line.strip() == frame.code for line in file.lines):
                    return path
        return None

    # ---- definitions

    def definition(self, kind: str, frames: Sequence[Frame] = ()) -> Definition | None:
        """The class of a dotted name, in the files of the calls or found by its module's name."""
        if kind not in self._classes:
            module, name = _split(kind)
            candidates = [file for frame in frames if (file := self.file(frame.file))]
            inside = [file for file in candidates if _is_module(file.path, module)]
            found = (self._class(file, name) for file in (*inside, *self._modules(module), *candidates))
            self._classes[kind] = next((definition for definition in found if definition), None)
        return self._classes[kind]

    def bases(self, definition: Definition) -> list[Definition]:
        """The class and, as far as their source is found, the classes it is derived from."""
        return self.once("bases", definition.node, lambda: list(self._bases(definition)))

    def _bases(self, definition: Definition) -> Iterator[Definition]:
        seen: set[int] = set()
        queue = [definition]
        while queue:
            found = queue.pop(0)
            if id(found.node) in seen:
                continue
            seen.add(id(found.node))
            yield found
            for base in found.node.bases:
                name = base.id if isinstance(base, ast.Name) else base.attr if isinstance(base, ast.Attribute) else ""
                other = self._class(found.file, name) or self._imported(found.file, name)
                if other is not None:
                    queue.append(other)

    def _class(self, file: File, name: str) -> Definition | None:
        if file.tree is None or not name:
            return None
        classes = self.once("classes", file.tree, lambda: _classes(file))
        return Definition(file, classes[name]) if name in classes else None

    def function(self, near: Definition, name: str) -> ast.FunctionDef | None:
        """A function of the module that a class stands in."""
        tree = near.file.tree
        if tree is None:
            return None
        functions = self.once(
            "functions", tree, lambda: {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        )
        return functions.get(name)

    def _imported(self, file: File, name: str) -> Definition | None:
        for node in file.tree.body if file.tree is not None else ():
            if isinstance(node, ast.ImportFrom):
                original = next((alias.name for alias in node.names if (alias.asname or alias.name) == name), None)
                if original is None or (node.module or "").split(".")[0] == "torch":
                    continue
                above = list(Path(file.path).parents)
                folders = above[node.level - 1 : node.level] if node.level else self.folders
                for found in _below(self, folders, node.module or ""):
                    if definition := self._class(found, original):
                        return definition
        return None

    def _modules(self, module: str) -> Iterator[File]:
        if module and module != "__main__":
            yield from _below(self, self.folders, module)


def _below(sources: Sources, folders: Sequence[Path], module: str) -> Iterator[File]:
    parts = module.split(".") if module else []
    for folder in folders:
        module_file = folder.joinpath(*parts[:-1], f"{parts[-1]}.py") if parts else None
        for path in (module_file, folder.joinpath(*parts, "__init__.py")):
            file = sources.file(str(path)) if path is not None else None
            if file is not None:
                yield file


def _split(kind: str) -> tuple[str, str]:
    """Module and class of ``package.module.Class`` and ``module.function.<locals>.Class``."""
    name = kind.rpartition(".")[2]
    parts = kind.split(".")[:-1]
    while parts and (parts[-1] == "<locals>" or parts[-1][:1].isupper()):
        parts.pop()
        if parts and "<locals>" in kind:
            parts.pop()
    return ".".join(parts), name


def _is_module(path: str, module: str) -> bool:
    if not module:
        return False
    ending = module.replace(".", "/")
    plain = path.replace("\\", "/").removesuffix(".py").removesuffix("/__init__")
    return plain == ending or plain.endswith("/" + ending)


def _classes(file: File) -> dict[str, ast.ClassDef]:
    """By name, the first of each; those in functions too."""
    assert file.tree is not None
    found: dict[str, ast.ClassDef] = {}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ClassDef):
            found.setdefault(node.name, node)
    return found


def _read(path: str) -> File | None:
    if not path.endswith(".py") or path.startswith(("\\\\", "//")):
        return None
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _LARGEST:  # noqa: PTH113, PTH202 - many misses
            return None
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    return File(path, tuple(text.splitlines()), tree)
