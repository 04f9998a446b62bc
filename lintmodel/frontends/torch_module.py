"""Traces a PyTorch module: ``package.module:callable``, ``path/to/net.py:Net``, or a module in memory.

This is the one place where the user's own code runs. Everything else reads files.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import UnreadableModel, UsageError, did_you_mean
from ..ir import Graph

_WORD = re.compile(r"(?P<module>.+\.py|[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)")
_LONGEST = 300
"""Characters of torch's own reason that are repeated."""

_INSTALL = "pip install 'lintmodel[torch]', or export it where torch is (torch.export.save) and give the .pt2"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """An example input by its shape, batch included, and numpy's name of its element type."""

    shape: tuple[int, ...]
    dtype: str = "float32"


ExampleInput = Any
"""A tensor, an :class:`InputSpec`, or a shape."""


def names_module(word: str) -> bool:
    """The word means a PyTorch module in Python code, and no file of that name is there."""
    return _WORD.fullmatch(word) is not None and not os.path.lexists(word)


def read_module(word: str, example_inputs: Sequence[ExampleInput] | None) -> Graph:
    """The graph of the module that a word names: a ``torch.nn.Module``, a subclass that takes no arguments, or a
    function that returns a module. Imports and calls the user's code.

    Raises UnreadableModel with the reason, and the line where there is one, when it cannot be imported, made or
    traced; UsageError without example inputs.
    """
    match = _WORD.fullmatch(word)
    if match is None:
        raise UsageError(f"a module is package.module:callable or path/to/net.py:Net, not '{word}'")
    if importlib.util.find_spec("torch") is None:
        raise UnreadableModel(word, f"is a PyTorch module, and torch is not installed: {_INSTALL}")
    inputs = _inputs(example_inputs)
    if not inputs:
        raise UsageError(f"{word}: with what input is it called? Add --input 1x3x224x224, once for every input")
    with _imports_from(match["module"]), redirect_stdout(sys.stderr):
        module = _made(word, _imported(word, match["module"]), match["name"])
        return _traced(module, inputs, word)


def trace_module(module: Any, example_inputs: Sequence[ExampleInput] | None) -> Graph:
    """The graph of a ``torch.nn.Module`` called with example inputs. The module itself stays as it is.

    Raises UnreadableModel with the reason and the line for a module that torch.export cannot trace.
    """
    inputs = _inputs(example_inputs)
    if not inputs:
        kind = type(module).__qualname__
        raise UsageError(f"{kind}: with what is it called? check(module, target, example_inputs=(tensor,)) traces it")
    return _traced(module, inputs, "")


def read_program(program: Any) -> Graph:
    """The graph of a ``torch.export.ExportedProgram`` in memory."""
    return _read(program, type(program).__name__, "")


# ---- the user's code


