"""Plans, liveness and allocators, shared by the families."""

from .liveness import Liveness, liveness
from .plan import (
    Buffer,
    Fits,
    NotChecked,
    Placement,
    Plan,
    Pool,
    Refusal,
    Runtime,
    Step,
    Verdict,
)

__all__ = [
    "Buffer",
    "Fits",
    "Liveness",
    "NotChecked",
    "Placement",
    "Plan",
    "Pool",
    "Refusal",
    "Runtime",
    "Step",
    "Verdict",
    "liveness",
]
