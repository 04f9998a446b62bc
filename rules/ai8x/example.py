"""Descriptions in one line, for the examples that stand next to rules and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lintmodel.ir import Checkpoint, Document, StoredTensor

_DEFAULTS = {"op": "conv2d", "kernel_size": "3x3", "pad": 1, "activate": "ReLU"}


def described(
    *layers: Mapping[str, Any],
    shape: tuple[int, int, int] | None = (4, 8, 8),
    weights: Mapping[str, Any] | None = None,
    entries: Mapping[str, Any] | None = None,
    **top: Any,
) -> Document:
    """A description of 3x3 convolutions from 4 to 4 channels that izer takes. A layer says what differs from one; a
    value of None takes the default away. ``weights`` are shapes (or stored tensors) by name; left out, every layer
    with weights has its own. ``weights={}`` and ``entries`` make the checkpoint what they say."""
    written = [_layer(index, layer) for index, layer in enumerate(layers or ({},))]
    values = {"arch": "example", "dataset": "example", "layers": written, **top}
    values = {key: value for key, value in values.items() if value is not None}
    shapes = _shapes(written) if weights is None else weights
    stored = {name: s if isinstance(s, StoredTensor) else StoredTensor(s, zero=False) for name, s in shapes.items()}
    own = {"arch": "example", "epoch": 0} if entries is None else entries
    return Document("example.yaml", "ai8x", values, input_shape=shape, checkpoint=Checkpoint("q.pth.tar", stored, own))


def _layer(index: int, given: Mapping[str, Any]) -> dict[str, Any]:
    offset = 0 if index % 2 else 0x2000
    layer: dict[str, Any] = {"processors": 0xF, "out_offset": offset, **_DEFAULTS, **given}
    return {key: value for key, value in layer.items() if value is not None}


def _shapes(layers: list[dict[str, Any]]) -> dict[str, tuple[int, ...]]:
    kernels = {"1x1": (1, 1), "3x3": (3, 3)}
    convolutions = [layer for layer in layers if layer.get("op", "conv2d") == "conv2d"]
    return {
        f"conv{index}.op.weight": (4, 4, *kernels.get(str(layer.get("kernel_size", "3x3")), (3, 3)))
        for index, layer in enumerate(convolutions)
    }
