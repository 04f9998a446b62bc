"""Channels and dimensions of every layer, traced through the description as izer does (``izer/izer.py``)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from lintmodel.ir import Document
from lintmodel.target import Target

from .network import INPUT, Layer, Network, Pair, processors_for
from .settings import Settings, settings
from .weights import Weights, by_layer


def resolve(document: Document, target: Target) -> Network:
    """The network of a description. What does not follow from what is given is None in its layers, and
    ``Network.unknown`` says why."""
    written = settings(document)
    args = flags(target)
    weights = by_layer(document, written)
    turned = str(document.values.get("arch", "")).lower() != "test"
    trace = _Trace(written, weights, document.input_shape, document.values.get("output_map"), turned)
    order = _order(written, target)
    for index, following in zip(order, [*order[1:], None], strict=False):
        trace.channels_of(index)
        trace.output_map_of(index, following)
    for index in order:
        trace.dimensions_of(index)
    layers = tuple(_layer(trace, index) for index in order)
    return Network(
        layers,
        str(document.values.get("arch", "")),
        document.input_shape,
        args,
        tuple(_unknown(document, layers)),
        {key: value for key, value in document.values.items() if key != "layers"},
    )


def flags(target: Target) -> tuple[str, ...]:
    """The tool's own flags that the user gave, split as a shell does. ``--fast-fifo`` implies ``--fifo``."""
    text = str(target.options.get("izer_args", ""))
    try:
        args = shlex.split(text)
    except ValueError:
        args = text.split()
    if "--fast-fifo-quad" in args:
        args.append("--fast-fifo")
    if "--fast-fifo" in args:
        args.append("--fifo")
    return tuple(dict.fromkeys(args))


def _order(written: Sequence[Settings], target: Target) -> list[int]:
    """Indexes in the order of execution, which ``next_sequence`` changes where the device has it."""
    found: list[int] = []
    index = 0
    while 0 <= index < len(written) and index not in found:
        found.append(index)
        following = written[index].next_sequence
        if following is None or (following != -1 and not target.limit("link_layer")):
            following = index + 1
        index = following
    return found


@dataclass
class _Trace:
    """What is known of each layer so far, by its index; None for sizes that cannot be known."""

    written: Sequence[Settings]
    weights: Sequence[Weights | None] | None
    input_shape: tuple[int, ...] | None
    last_map: Any
    """The top-level key ``output_map``."""
    turned: bool
    """Transposed convolutions are stored with the input channels first. izer's own tests (``arch: test``) are not."""
    inputs: dict[int, int | None] = field(default_factory=dict)
    outputs: dict[int, int | None] = field(default_factory=dict)
    maps: dict[int, int | None] = field(default_factory=dict)
    in_dims: dict[int, Pair | None] = field(default_factory=dict)
    pooled: dict[int, Pair | None] = field(default_factory=dict)
    pools: dict[int, Pair] = field(default_factory=dict)
    out_dims: dict[int, Pair | None] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)
    """The layer executed before."""
    _previous: int = INPUT

    def channels_of(self, index: int) -> None:
        layer = self.written[index]
        self.before[index] = self._previous
        stored = self.weights[index] if self.weights is not None else None
        found = _in_channels(stored, layer, self.turned)
        if layer.in_sequences is not None:
            sources = [self._output_channels(source) for source in layer.in_sequences]
            if layer.eltwise != "none":
                found = sources[0]
            else:
                found = None if None in sources else sum(cast("list[int]", sources))
        elif found is None and not self._has_own(layer):
            found = self._default_in(index)
        if layer.in_channels is not None:
            found = layer.in_channels
        if found is None and not layer.flatten:
            found = _channels_in(layer.processors)
        self.inputs[index] = found
        out = _out_channels(stored, layer, self.turned)
        if out is None and not self._has_own(layer):
            out = found
        if layer.out_channels is not None:
            out = layer.out_channels
        self.outputs[index] = out
        self._previous = index

    def _has_own(self, layer: Settings) -> bool:
        """izer finds its channels in a weight tensor."""
        return layer.op != "passthrough" and not layer.bypass

    def _default_in(self, index: int) -> int | None:
        if self._previous != INPUT:
            return self.outputs.get(self._previous)
        if not self.input_shape:
            return None
        layer, channels = self.written[index], self.input_shape[0]
        # The shape may be that of one operand, or of all of them one after the other, as the sample data has it.
        if layer.operands > 1 and layer.processors.bit_count() == processors_for(channels):
            return channels
        return channels // layer.operands

    def _output_channels(self, source: int) -> int | None:
        if source == INPUT:
            return self.input_shape[0] if self.input_shape else None
        return self.outputs.get(source) if source in self.outputs else self._ahead(source)

    def _ahead(self, source: int) -> int | None:
        """A layer that is not traced yet has what the checkpoint says."""
        if self.weights is None or not 0 <= source < len(self.written):
            return None
        return _out_channels(self.weights[source], self.written[source], self.turned)

    def output_map_of(self, index: int, following: int | None) -> None:
        layer = self.written[index]
        found = layer.output_processors
        if found is None and following is not None:
            found = self.written[following].processors
        if self.outputs[index] is None:
            self.outputs[index] = _channels_in(found or 0)
        out = self.outputs[index]
        if following is None and isinstance(self.last_map, int):
            found = self.last_map
        elif found is None and out is not None and out > 0:
            found = _packed(out)
        self.maps[index] = found

    def dimensions_of(self, index: int) -> None:
        layer = self.written[index]
        previous = self.before[index]
        default = 0 if previous == INPUT else self.written[previous].out_offset
        self.offsets[index] = layer.in_offset if layer.in_offset is not None else default
        self.in_dims[index] = dims = layer.in_dim or self._auto_dim(index)
        flat = layer.op == "conv1d" or (layer.op == "passthrough" and dims is not None and dims[1] == 1)
        self.pools[index] = pool = (layer.pool[0], 1) if flat else layer.pool
        self.pooled[index] = pooled = _pooled(layer, dims, pool, flat)
        self.out_dims[index] = _convolved(layer, pooled, flat)
        channels = self.inputs[index]
        if layer.flatten and not flat:
            if pooled is not None:
                self.out_dims[index] = (1, 1)
                self.inputs[index] = channels and channels // max(pooled[0] * pooled[1], 1)
            else:
                self.inputs[index] = None
                self.out_dims[index] = (1, 1)

    def _auto_dim(self, index: int) -> Pair | None:
        sources = self.written[index].in_sequences or (self.before[index],)
        if sources[0] == INPUT:
            return None if self.input_shape is None else (self.input_shape[1], self.input_shape[2])
        found = self.out_dims.get(sources[0])
        return found if found is not None and min(found) > 0 else None


