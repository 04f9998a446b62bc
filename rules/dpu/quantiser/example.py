"""Configurations in one line, for the examples that stand next to rules and for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lintmodel.ir import Document

from .document import KIND
from .words import LAYER, OVERALL, TENSOR, TENSORS


def configured(
    overall: Mapping[str, Any] | None = None, *, layer: Sequence[str] | None = None, **given: Any
) -> Document:
    """A configuration for the DPU that the quantiser takes, with the parameters of ``overall`` for all tensors. A
    tensor's name gives its own parameters, ``layer`` the tensors of an entry for convolutions, any other word a key
    of the file; a key that is None is left out."""
    own = {tensor: given.pop(tensor) for tensor in TENSORS if tensor in given}
    values: dict[str, Any] = {"target_device": "DPU", OVERALL: dict(overall or {})}
    if own:
        values[TENSOR] = own
    if layer is not None:
        values[LAYER] = [{"layer_type": "torch.nn.Conv2d", "quantizable_data_type": list(layer)}]
    values |= given
    return Document("quant.json", KIND, {key: value for key, value in values.items() if value is not None})
