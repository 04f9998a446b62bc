"""Asking the rules: every rule at every node, model or document it looks at, and findings made of what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .errors import LintmodelError
from .findings import Finding, Found, Location
from .ir import Document, Graph, Node, Operator, View, view_as
from .planning import Plan
from .registry import Model, Rule
from .target import Target

RuleOptions = Mapping[str, Mapping[str, Any]]
"""Options of rules by their codes."""

Occurrence = tuple[Rule, str | None, Found]
"""What a rule found, and the name of the node it was called for."""


def run_rules(
    rules: Sequence[Rule], graph: Graph, plan: Plan, target: Target, options: RuleOptions
) -> tuple[list[Occurrence], list[Node]]:
    """What the rules find, and the nodes of which a rule could not be asked because a size is open."""
    occurrences: list[Occurrence] = []
    skipped: list[Node] = []
    for rule in rules:
        if rule.on is Model:
            occurrences += called(rule, Model(graph), None, plan, target, options)
    for node, asked in _asked(rules, graph):
        views: dict[type[View], tuple[View, bool]] = {}
        for kind, rule in asked:
            if kind not in views:
                view = kind(graph, node)
                views[kind] = view, kind is Operator or view.fixed
            view, answerable = views[kind]
            if answerable:
                occurrences += called(rule, view, node.name, plan, target, options)
            elif not skipped or skipped[-1] is not node:
                skipped.append(node)
    return occurrences, skipped


def _asked(rules: Sequence[Rule], graph: Graph) -> Iterator[tuple[Node, list[tuple[type[View], Rule]]]]:
    """Every node with the rules that look at its operator. The choice is made once per operator, not per node."""
    by_op: dict[str, list[tuple[type[View], Rule]]] = {}
    for node in graph.nodes:
        if node.op not in by_op:
            kinds = [(rule.on, rule) for rule in rules if issubclass(rule.on, View)]
            by_op[node.op] = [(kind, rule) for kind, rule in kinds if view_as(kind, graph, node) is not None]
        yield node, by_op[node.op]


def called(
    rule: Rule, subject: Any, node: str | None, plan: Plan, target: Target, options: RuleOptions
) -> list[Occurrence]:
    try:
        return [(rule, node, found) for found in rule(subject, plan, target, **options.get(rule.code, {}))]
    except LintmodelError:
        raise
    except Exception as error:
        raise bug(f"rule {rule.code} {rule.name}" + (f" at node '{node}'" if node else ""), error) from error


def findings_of(
    occurrences: Sequence[Occurrence], graph: Graph, target: Target, document: Document | None = None
) -> tuple[Finding, ...]:
    """In the order of the nodes, what concerns the whole model first."""
    from .fix.possible import possible

    nodes: dict[str, Node] = {}
    for _, node in graph.walk():
        nodes.setdefault(node.name, node)
    position = {name: k for k, name in enumerate(nodes)}
    for composite in graph.composites:
        nodes.setdefault(composite.name, nodes[composite.members[-1]])
        position.setdefault(composite.name, position[composite.members[-1]])
    seen: dict[tuple[str, str | None], int] = {}
    findings = []
    for rule, called_for, found in occurrences:
        name = found.node or called_for
        at = nodes.get(name) if name else None
        count = seen[rule.code, name] = seen.get((rule.code, name), -1) + 1
        about = [at] if at is not None else [nodes[each] for each in found.nodes if each in nodes]
        location, *related = _places(graph, about)
        findings.append(
            Finding(
                rule=rule.code,
                name=rule.name,
                level=found.level or rule.level,
                message=found.message,
                node=name,
                location=_location_in(document, found.key) if document else location,
                vendor_message=found.vendor_message,
                fix=possible(found.fix, graph.format) if found.fix and not document else found.fix,
                fingerprint=_fingerprint(rule.code, target.name, name or "", at.op if at else "", str(count)),
                details=found.details,
                related=tuple(related),
            )
        )
    return tuple(sorted(findings, key=lambda f: (position.get(f.node or "", -1), f.rule)))


def _places(graph: Graph, about: Sequence[Node]) -> list[Location]:
    """The lines in the user's own text where the front end knows them: those of the nodes, then of their calls. Else
    the line of the whole model, else its file."""
    own = [node.source for node in about if node.source.line is not None]
    found = [Location(source.file or graph.path, source.line, source.column) for source in own]
    found += [Location(call.file, call.line) for source in own for call in source.calls]
    if not found and graph.source.line is not None:
        found = [Location(graph.source.file, graph.source.line)]
    return list(dict.fromkeys(found)) or [Location(graph.path)]


def _location_in(document: Document, key: str | None) -> Location:
    """The value in the document's text, else the file."""
    return Location(document.path, *document.positions.get(key or "", (None, None)))


def _fingerprint(*parts: str) -> str:
    """Stays the same while lines and the order of nodes change, so that baselines survive an export."""
    from hashlib import sha1

    return sha1("\0".join(parts).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:16]


def bug(doing: str, error: Exception) -> LintmodelError:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return LintmodelError(f"{doing} failed ({what}); this is a bug in lintmodel, please report it")
