"""The Python interface: ``check`` takes a model and a target and gives a :class:`Report`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from .asking import Occurrence, RuleOptions, bug, called, findings_of, run_rules
from .comments import without_commented
from .errors import LintmodelError, UnreadableModel, UsageError, a
from .findings import Finding, Fix, Found
from .ir import Document, Graph, Node
from .node_report import NodeReport, node_reports
from .planning import NotChecked, Placement, Plan
from .registry import Rule, layer_libraries, pack_for, pack_for_document, recognised, rules_for
from .target import Target, load_target

if TYPE_CHECKING:
    from .suppression import Suppressed


@dataclass(frozen=True)
class Report:
    """Everything lintmodel has to say about one model or document on one target. Of a document the graph is empty."""

    model: str
    graph: Graph
    target: Target
    plan: Plan
    nodes: tuple[NodeReport, ...]
    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...] = ()
    document: Document | None = None
    suppressed: tuple[Suppressed, ...] = ()
    """Findings that configuration, a comment or a baseline silenced; none of them is in ``findings``."""

    @property
    def verdict(self) -> str:
        return self.plan.verdict

    @property
    def runtime(self) -> str:
        return self.plan.runtime

    @property
    def fits(self) -> str:
        return self.plan.fits

    @property
    def counts(self) -> dict[str, int]:
        """Number of listed nodes by placement, every placement present."""
        found = {p.value: 0 for p in Placement}
        for node in self.nodes:
            found[node.placement.value] += 1
        return found

    def to_dict(self) -> dict[str, Any]:
        """The report as one of the objects in ``lintmodel-report/1``."""
        from .report.json import report_dict

        return report_dict(self)


def check(
    model: Any,
    target: str,
    *,
    toolchain: str | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    checkpoint: Any = None,
    quantized: bool | None = None,
    options: Mapping[str, Any] | None = None,
    example_inputs: Sequence[Any] | None = None,
) -> Report:
    """What a target's toolchain and chip will do to a model.

    ``model`` is a path, an ``onnx.ModelProto``, a ``torch.export.ExportedProgram``, or a ``torch.nn.Module`` (or the
    words ``package.module:callable``) with ``example_inputs``: tensors, or their shapes, with which it is traced.
    ``checkpoint`` is the path of the weights of a model that has none of its own.
    ``target`` is a name, an alias, or the path of a YAML sheet, with ``@version`` of the toolchain if wanted;
    ``toolchain`` chooses the version too, and left out it is the sheet's default. ``input_shapes`` maps input names to
    full shapes, batch included. ``quantized`` None means what the target runs by default. ``options`` are the
    target's own.

    Raises UnreadableModel, UnknownTarget, InvalidTarget or UsageError, all of them LintmodelError.
    """
    chosen = load_target(target, toolchain)
    if quantized is not None:
        if not chosen.quantized_option:
            raise UsageError(f"target {chosen.name} leaves no choice whether a model runs quantised")
        options = {chosen.quantized_option: quantized, **(options or {})}
    chosen = chosen.with_options(options or {})
    return check_graph(read_model(model, input_shapes, checkpoint, example_inputs), chosen)


def read_model(
    model: Any,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    checkpoint: Any = None,
    example_inputs: Sequence[Any] | None = None,
) -> Graph | Document:
    """A model, read and normalised, or a document. ``input_shapes`` under the name ``""`` is that of the only input;
    ``checkpoint`` is a file of weights, for formats that have none of their own; ``example_inputs`` are what a
    PyTorch module is traced with."""
    with _bugs_named(f"reading {_name(model)}"):
        shapes = dict(input_shapes or {})
        only = shapes.pop("", None)
        traced = _traced(model, example_inputs, [only] if only else None)
        found = traced or _read(model, shapes, checkpoint)
        if only is not None and traced is None:
            found = _read(model, {**shapes, _only_input(found, only): only}, checkpoint)
        if isinstance(found, Document):
            return _recognised(found)

        from .normalize import normalize
        from .source_lines import with_source_lines

        return with_source_lines(normalize(found), layer_libraries)


def read_configuration(path: str, target: Target) -> Document:
    """A file that the user says is a configuration of the target's toolchain, whatever is in it. Raises UsageError
    where that toolchain has none, and for a network."""
    pack: Any = pack_for(target.family)
    kind = getattr(pack, "CONFIGURATION", None)
    if kind is None:
        raise UsageError(f"target {target.name} has no configuration files of {target.toolchain_name}")
    with _bugs_named(f"reading {path}"):
        found = _read(path, {}, None)
    if not isinstance(found, Document) or (found.kind != found.syntax and found.kind != kind):
        raise UsageError(f"{path}: is no configuration of {target.toolchain_name}; give it as a model")
    return replace(found, kind=kind)


def configured(target: Target, document: Document) -> Target:
    """The target with the options that a configuration decides."""
    pack: Any = pack_for(target.family)
    return target.with_options(pack.configured_options(document, target))


def check_graph(
    graph: Graph | Document,
    target: Target,
    *,
    select: Callable[[Rule], bool] | None = None,
    rule_options: RuleOptions | None = None,
) -> Report:
    """The report on a graph already read and normalised, or on a document. ``select`` chooses the rules that may
    find something; the plan and with it the verdict do not depend on it. ``rule_options`` are by code, then name."""
    options = rule_options or {}
    if isinstance(graph, Document):
        return check_document(graph, target, select=select, rule_options=options)
    name = graph.path or graph.name
    with _bugs_named(f"planning {name} for {target.name}"):
        plan = pack_for(target.family).plan(graph, target)
    rules = [rule for rule in rules_for(target.family) if select is None or select(rule)]
    found, skipped = run_rules(rules, graph, plan, target, options)
    findings = findings_of(found, graph, target)
    told, silenced = without_commented(findings)
    return Report(
        model=name,
        graph=graph,
        target=target,
        plan=plan,
        nodes=tuple(node_reports(graph, plan, findings)),
        findings=told,
        not_checked=(*plan.not_checked, *_not_checked(graph, skipped)),
        suppressed=silenced,
    )


def check_document(
    document: Document,
    target: Target,
    *,
    select: Callable[[Rule], bool] | None = None,
    rule_options: RuleOptions | None = None,
) -> Report:
    """The report on a document. Raises UnreadableModel when the target's pack does not know documents of its kind."""
    pack = pack_for_document(document, target.family)
    if pack is None:
        why = f"is {a(document.kind)}, which is not made for target {target.name}; give the .onnx or .tflite model"
        raise UnreadableModel(document.path, why)
    with _bugs_named(f"checking {document.path} for {target.name}"):
        plan = pack.check_document(document, target)
    chosen = [r for r in rules_for(target.family) if r.on is Document and (select is None or select(r))]
    options = rule_options or {}
    found = [occurrence for rule in chosen for occurrence in called(rule, document, None, plan, target, options)]
    with _bugs_named(f"looking for fixes of {document.path}"):
        found = _with_repairs(found, document, plan, target)
    graph = Graph(
        PurePath(document.path).name, document.kind, inputs=(), outputs=(), nodes=(), tensors={}, path=document.path
    )
    told, silenced = without_commented(findings_of(found, graph, target, document))
    return Report(
        model=document.path,
        graph=graph,
        target=target,
        plan=plan,
        nodes=(),
        findings=told,
        not_checked=plan.not_checked,
        document=document,
        suppressed=silenced,
    )


