"""52x: what izer fills in where a layer says nothing, and people meant something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.findings import Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .example import described
from .schema import node_name
from .schema_values import OPERATOR_KEYS

_BEHIND = " in YAML configuration."


def _layers(network: Document) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Number, name and keys of every layer that has keys."""
    layers = network.values.get("layers")
    for index, layer in enumerate(layers if isinstance(layers, list) else ()):
        if isinstance(layer, Mapping):
            yield index, node_name(index, layer), layer


@rule("AIX521", "default-out-offset", Level.WARNING, on=Document, confidence="measured")
def default_out_offset(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Layer that does not say where its output goes.

    What it does: finds layers without out_offset.

    Why it matters: izer takes 0, with a warning. A layer that reads at 0 as well overwrites its own input.

    What to do instead: out_offset, so that input and output lie apart: 0 and half of an instance in turn is the usual
    choice (an instance has {data_instance_bytes} bytes).

    Source: izer/yamlcfg.py 296; measured with ai8x-synthesis ab4f4c0.
    """
    for index, node, layer in _layers(network):
        if "out_offset" not in layer:
            said = f"Defaulting to `out_offset = 0` for layer sequence {index}{_BEHIND}"
            yield Found("no out_offset: the output goes to 0", said, node, key=f"layers.{index}")


default_out_offset.bad(lambda: described({"out_offset": None}))
default_out_offset.good(lambda: described({"out_offset": 0x2000}))


@rule("AIX522", "default-operator", Level.WARNING, on=Document, confidence="measured")
def default_operator(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Layer that does not say what it does.

    What it does: finds layers without op (or operation, operator, convolution).

    Why it matters: izer takes a 3x3 convolution with pad 1, which uses up a tensor of the checkpoint. A layer that was
    meant to pool or to add only needs op: passthrough.

    What to do instead: op: Conv2d, or what is meant.

    Source: izer/yamlcfg.py 364; measured with ai8x-synthesis ab4f4c0.
    """
    for index, node, layer in _layers(network):
        if not any(key in layer for key in OPERATOR_KEYS):
            said = f"Defaulting to `op: Conv2d` for layer sequence {index}{_BEHIND}"
            yield Found("no op: taken for a Conv2d", said, node, key=f"layers.{index}")


default_operator.bad(lambda: described({"op": None}))
default_operator.good(lambda: described({"op": "conv2d"}))


@rule("AIX523", "default-activation", Level.NOTE, on=Document, confidence="measured")
def default_activation(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Convolution or linear layer that does not say whether it is activated.

    What it does: finds layers with weights that have neither activate nor activation.

    Why it matters: izer takes none, with a notice. Where the network was trained with ReLU the numbers are wrong, and
    nothing else says so.

    What to do instead: activate: ReLU where the network has one, activate: none where it has none.

    Source: izer/yamlcfg.py 369; measured with ai8x-synthesis ab4f4c0.
    """
    for index, node, layer in _layers(network):
        word = str(next((layer[key] for key in OPERATOR_KEYS if key in layer), "conv2d")).lower()
        weighted = word in ("conv1d", "conv2d", "convtranspose2d", "linear", "fc", "mlp")
        if weighted and "activate" not in layer and "activation" not in layer:
            said = f'Defaulting to "no activation" for {word} in layer sequence {index}{_BEHIND}'
            yield Found("no activate: taken for none", said, node, key=f"layers.{index}")


default_activation.bad(lambda: described({"activate": None}))
default_activation.good(lambda: described({"activate": "none"}))


@rule("AIX524", "default-pool-stride", Level.WARNING, on=Document, confidence="measured")
def default_pool_stride(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Pool that does not say its stride.

    What it does: finds max_pool and avg_pool without pool_stride.

    Why it matters: izer takes 1, with a warning. PyTorch takes the size of the pool, and the map comes out larger here
    than it was in training.

    What to do instead: pool_stride, with PyTorch's default the size of the pool.

    Source: izer/yamlcfg.py 769; measured with ai8x-synthesis ab4f4c0.
    """
    for index, node, layer in _layers(network):
        key = "max_pool" if "max_pool" in layer else "avg_pool"
        if key in layer and "pool_stride" not in layer and layer[key] not in (1, [1, 1]):
            said = f"Using default pool stride of 1 in layer {index}."
            yield Found("no pool_stride: the pool moves by 1 pixel", said, node, key=f"layers.{index}.{key}")


default_pool_stride.bad(lambda: described({"max_pool": 2}))
default_pool_stride.good(lambda: described({"max_pool": 2, "pool_stride": 2}))

RULES = [default_out_offset, default_operator, default_activation, default_pool_stride]
