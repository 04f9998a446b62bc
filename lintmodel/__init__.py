"""lintmodel: what a chip's compiler will do to a neural network, without the compiler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api import Report, check
    from .errors import LintmodelError, UnreadableModel

__all__ = ["LintmodelError", "Report", "UnreadableModel", "__version__", "check"]


def __getattr__(name: str) -> Any:
    """Loads the interface when it is first used: ``lintmodel --version`` needs none of it."""
    if name in ("Report", "check"):
        from . import api

        return getattr(api, name)
    if name in ("LintmodelError", "UnreadableModel"):
        from . import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'lintmodel' has no attribute '{name}'")