def _in_channels(stored: Weights | None, layer: Settings, turned: bool) -> int | None:
    if stored is None:
        return layer.groups if layer.groups > 1 else None
    if layer.op == "convtranspose2d" and turned:
        return stored.shape[0]
    return stored.shape[1] * layer.groups


def _out_channels(stored: Weights | None, layer: Settings, turned: bool) -> int | None:
    """A depthwise layer without weights has as many as it has groups."""
    if stored is None:
        return layer.groups if layer.groups > 1 else None
    if layer.op == "convtranspose2d" and turned:
        return stored.shape[1] * layer.groups
    return stored.shape[0]


def _channels_in(mask: int) -> int | None:
    """Channels that a mask of processors leaves no doubt about: from 36 on, a multiple of 4 may be one pass of as
    many channels or several passes of more."""
    count = mask.bit_count()
    return count if 0 < count < 36 or count % 4 else None


def _packed(channels: int) -> int:
    return (1 << processors_for(channels)) - 1


def _pooled(layer: Settings, dims: Pair | None, pool: Pair, flat: bool) -> Pair | None:
    if dims is None or min(layer.pool_stride) < 1:
        return None
    sizes = [
        (dims[axis] + layer.pool_stride[axis] - pool[axis] - layer.pool_dilation[axis] + 1) // layer.pool_stride[axis]
        for axis in (0, 1)
    ]
    return (sizes[0], 1) if flat else (sizes[0], sizes[1])


def _convolved(layer: Settings, pooled: Pair | None, flat: bool) -> Pair | None:
    if pooled is None or min(layer.stride) < 1:
        return None
    sizes = []
    for axis in (0, 1):
        reach = layer.dilation[axis] * (layer.kernel[axis] - 1)
        if layer.op == "convtranspose2d":
            grown = (pooled[axis] - 1) * layer.stride[axis] - 2 * layer.pad[axis]
            sizes.append(grown + reach + layer.output_pad[axis] + 1)
        else:
            sizes.append((pooled[axis] - reach - 1 + 2 * layer.pad[axis]) // layer.stride[axis] + 1)
    return (sizes[0], 1) if flat else (sizes[0], sizes[1])


def _layer(trace: _Trace, index: int) -> Layer:
    written = trace.written[index]
    stored = trace.weights[index] if trace.weights is not None else None
    return Layer(
        index=index,
        name=written.name if written.name is not None else f"layer {index}",
        op=written.op,
        eltwise=written.eltwise,
        operands=written.operands,
        in_channels=trace.inputs[index],
        out_channels=trace.outputs[index],
        in_dim=trace.in_dims[index],
        pooled_dim=trace.pooled[index],
        out_dim=trace.out_dims[index],
        kernel=written.kernel,
        pad=written.pad,
        output_pad=written.output_pad,
        stride=written.stride,
        dilation=written.dilation,
        pool=trace.pools[index] if written.pool_kind != "none" or max(written.pool_stride) > 1 else None,
        pool_stride=written.pool_stride,
        pool_dilation=written.pool_dilation,
        pool_kind=cast("Literal['max', 'avg', 'none']", written.pool_kind),
        pool_first=written.pool_first,
        groups=written.groups,
        flatten=written.flatten,
        processors=written.processors,
        output_processors=trace.maps[index],
        in_offset=trace.offsets[index],
        out_offset=written.out_offset,
        in_sequences=written.in_sequences,
        write_gap=written.write_gap,
        read_gap=written.read_gap,
        streaming=written.streaming,
        bits=written.bits or (stored.bits if stored is not None else 8),
        output_width=written.output_width,
        chw=written.chw,
        activation=written.activation,
        weight_shape=stored.shape if stored is not None else None,
        has_bias=stored is not None and stored.bias is not None and not stored.bias_is_zero,
        in_dim_given=written.in_dim is not None,
        bias_count=stored.bias if stored is not None else None,
        digest=stored.digest if stored is not None else "",
        keys=written.keys,
    )


def _unknown(document: Document, layers: Sequence[Layer]) -> list[str]:
    found = []
    if document.input_shape is None and layers and not layers[0].in_dim_given:
        found.append("the input's shape is not given")
    if document.checkpoint is None and any(layer.weighted for layer in layers):
        found.append("no checkpoint is given, so the weights' sizes are not known")
    return found
