"""Rewrites of a network, chosen by what the findings offer, until nothing is left to do.

Nothing is taken on trust. A group of changes is kept when the model is still valid, no target that is asked makes less
of it than before, and, for a safe rewrite, both versions compute the same on random inputs. What an unsafe one does to
the outputs is measured and told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LintmodelError, UsageError, did_you_mean
from .change import Change, Rewrite
from .onnx_edit import apply_changes
from .verify import Delta, NotVerified, Runs

if TYPE_CHECKING:
    from ..api import Report
    from ..ir import Graph
    from ..registry import Rule
    from ..target import Target

MOST_ROUNDS = 100
"""A rewrite can make way for another; this many times at most."""
MOST_TRIALS = 40
"""Of one group of changes, of which parts do not hold."""
MOST_NODES = 40
"""That stand in one place instead of what was there: 31 for a kernel of 11x11 in parts of 3x3, 171 for one of 1x256."""
VERDICTS = ("accepted", "unknown", "miscompiled", "rejected")
"""From good to bad."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A group of changes of one rewrite that was made."""

    rewrite: Rewrite
    rules: tuple[str, ...]
    """Codes of the rules that offered it."""
    changes: tuple[Change, ...]
    delta: Delta | None
    """What it does to the outputs; None of an unsafe one that could not be run."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A group of changes that was not made, and why."""

    rewrite: Rewrite
    nodes: tuple[str, ...]
    why: str


@dataclass
class FixedNetwork:
    """A network and what became of it."""

    before: Any
    """The ``onnx.ModelProto`` as it was."""
    after: Any
    reports: Sequence[Report]
    """On the model as it is now, one per target."""
    applied: list[Applied] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def changes(self) -> int:
        return sum(len(each.changes) for each in self.applied)


def fix_network(
    model: Any,
    path: str,
    targets: Sequence[Target],
    *,
    unsafe: bool = False,
    select: Callable[[Rule], bool] | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    report: Callable[[Graph, Target], Report] | None = None,
) -> FixedNetwork:
    """Applies what the findings of the targets offer to an ``onnx.ModelProto``, of which a copy is edited. ``path`` is
    the file it was read from, beside which its external data are. ``report`` makes the reports (and says what is
    suppressed in them) where the caller has settings of its own; ``select`` is left aside then. Raises LintmodelError
    for a model that cannot be planned."""
    run = _Run(path, targets, report or _reporter(select), _named_shapes(model, input_shapes or {}))
    found = FixedNetwork(model, model, run.reports(model))
    run.seen.add(_digest(model))
    if run.shapes:
        run.freeze(found)
    for _ in range(MOST_ROUNDS):
        if not run.round(found, unsafe):
            break
    return found


def _reporter(select: Callable[[Rule], bool] | None) -> Callable[[Graph, Target], Report]:
    from ..api import check_graph

    return lambda graph, target: check_graph(graph, target, select=select)


