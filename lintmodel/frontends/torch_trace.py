"""What an exporter of PyTorch noted of where an operator came from: calls in Python, and modules.

An exported program (``.pt2``) has both in every node's metadata, an ONNX file written with ``dynamo=True`` in its
nodes' ``metadata_props``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from ..ir import Frame, Scope

_FRAME = re.compile(r'^ *File "([^"\n]+)", line ([1-9]\d{0,8}), in ([^\n]*)(?:\n(?! *File ")([^\n]*))?', re.MULTILINE)
_ROOT = re.compile(r"^L(?:\['self'\]|__self__)\.?")
_GETATTR = re.compile(r"getattr\(([^,]*), *['\"]([^'\"]*)['\"]\)")
_REPEATED = re.compile(r"@\d+(?=\.|$)")


def frames_of(stack_trace: str) -> tuple[Frame, ...]:
    """The calls of a ``stack_trace``, outermost first."""
    return tuple(
        Frame(file, int(line), function.strip(), (code or "").strip())
        for file, line, function, code in _FRAME.findall(stack_trace)
    )


def scopes_of(nn_module_stack: str) -> tuple[Scope, ...]:
    """The modules of an exported program's ``nn_module_stack``: ``key,path,class;key,path,class``."""
    found = []
    for entry in nn_module_stack.split(";"):
        _, _, rest = entry.partition(",")
        path, comma, kind = rest.rpartition(",")
        if comma:
            found.append(Scope(_plain_path(path), kind.strip()))
    return tuple(found)


def onnx_source(node: Any) -> tuple[tuple[Frame, ...], tuple[Scope, ...]]:
    """Calls and modules from the ``metadata_props`` of a node of ONNX; nothing when it has none of them."""
    properties = {p.key: p.value for p in node.metadata_props}
    frames = frames_of(properties.get("pkg.torch.onnx.stack_trace", ""))
    paths = _words(properties.get("pkg.torch.onnx.name_scopes", ""))
    kinds = _words(properties.get("pkg.torch.onnx.class_hierarchy", ""))
    # The last entry of both is the operator itself.
    scopes = [Scope(_plain_path(path), kind) for path, kind in zip(paths[:-1], kinds[:-1], strict=False)]
    return frames, _of_the_weights(scopes, node)


def _of_the_weights(scopes: Sequence[Scope], node: Any) -> tuple[Scope, ...]:
    """The exporter folds a normalisation into the layer before it and notes the normalisation; whose weights they
    are says which layer it was."""
    if scopes and node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul") and len(node.input) > 1:
        owner, dot, last = node.input[1].rpartition(".")
        here = scopes[-1].path
        beside = owner.rpartition(".")[0] == here.rpartition(".")[0]
        if dot and last == "weight" and beside and owner != here and "BatchNorm" in scopes[-1].kind:
            return (*scopes[:-1], Scope(owner))
    return tuple(scopes)


def _plain_path(path: str) -> str:
    """``stem.0`` of ``L__self__.stem.0``, of ``getattr(L['self'].stem, '0')`` and, called again, of ``stem.0@1``."""
    path = _ROOT.sub("", path.strip())
    while _GETATTR.search(path):
        path = _GETATTR.sub(lambda m: f"{_ROOT.sub('', m[1])}.{m[2]}".lstrip("."), path)
    return _REPEATED.sub("", _ROOT.sub("", path))


def _words(text: str) -> list[str]:
    """The strings of a list that ``repr`` wrote; none of anything else."""
    try:
        found = ast.literal_eval(text) if text else []
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []
