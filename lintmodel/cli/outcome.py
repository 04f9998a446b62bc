"""What fixes made of a model, before anything is written: what ``lintmodel fix`` and ``check --fix`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .output import write_bytes

if TYPE_CHECKING:
    from ..api import Report
    from .configured import Wanted


@dataclass(frozen=True, slots=True)
class Edit:
    """A file as it would be."""

    path: str
    """Of the file that is edited."""
    data: Callable[[], bytes]
    diff: Callable[[], str]
    """For a reader; empty where nothing changes."""
    changed: bool = True
    follow: Callable[[str], None] = lambda _: None
    """Brings along what the file needs beside it when it is written to another path."""

    @property
    def fixed_path(self) -> str:
        """Where it goes unless the user says otherwise: ``net.fixed.onnx`` beside ``net.onnx``."""
        path = Path(self.path)
        return str(path.with_name(f"{path.stem}.fixed{path.suffix}"))

    def write(self, path: str) -> None:
        """Writes it, whole or not at all. Raises UsageError."""
        data = self.data()
        if path != "-":
            self.follow(path)
        write_bytes(path, data)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fixes of one model."""

    edits: tuple[Edit, ...]
    """Of a network or a description there is one, changed or not."""
    places: int
    """Number of places that change."""
    lines: tuple[str, ...]
    """What is done and what was not, a line each."""
    hidden: int
    """Fixes that ``--unsafe-fixes`` would add."""
    errors: int
    """Findings of that level that stay."""
    notes: tuple[str, ...] = ()
    """What else there is to say, in half a sentence each."""
    reports: Sequence[Report] | None = None
    """On the model as it is afterwards, where fixing made them anyway."""

    @property
    def changed(self) -> list[Edit]:
        return [edit for edit in self.edits if edit.changed]

    def summary(self, word: str, where: str = "") -> str:
        """``2 places fixed in net.fixed.yaml; 1 error stays, which lintmodel check shows.``"""
        from ..report.text import counted

        parts = [f"{counted(self.places, 'place')} {word}{where}" if self.places else f"nothing {word}"]
        if self.hidden:
            parts.append(f"{self.hidden} more with --unsafe-fixes")
        if self.errors:
            parts.append(f"{'1 error stays' if self.errors == 1 else f'{self.errors} errors stay'}, which check shows")
        return "; ".join([*parts, *self.notes]) + "."


def outcome(model: str, asked: Wanted, *, unsafe: bool, details: bool = False) -> Outcome:
    """What the fixes of the targets make of a model. ``details`` lists every place of a network that changes. Raises
    LintmodelError for a file that cannot be read, or that fix does not edit."""
    from ..frontends.sniff import sniff

    format = sniff(model).format
    if format == "onnx":
        from .fix_network import onnx_outcome

        return onnx_outcome(model, asked, unsafe=unsafe, details=details)

    from ..api import read_model
    from ..ir import Document

    if format == "tflite":
        from .fix_tflite import tflite_outcome

        return tflite_outcome(model, asked, unsafe=unsafe, details=details)
    found = read_model(model, asked.shapes, asked.checkpoint, asked.inputs)
    if isinstance(found, Document):
        if not found.text:
            raise UsageError(f"{model} is not a text that fix can edit")
        from .fix_text import text_outcome

        return text_outcome(found, asked, unsafe=unsafe)
    from .fix_source import source_outcome

    return source_outcome(found, asked, unsafe=unsafe)


def reporter(asked: Wanted) -> Callable[..., Report]:
    """Makes reports as ``lintmodel check`` does, so that what is suppressed or not selected is not fixed."""
    from ..api import check_graph
    from ..suppression import settle

    return lambda graph, target: settle(
        check_graph(graph, target, select=asked.select, rule_options=asked.rule_options), asked.settings
    )


def errors(reports: Sequence[Report]) -> int:
    """Number of findings of that level."""
    from ..findings import Level

    return sum(finding.level == Level.ERROR for report in reports for finding in report.findings)


def unsafe_places(reports: Sequence[Report]) -> int:
    """Number of findings that offer an unsafe fix."""
    findings: Iterator[object] = (f.fix.safety for report in reports for f in report.findings if f.fix is not None)
    return sum(safety == "unsafe" for safety in findings)
