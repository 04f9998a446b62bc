"""Plans, liveness and allocators, shared by the families."""

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

__all__ = ["Buffer", "Fits", "NotChecked", "Placement", "Plan", "Pool", "Refusal", "Runtime", "Step", "Verdict"]
