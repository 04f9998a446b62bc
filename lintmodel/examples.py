"""A rule's examples: run, and as source text (``conv(8, 16, kernel=5, size=32)``) as it stands beside the rule."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Report
    from .registry import Example, Rule
    from .target import Target


def example_source(example: Callable[..., Any]) -> str:
    """What an example does to the graph builder, without the builder's own name. Empty when the source is not there."""
    code = example.__code__
    for node in _functions(code.co_filename):
        # The line of a decorated function is its decorator's.
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        names = tuple(argument.arg for argument in node.args.args)
        if first == code.co_firstlineno and names == code.co_varnames[: code.co_argcount]:
            return _text(node, names[0] if names else "")
    return ""


def example_report(rule: Rule, example: Example, target: Target) -> Report:
    """What is said of an example, gone through as a user's model or document would be: built, normalised, checked."""
    from .api import check_graph
    from .ir import Document, GraphBuilder
    from .normalize import normalize

    if rule.on is Document:
        return check_graph(example(), target)
    return check_graph(normalize(example(GraphBuilder(rule.layout)).graph()), target)


Function = ast.Lambda | ast.FunctionDef


def _text(node: Function, builder: str) -> str:
    if isinstance(node, ast.Lambda):
        return ast.unparse(node.body).removeprefix(f"{builder}.")
    body = [part for part in node.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
    if len(body) == 1 and isinstance(body[0], ast.Return) and body[0].value is not None:
        return ast.unparse(body[0].value).removeprefix(f"{builder}.")
    return "\n".join(ast.unparse(part) for part in body)


@cache
def _functions(path: str) -> tuple[Function, ...]:
    """All functions of a file, outer ones before those inside them."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.Lambda | ast.FunctionDef))
