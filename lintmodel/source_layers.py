"""Where in Python source a layer of a PyTorch module is made, found by reading and never by importing.

``stem.2`` of class ``Net`` is the third argument of ``self.stem = nn.Sequential(...)``. The path is followed through
containers, lists that are filled step by step, helper functions and methods; what cannot be followed ends at the last
line that is certain.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .source_files import Definition, Sources

_CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict", "OrderedDict", "list", "tuple", "dict"})
_DEEPEST = 4
"""Names, functions and defaults that are followed one after the other."""
_WIDEST = 30
"""Of these, how many are followed at a time."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Made:
    """An expression that makes a layer, in the function and the class it stands in."""

    expression: ast.expr
    within: Definition
    function: Function | None = None

    @property
    def line(self) -> int:
        return self.expression.lineno

    @property
    def column(self) -> int:
        """In characters, from 1; Python counts bytes."""
        text = self.within.file.lines[self.line - 1].encode()
        return len(text[: self.expression.col_offset].decode(errors="replace")) + 1


@dataclass(frozen=True, slots=True)
class _Item:
    """An element of a container. ``counted`` is False when it stands for several (a loop, a star)."""

    made: Made
    key: str | None = None
    counted: bool = True


def layer_made(owner: Definition, path: Sequence[str], kind: str, sources: Sources) -> Made | None:
    """The expression that makes the layer at ``path`` below an object of class ``owner``; ``kind`` is the layer's
    class by its last name, which decides between several. None when the source does not say."""
    if not path:
        return None
    found = _attribute(owner, path[0], kind, sources)
    rest = path[1:]
    if found is None and path[0].isdigit():  # the class is itself a Sequential
        found = _chosen(list(_given_to_super(owner, sources)), path[0], kind)
    while found is not None and rest:
        inner = _chosen(_all_items(found, sources), rest[0], kind)
        if inner is None:
            return found
        found, rest = inner, rest[1:]
    return found


def named(made: Made, kind: str, sources: Sources, deepest: int = _DEEPEST) -> Made | None:
    """The place that says ``kind``, in the expression or in what it refers to: a local name, a default, an attribute
    of the class, a helper function."""
    seen: set[int] = set()
    wanted = [made]
    for _ in range(deepest + 1):
        beyond: list[Made] = []
        for each in wanted:
            seen.add(id(each.expression))
            for node in _expressions(each.expression, sources):
                if _last_name(node) == kind:
                    return Made(node, each.within, each.function)
            beyond += [reference for reference in _references(each, sources) if id(reference.expression) not in seen]
        wanted = beyond[:_WIDEST]
    return None


def _expressions(expression: ast.expr, sources: Sources) -> list[ast.expr]:
    def all_inside() -> list[ast.expr]:
        return [node for node in ast.walk(expression) if isinstance(node, ast.expr)]

    return sources.once("expressions", expression, all_inside)


# ---- attributes of a class


def _attribute(owner: Definition, name: str, kind: str, sources: Sources) -> Made | None:
    found = [made for definition in sources.bases(owner) for made in _assigned(definition, name, sources)]
    return next((made for made in found if kind and named(made, kind, sources, 0)), found[0] if found else None)


def _assigned(owner: Definition, name: str, sources: Sources) -> list[Made]:
    """What the class' methods, ``__init__`` first, and its body assign to an attribute."""
    by_name = sources.once("assigned", owner.node, lambda: _all_assigned(owner, sources))
    return by_name.get(name, [])


def _all_assigned(owner: Definition, sources: Sources) -> dict[str, list[Made]]:
    found: dict[str, list[Made]] = {}
    for function in _methods(owner):
        for node in _in_order(function, sources):
            for target, value in _assignments(node):
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                    found.setdefault(target.attr, []).append(Made(value, owner, function))
            if isinstance(node, ast.Call) and _last_name(node.func) in ("add_module", "register_module"):
                match node.args:
                    case [ast.Constant(value=str(given)), value]:
                        found.setdefault(given, []).append(Made(value, owner, function))
    for statement in owner.node.body:
        for target, value in _assignments(statement):
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(Made(value, owner))
    return found


