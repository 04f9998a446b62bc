"""Which fixes a file of some format can have."""

from __future__ import annotations

from dataclasses import replace

from ..findings import Fix


def possible(fix: Fix, format: str) -> Fix:
    """The fix, as advice only where files of this format cannot be edited so."""
    if fix.safety == "display" or format == "onnx":
        return fix
    if format == "tflite":
        from .tflite_edit import REWRITES

        there = fix.id in {each.id for each in REWRITES}
    else:
        from .source_edit import SWAPS

        there = fix.id in SWAPS
    return fix if there else replace(fix, safety="display")
