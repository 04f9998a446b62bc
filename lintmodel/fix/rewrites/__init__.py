"""Every rewrite there is, one module each. A rule offers one by its id (``Fix("fold-batch-norm", "safe")``)."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..change import Rewrite


@cache
def all_rewrites() -> dict[str, Rewrite]:
    """By id, in the order of the ids."""
    modules = [import_module(f".{each.name}", __name__) for each in iter_modules(__path__)]
    found = [each for module in modules for each in vars(module).values() if isinstance(each, Rewrite)]
    return {each.id: each for each in sorted(found, key=lambda each: each.id)}