def _methods(owner: Definition) -> list[Function]:
    found = [node for node in owner.node.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return sorted(found, key=lambda function: function.name != "__init__")


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Targets with their values, those of tuples one by one."""
    if isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple | ast.List):
                values = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else None
                for index, part in enumerate(target.elts):
                    yield part, values[index] if values and len(values) == len(target.elts) else node.value
            else:
                yield target, node.value


def _given_to_super(owner: Definition, sources: Sources) -> Iterator[_Item]:
    """Elements that a subclass of Sequential hands to ``super().__init__``."""
    for definition in sources.bases(owner):
        for function in _methods(definition):
            for node in _in_order(function, sources):
                match node:
                    case ast.Call(func=ast.Attribute(attr="__init__", value=ast.Call(func=ast.Name(id="super")))):
                        yield from _arguments(node, Made(node, definition, function), sources)


# ---- elements of a container


def _chosen(items: Sequence[_Item], key: str, kind: str) -> Made | None:
    """The element of that name or number; of elements that cannot be counted, the first that says the class."""
    for item in items:
        if item.key == key:
            return item.made
    unnamed = [item for item in items if item.key is None]
    index = int(key) if key.isdigit() else len(unnamed)
    if index < len(unnamed) and all(item.counted for item in unnamed[: index + 1]):
        return unnamed[index].made
    says = [i.made for i in unnamed if any(_last_name(n) == kind for n in ast.walk(i.made.expression))]
    if says:
        return says[0]
    uncounted = [item.made for item in unnamed if not item.counted]
    return uncounted[0] if len(uncounted) == 1 else None


def _all_items(made: Made, sources: Sources) -> list[_Item]:
    return sources.once("items", made.expression, lambda: list(_items(made, sources)))


def _items(made: Made, sources: Sources, deepest: int = _DEEPEST) -> Iterator[_Item]:
    """Elements of the container that an expression makes, in order."""
    expression = made.expression
    if deepest <= 0:
        return
    match expression:
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            yield from _elements(elements, made, sources, deepest)
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant):
                    yield _Item(Made(value, made.within, made.function), str(key.value))
        case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
            yield _Item(Made(element, made.within, made.function), counted=False)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            for side in (left, right):
                yield from _items(Made(side, made.within, made.function), sources, deepest - 1)
        case ast.BinOp(left=inner, op=ast.Mult()):
            for item in _items(Made(inner, made.within, made.function), sources, deepest - 1):
                yield _Item(item.made, counted=False)
        case ast.Call() if _last_name(expression.func) in _CONTAINERS:
            yield from _arguments(expression, made, sources, deepest)
        case ast.Name():
            yield from _filled(expression.id, made, sources, deepest)
        case ast.IfExp(body=body, orelse=other):
            for side in (body, other):
                yield from _items(Made(side, made.within, made.function), sources, deepest - 1)
        case ast.Call() | ast.Attribute():
            for reference in _references(made, sources):
                yield from _items(reference, sources, deepest - 1)


def _arguments(call: ast.Call, made: Made, sources: Sources, deepest: int = _DEEPEST) -> Iterator[_Item]:
    """What ``Sequential(a, b)``, ``Sequential(*layers)``, ``ModuleList([a, b])`` or ``Sequential(OrderedDict(...))``
    are made of."""
    match call.args:
        case [ast.List() | ast.Tuple() as pairs] if pairs.elts and all(map(_is_pair, pairs.elts)):
            for pair in pairs.elts:
                assert isinstance(pair, ast.Tuple) and isinstance(pair.elts[0], ast.Constant)
                yield _Item(Made(pair.elts[1], made.within, made.function), str(pair.elts[0].value))
        case [ast.List() | ast.ListComp() | ast.GeneratorExp() | ast.Dict() | ast.Name() | ast.BinOp() as only]:
            yield from _items(Made(only, made.within, made.function), sources, deepest - 1)
        case [ast.Call() as only] if _last_name(only.func) in _CONTAINERS:
            yield from _items(Made(only, made.within, made.function), sources, deepest - 1)
        case arguments:
            yield from _elements(arguments, made, sources, deepest)


def _is_pair(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[0], ast.Constant)


def _elements(elements: Sequence[ast.expr], made: Made, sources: Sources, deepest: int) -> Iterator[_Item]:
    for element in elements:
        if isinstance(element, ast.Starred):
            yield from _items(Made(element.value, made.within, made.function), sources, deepest - 1)
        else:
            yield _Item(Made(element, made.within, made.function))


def _filled(name: str, made: Made, sources: Sources, deepest: int) -> Iterator[_Item]:
    """Elements of a local list: those it begins with and those added, each in its place."""
    if made.function is None:
        return
    function = made.function
    looped = sources.once("looped", function, lambda: _looped(function))
    for node in _in_order(function, sources):
        if getattr(node, "lineno", 0) > made.line:
            break
        values: list[tuple[ast.expr, Callable[[Made], Iterator[_Item]]]] = []
        for target, value in _assignments(node):
            if isinstance(target, ast.Name) and target.id == name and value is not made.expression:
                values.append((value, lambda inner: _items(inner, sources, deepest - 1)))
        match node:
            case ast.AugAssign(target=ast.Name(id=given), value=value) if given == name:
                values.append((value, lambda inner: _items(inner, sources, deepest - 1)))
            case ast.Call(func=ast.Attribute(value=ast.Name(id=given), attr="extend"), args=[value]) if given == name:
                values.append((value, lambda inner: _items(inner, sources, deepest - 1)))
            case ast.Call(func=ast.Attribute(value=ast.Name(id=given), attr="append"), args=[value]) if given == name:
                values.append((value, lambda inner: iter((_Item(inner),))))
            case ast.Call(func=ast.Attribute(value=ast.Name(id=given), attr="add_module"), args=[key, value]) if (
                given == name and isinstance(key, ast.Constant)
            ):
                yield _Item(Made(value, made.within, made.function), str(key.value))
        for value, items in values:
            for item in items(Made(value, made.within, made.function)):
                yield _Item(item.made, item.key, item.counted and id(node) not in looped)


def _looped(function: Function) -> frozenset[int]:
    """What may run more than once or not at all, by id."""
    repeating = [node for node in ast.walk(function) if isinstance(node, ast.For | ast.While | ast.If)]
    return frozenset(id(inner) for node in repeating for inner in ast.walk(node))


# ---- what an expression refers to


def _references(made: Made, sources: Sources) -> Iterator[Made]:
    """Expressions behind its names: local variables, defaults of parameters, attributes, results of functions."""
    for node in _expressions(made.expression, sources):
        match node:
            case ast.Call(func=ast.Name(id=name)):
                yield from _returned(sources.function(made.within, name), made.within, sources)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                for definition in sources.bases(made.within):
                    method = next((m for m in _methods(definition) if m.name == name), None)
                    yield from _returned(method, definition, sources)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                for definition in sources.bases(made.within):
                    yield from (m for m in _assigned(definition, name, sources) if m.expression is not made.expression)
            case ast.Name(id=name) if made.function is not None:
                yield from _local(name, made, made.function, sources)


def _local(name: str, made: Made, function: Function, sources: Sources) -> Iterator[Made]:
    by_name = sources.once("names", function, lambda: _all_local(function, sources))
    for value in by_name.get(name, ()):
        if value is not made.expression:
            yield Made(value, made.within, function)


def _all_local(function: Function, sources: Sources) -> dict[str, list[ast.expr]]:
    """Values of local variables and defaults of parameters, by name."""
    found: dict[str, list[ast.expr]] = {}
    for node in _in_order(function, sources):
        for target, value in _assignments(node):
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(value)
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = list(zip(positional[::-1], arguments.defaults[::-1], strict=False))
    defaults += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
    for argument, default in defaults:
        found.setdefault(argument.arg, []).append(default)
    return found


def _returned(function: Function | None, within: Definition, sources: Sources) -> Iterator[Made]:
    if function is not None:
        for node in _in_order(function, sources):
            if isinstance(node, ast.Return) and node.value is not None:
                yield Made(node.value, within, function)


def _last_name(node: ast.AST) -> str:
    """``SiLU`` of ``nn.SiLU``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _in_order(function: Function, sources: Sources) -> list[ast.AST]:
    """Every node of the body in the order of the text."""

    def ordered() -> list[ast.AST]:
        nodes = [node for statement in function.body for node in ast.walk(statement) if hasattr(node, "lineno")]
        return sorted(nodes, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))

    return sources.once("order", function, ordered)