def _with_repairs(
    occurrences: Sequence[Occurrence], document: Document, plan: Plan, target: Target
) -> list[Occurrence]:
    """What was found, with the repair that mends it: that of the same rule for the same value, or else in the same part
    of the document. A name that the rule gives the fix stays."""
    from .fixing import offers

    repairs: dict[tuple[str, str], Fix] = {}
    for repair in offers(document, plan, target) if occurrences else ():
        for key in (repair.key, _part(repair.key)):
            repairs.setdefault((repair.rule, key), repair.fix)

    def mended(rule: Rule, found: Found) -> Found:
        fix = repairs.get((rule.code, found.key or "")) or repairs.get((rule.code, _part(found.key)))
        if fix is not None and found.fix is not None and found.fix.safety != "display":
            fix = replace(fix, id=found.fix.id, text=found.fix.text or fix.text)
        return found if fix is None else replace(found, fix=fix)

    return [(rule, name, mended(rule, found)) for rule, name, found in occurrences]


def _part(key: str | None) -> str:
    """``layers.3`` of ``layers.3.pad``."""
    return ".".join((key or "").split(".")[:2])


# ---- reading


def _traced(model: Any, example_inputs: Sequence[Any] | None, shapes: Sequence[Any] | None) -> Graph | None:
    """The graph of a PyTorch module, None of anything else. ``shapes`` serve where there are no example inputs."""
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(model).__mro__}
    if (isinstance(model, str) and ":" in model) or any(kind.startswith("torch.") for kind in kinds):
        from .frontends.torch_module import names_module, read_module, read_program, trace_module

        if isinstance(model, str) and names_module(model):
            return read_module(model, shapes if example_inputs is None else example_inputs)
        if "torch.nn.modules.module.Module" in kinds:
            return trace_module(model, shapes if example_inputs is None else example_inputs)
        if "torch.export.exported_program.ExportedProgram" in kinds:
            return read_program(model)
    if example_inputs is not None:
        raise UsageError(f"{_name(model)}: example inputs are for PyTorch modules; this is read as it is")
    return None


def _read(model: Any, input_shapes: Mapping[str, Sequence[int]], checkpoint: Any) -> Graph | Document:
    if isinstance(model, str | os.PathLike):
        from .frontends import read

        return read(os.fspath(model), input_shapes, checkpoint)
    if type(model).__name__ == "ModelProto":
        from .frontends.onnx import read_onnx

        if checkpoint is not None:
            raise UsageError("checkpoint: an ONNX model has its weights with it; a checkpoint goes with an ai8x YAML")
        return read_onnx(model, input_shapes)
    raise UsageError(
        f"a model is a path, an onnx.ModelProto or a torch.nn.Module, "
        f"not {type(model).__module__}.{type(model).__qualname__}"
    )


def _recognised(found: Document) -> Document:
    """A document that a pack knows the kind of; those with a front end of their own have it already."""
    if found.kind != found.syntax:
        return found
    known = recognised(found)
    if known is None:
        what = f"is a {found.syntax.upper()} document that no rule pack knows; give the .onnx or .tflite model"
        raise UnreadableModel(found.path, what)
    return known


def _only_input(found: Graph | Document, shape: Sequence[int]) -> str:
    inputs = found.inputs if isinstance(found, Graph) else ("",)
    if len(inputs) != 1:
        raise UsageError(f"which input has the shape {'x'.join(map(str, shape))}? The model has {', '.join(inputs)}")
    return inputs[0]


def _name(model: Any) -> str:
    return os.fspath(model) if isinstance(model, str | os.PathLike) else f"the {type(model).__name__}"


@contextmanager
def _bugs_named(doing: str) -> Iterator[None]:
    """Nothing but LintmodelError escapes: anything else is a bug of ours, and the sentence says in what."""
    try:
        yield
    except LintmodelError:
        raise
    except Exception as error:
        raise bug(doing, error) from error


# ---- what could not be checked


def _not_checked(graph: Graph, skipped: Sequence[Node]) -> Iterator[NotChecked]:
    """One entry per cause, in the order the causes were met."""
    causes: dict[str, list[str]] = {}
    for node in skipped:
        causes.setdefault(_cause(graph, node), []).append(node.name)
    for why, names in causes.items():
        yield NotChecked("checks of shapes and limits", why, tuple(names))


def _cause(graph: Graph, node: Node) -> str:
    """Why sizes at this node are open: the dimensions the inputs leave open, from which all others follow."""
    tensors = [graph.tensor(name) for name in (*node.inputs, *node.outputs) if name]
    here = {d for tensor in tensors for d in tensor.shape or () if isinstance(d, str)}
    open_inputs = [graph.tensor(name) for name in graph.inputs if not graph.tensor(name).known]
    named = {d: t.name for t in reversed(open_inputs) for d in t.shape or () if isinstance(d, str) and d != "?"}
    direct = [d for d in named if d in here]
    if direct or named:
        symbols = sorted(direct or named)
        s, are = ("s", "are") if len(symbols) > 1 else ("", "is")
        inputs = sorted({named[symbol] for symbol in symbols})
        return f"dimension{s} {_quoted(symbols)} of input{'s' * (len(inputs) > 1)} {_quoted(inputs)} {are} symbolic"
    if open_inputs:
        return f"the shape of {_quoted([t.name for t in open_inputs])} is not fixed in the file"
    return "the file does not state these shapes and they do not follow from the inputs"


def _quoted(words: Sequence[str], most: int = 5) -> str:
    listed = ", ".join(f"'{word}'" for word in words[:most])
    return f"{listed} and {len(words) - most} more" if len(words) > most else listed