@contextmanager
def _imports_from(module: str) -> Iterator[None]:
    """The module's own folder, or the working directory, comes first where Python looks for modules."""
    before = list(sys.path)
    sys.path.insert(0, str(_root(Path(module).absolute())) if module.endswith(".py") else str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def _root(file: Path) -> Path:
    """The folder from which a file is imported: outside the packages it lies in."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def _imported(word: str, module: str) -> ModuleType:
    try:
        if not module.endswith(".py"):
            return importlib.import_module(module)
        file = Path(module).absolute()
        if not file.is_file():
            raise UnreadableModel(word, f"there is no file {module}")
        name = ".".join(file.with_suffix("").relative_to(_root(file)).parts)
        known = sys.modules.get(name)
        if known is not None and getattr(known, "__file__", None) == str(file):
            return known
        if known is not None:
            name = f"_lintmodel_{name}"
        return _from_file(name, file) if "." not in name else importlib.import_module(name)
    except UnreadableModel:
        raise
    except (Exception, SystemExit) as error:
        raise UnreadableModel(word, f"importing {module} fails: {_reason(error)}{_where(error)}") from error


def _from_file(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _made(word: str, module: ModuleType, name: str) -> Any:
    from torch import nn

    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UnreadableModel(word, f"there is no '{part}' in it" + did_you_mean(part, _modules_in(found)))
        found = getattr(found, part)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise UnreadableModel(word, f"is of type {type(found).__name__}, not a torch.nn.Module or what makes one")
    try:
        made = found()
    except (Exception, SystemExit) as error:
        more = "; give a function without arguments that makes the model" if isinstance(error, TypeError) else ""
        raise UnreadableModel(word, f"calling it fails: {_reason(error)}{_where(error)}{more}") from error
    if not isinstance(made, nn.Module):
        raise UnreadableModel(word, f"returns a {type(made).__name__}, not a torch.nn.Module")
    return made


def _modules_in(place: Any) -> list[str]:
    return [name for name, value in vars(place).items() if callable(value) and not name.startswith("_")]


# ---- tracing


def _inputs(given: Any) -> tuple[ExampleInput, ...]:
    """One each; a tensor or a shape alone is a single one."""
    if given is None:
        return ()
    if not isinstance(given, Sequence) or (given and all(isinstance(size, int) for size in given)):
        return (given,)
    return tuple(given)


def _traced(module: Any, example_inputs: Sequence[ExampleInput], word: str) -> Graph:
    import inspect
    import warnings

    import torch

    kind = type(module).__qualname__
    arguments = tuple(_tensor(given) for given in example_inputs)
    accepted = inspect.signature(torch.export.export).parameters
    how = {"strict": False} if "strict" in accepted else {}
    with _evaluating(module), torch.no_grad(), warnings.catch_warnings(), _silent():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(module, arguments, **how)
        except Exception as error:
            reason = f"torch.export cannot trace it: {_reason(error)}{_where(error)}"
            raise UnreadableModel(word or kind, reason) from error
    return _read(program, kind, word)


def _read(program: Any, kind: str, word: str) -> Graph:
    """Through the archive that torch writes, so that there is one reader of exported programs."""
    import torch

    from .pt2 import read_pt2

    archive = BytesIO()
    try:
        torch.export.save(program, archive)
    except Exception as error:
        raise UnreadableModel(word or kind, f"torch.export.save fails: {_reason(error)}") from error
    graph = read_pt2(archive.getvalue(), name=word or kind)
    return graph.with_(name=kind, format="torch", path=word)


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """As in deployment: dropout off, normalisation by its statistics; afterwards every part is as it was."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


@contextmanager
def _silent() -> Iterator[None]:
    """torch prints and logs a whole graph besides raising; the reason and the line say it."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(disabled)


def _tensor(given: ExampleInput) -> Any:
    import torch

    if isinstance(given, torch.Tensor):
        return given
    if isinstance(given, InputSpec):
        dtype = getattr(torch, given.dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise UsageError(f"--input: torch has no element type '{given.dtype}'; it has float32, float16, int64, ...")
        return torch.zeros(given.shape, dtype=dtype)
    if isinstance(given, Sequence) and given and all(isinstance(size, int) for size in given):
        return torch.zeros(tuple(given))
    return given


# ---- what went wrong


def _reason(error: BaseException) -> str:
    """The first lines of the message, as far as a person reads."""
    if type(error).__name__ == "GuardOnDataDependentSymNode":
        return "a branch or a size depends on the values in a tensor, which a graph cannot do"
    lines = [line.strip() for line in str(error).splitlines()]
    text = next((line for line in lines if line), "")
    text = text if len(text) <= _LONGEST else text[:_LONGEST].rsplit(" ", 1)[0] + " ..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _where(error: BaseException) -> str:
    """`` (net.py, line 12: if x.sum() > 0:)``: the innermost line of the user's own."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f" ({_short(error.filename)}, line {error.lineno}: {(error.text or '').strip()})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename)]
    if not own:
        return ""
    return f" ({_short(own[-1].filename)}, line {own[-1].lineno}: {own[-1].line})"


def _is_own(file: str) -> bool:
    here = str(Path(__file__).parent.parent)
    installed = re.search(r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib[/\\]python3[^/\\]*[/\\]|^<", file)
    return installed is None and not file.startswith(here)


def _short(file: str) -> str:
    below = os.path.relpath(file)
    return file if below.startswith("..") else below