def _named_shapes(model: Any, shapes: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    """Shapes by input name; the one under the empty name is that of the only input. Raises UsageError."""
    stored = {each.name for each in model.graph.initializer}
    inputs = [each.name for each in model.graph.input if each.name not in stored]
    for name in shapes:
        if name and name not in inputs:
            listed = ", ".join(inputs) or "none"
            raise UsageError(f"the model has no input '{name}' (its inputs: {listed}){did_you_mean(name, inputs)}")
    if "" not in shapes:
        return dict(shapes)
    if len(inputs) != 1:
        asked = "x".join(map(str, shapes[""]))
        raise UsageError(f"which input has the shape {asked}? The model has {', '.join(inputs) or 'none'}")
    return {inputs[0]: shapes[""], **{name: shape for name, shape in shapes.items() if name}}


@dataclass
class _Run:
    path: str
    targets: Sequence[Target]
    report: Callable[[Graph, Target], Report]
    shapes: dict[str, Sequence[int]]
    runs: Runs = field(init=False)
    seen: set[bytes] = field(default_factory=set)
    """Nodes of every version of the model there was, so that two rewrites do not undo each other for ever."""
    trials: int = 0

    def __post_init__(self) -> None:
        self.runs = Runs(Path(self.path).parent if self.path else None, self.shapes)

    def read(self, model: Any) -> Any:
        from ..frontends.onnx import read_onnx_model
        from ..normalize import normalize

        known = {each.name for each in model.graph.input}
        shapes = {name: shape for name, shape in self.shapes.items() if name in known}
        return normalize(read_onnx_model(model, self.path, shapes))

    def round(self, found: FixedNetwork, unsafe: bool) -> bool:
        """Tries the first group of changes that was not refused before; False when there is none."""
        refused = {(each.rewrite.id, node) for each in found.refused for node in each.nodes}
        for rewrite, rules, changes in self.offered(found.after, found.reports, unsafe):
            left = [change for change in changes if (rewrite.id, change.node) not in refused]
            long = [change for change in left if len(change.add) > MOST_NODES]
            for change in long:
                why = f"{len(change.add)} nodes would stand in its place, more than {MOST_NODES}"
                found.refused.append(Refused(rewrite, (change.node,), why))
            left = [change for change in left if change not in long]
            if left:
                self.trials = 0
                self.try_group(found, rewrite, rules, left)
                return True
        return False

    def freeze(self, found: FixedNetwork) -> None:
        """Writes the shapes that were given into the file, where it leaves them open."""
        from ..frontends.onnx import read_onnx_model
        from ..normalize import propagate
        from .rewrites import all_rewrites

        rewrite = all_rewrites()["freeze-shapes"]
        graph = propagate(read_onnx_model(found.after, self.path))
        changes = list(rewrite.places(graph, [{"shapes": self.shapes}]))
        if changes:
            self.try_group(found, rewrite, ("--input-shape",), changes)

    def reports(self, model: Any) -> list[Report]:
        graph = self.read(model)
        return [self.report(graph, target) for target in self.targets]

    def offered(
        self, model: Any, reports: Sequence[Report], unsafe: bool
    ) -> Iterator[tuple[Rewrite, tuple[str, ...], list[Change]]]:
        """Every rewrite that findings offer, safe ones first, with its changes at the nodes the findings are about; all
        of its changes where a finding is about the whole model."""
        from .rewrites import all_rewrites

        asked: dict[str, dict[str | None, str]] = {}
        details: dict[str, list[Mapping[str, Any]]] = {}
        for report in reports:
            for finding in report.findings:
                if finding.fix is not None:
                    asked.setdefault(finding.fix.id, {})[finding.node] = finding.rule
                    details.setdefault(finding.fix.id, []).append(finding.details)
        known = [each for each in all_rewrites().values() if each.id in asked]
        graph = reports[0].graph
        for each in sorted(known, key=lambda each: each.safety != "safe"):
            if each.safety == "unsafe" and not unsafe:
                continue
            nodes = asked[each.id]
            found = each.places(graph, details[each.id])
            changes = [c for c in found if None in nodes or not {c.node, *c.remove, *c.also}.isdisjoint(nodes)]
            if changes:
                yield each, tuple(sorted(set(nodes.values()))), changes

    def try_group(
        self, found: FixedNetwork, rewrite: Rewrite, rules: tuple[str, ...], changes: Sequence[Change]
    ) -> bool:
        """Makes the changes and keeps them when they hold. A group that does not is halved until what is wrong with
        it stands alone."""
        self.trials += 1
        there = {node.name for node in found.reports[0].graph.nodes}
        trial = _copy(found.after)
        try:
            done = apply_changes(trial, found.reports[0].graph, [c for c in changes if there.issuperset(c.remove)])
            if not done.made:
                raise _Not("it touches what another change touched")
            reports = self._proven(found, trial)
            said = _said(found.reports, rewrite)
            if said and said == _said(reports, rewrite):
                raise _Not("what was found would be found again")
            apart = self._measured(found.after, trial, rewrite)
        except (_Not, ValueError) as error:
            divided = len(changes) > 1 and self.trials < MOST_TRIALS and not getattr(error, "final", False)
            if divided:
                half = len(changes) // 2
                halves = [self.try_group(found, rewrite, rules, part) for part in (changes[:half], changes[half:])]
                return any(halves)
            found.refused.append(Refused(rewrite, tuple(change.node for change in changes), str(error)))
            return False
        found.after, found.reports = trial, reports
        self.seen.add(_digest(trial))
        found.applied.append(Applied(rewrite, rules, tuple(done.made), apart))
        return True

    def _proven(self, found: FixedNetwork, trial: Any) -> list[Report]:
        """The reports on the changed model. Raises _Not when it is not valid or a target makes less of it."""
        import onnx

        if _digest(trial) in self.seen:
            raise _Not("it undoes what another fix did")
        try:
            _check(trial)
        except onnx.checker.ValidationError as error:
            if _valid(found.after):
                raise _Not(f"the result would not be a valid model: {str(error).splitlines()[0]}") from error
        except ValueError as error:
            raise _Not(str(error)) from error
        try:
            reports = self.reports(trial)
        except LintmodelError as error:
            raise _Not(f"the result cannot be planned: {error}") from error
        for old, new in zip(found.reports, reports, strict=True):
            why = worse(old, new)
            if why:
                raise _Not(f"{new.target.name} would {why}")
        return reports

    def _measured(self, before: Any, after: Any, rewrite: Rewrite) -> Delta | None:
        try:
            apart = self.runs.delta(before, after)
        except NotVerified as error:
            if rewrite.safety == "safe":
                why = f"it could not be proven that the same is computed: {error}"
                raise _Not(why, final=error.before) from error
            return None
        if rewrite.safety == "safe" and not apart.same:
            raise _Not(f"the outputs would differ by up to {apart.largest:.3g}, of a range of {apart.range:.3g}")
        return apart


class _Not(Exception):
    """A group of changes that does not hold; the sentence says why. ``final``: nor does any part of it."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


def _said(reports: Sequence[Report], rewrite: Rewrite) -> set[tuple[str, str, str | None, str]]:
    """What is found and offers a rewrite."""
    return {
        (report.target.name, finding.rule, finding.node, finding.message)
        for report in reports
        for finding in report.findings
        if finding.fix is not None and finding.fix.id == rewrite.id
    }


def worse(old: Report, new: Report) -> str:
    """What a target would do worse; empty when nothing."""
    if VERDICTS.index(new.verdict) > VERDICTS.index(old.verdict):
        return f"have the verdict {new.verdict}, not {old.verdict}"
    if old.runtime == "ok" and new.runtime == "fails":
        return "fail on the board"
    if old.fits == "yes" and new.fits == "no":
        return "not hold it in memory any more"
    if not _sizes_known(old) and _sizes_known(new):
        return ""  # an open size hides what is wrong behind it
    errors = [sum(str(finding.level) == "error" for finding in report.findings) for report in (old, new)]
    return f"have {errors[1]} errors, not {errors[0]}" if errors[1] > errors[0] else ""


def _copy(model: Any) -> Any:
    copy = type(model)()
    copy.CopyFrom(model)
    return copy


def _sizes_known(report: Report) -> bool:
    return all(report.graph.tensor(name).known for name in report.graph.inputs)


def _digest(model: Any) -> bytes:
    """Of what rewrites change, weights aside."""
    from hashlib import sha1

    digest = sha1(usedforsecurity=False)
    graph = model.graph
    for message in (*graph.node, *graph.input, *graph.output, *graph.value_info, *model.opset_import):
        digest.update(message.SerializeToString())
    for tensor in graph.initializer:
        digest.update(f"{tensor.name}{list(tensor.dims)}".encode("utf-8", "surrogatepass"))
    return digest.digest()


def _light(model: Any) -> Any:
    """Without the bytes of large initialisers, which the checker would walk through."""
    from onnx import TensorProto

    graph = model.graph
    light = type(model)(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    light.graph.name = graph.name
    for field_name in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(light.graph, field_name).extend(getattr(graph, field_name))
    for tensor in graph.initializer:
        if len(tensor.raw_data) > 4096 or tensor.data_location == TensorProto.EXTERNAL:
            light.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=[0])
        else:
            light.graph.initializer.append(tensor)
    return light


def _check(model: Any) -> None:
    """Raises onnx.checker.ValidationError. The checker writes warnings to standard output by itself, where they would
    stand in the middle of a report."""
    import onnx

    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        onnx.checker.check_model(_light(model))
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _valid(model: Any) -> bool:
    import onnx

    try:
        _check(model)
    except onnx.checker.ValidationError:
        return False
    return True


def read_proto(path: str) -> Any:
    """The model in a file, its external data left where they are. Raises UnreadableModel, UsageError."""
    from ..frontends.onnx_bytes import load_model

    model = load_model(path)
    if model.functions:
        raise UsageError(f"{path} has functions of its own; inline them first (onnx.inliner.inline_local_functions)")
    return model
