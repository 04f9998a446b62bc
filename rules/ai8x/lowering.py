"""From a network to the accelerator's layers: what is folded, what becomes a layer, and what has no form.

Every operator makes a layer of its own first; :mod:`.fusing` then puts pools and sums into the layers behind them.
A node without a form is recorded with the name of the rule that words it, and the walk goes on behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

from lintmodel.ir import Composite, Concat, Conv, ConvTranspose, Elementwise, Gemm, Graph, Node, Pad, Pool, Reduce
from lintmodel.ir.windows import Pads, Spatial
from lintmodel.planning import NotChecked, Placement, Refusal
from lintmodel.target import Target

from .cnn_layers import CnnLayer, Lowered, Map, Window
from .cnn_operators import ACTIVATIONS, ELTWISE, FUNCTIONS, NOTHING, RESHAPING, folded_pads
from .cnn_windows import Wrong, conv_op, pool_window, wrong_conv, wrong_dense, wrong_pool, wrong_transpose
from .fusing import fuse
from .torch_layers import on_chip


def lower(graph: Graph, target: Target) -> Lowered:
    """The network's layers for this chip, fused as far as the chip can."""
    chip = on_chip(graph)
    walk = _Walk(chip.graph, target)
    walk.run()
    walk.found.placements |= dict.fromkeys(chip.simulation, Placement.FREE)
    fuse(walk.found, target)
    return walk.found


class _Walk:
    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph, self.target = graph, target
        self.found = Lowered(inputs=tuple(name for name in graph.inputs if not graph.is_constant(name)))
        self.roots: dict[str, str] = {}
        """Tensors that lie in another: behind an activation, a flattening."""
        self.pads: dict[str, Pads] = {}
        """By the output of a Pad, what the convolution behind it takes over."""
        self.open: list[str] = []
        self.derived: set[str] = set()
        """What follows from constants, whether or not their values are there."""

    def run(self) -> None:
        members = {name: c for c in self.graph.composites for name in c.members if c.op != "QuantizeDequantize"}
        for node in self.graph.nodes:
            written = [name for name in node.outputs if name]
            if all(map(self._known, written)) or all(self._known(name) for name in node.inputs if name):
                self.derived.update(written)
                self._place(node, Placement.FREE)
            elif node.name in members:
                self._composite(node, members[node.name])
            elif node.domain:
                self._refuse(node, "cnn-operator", None, op=node.native_op)
            else:
                self._handler(node)(node)
                self._fused_activation(node)
        self.found.outputs = tuple(dict.fromkeys(self.root(name) for name in self.graph.outputs))
        if self.open:
            self.found.not_checked.append(NotChecked("layers", "their shapes are not fixed", tuple(self.open)))
        if len(self.found.inputs) > 1:
            self.found.refusals.append(Refusal("cnn-inputs", None, None, {"inputs": self.found.inputs}))

    def _handler(self, node: Node) -> Callable[[Node], None]:
        if node.op in NOTHING:
            return self._free
        if node.op in RESHAPING:
            return self._reshape
        if node.op in ACTIVATIONS:
            return self._activation
        if node.op in FUNCTIONS:
            return self._function
        handlers: dict[str, Callable[[Node], None]] = {
            "ReduceMean": self._mean,
            "BatchNormalization": self._normalization,
            "Concat": self._concat,
            "Pad": self._pad,
            "Softmax": self._softmax,
            "Transpose": self._transpose,
        }
        handlers |= {"Conv": self._conv, "ConvTranspose": self._conv, "Gemm": self._dense, "MatMul": self._dense}
        handlers |= dict.fromkeys(("Mul", "Div", "Min", "Max", "Pow"), self._eltwise)
        handlers |= dict.fromkeys(Pool.ops, self._pool) | dict.fromkeys(ELTWISE, self._eltwise)
        return handlers.get(node.op, self._without)

    def _free(self, node: Node) -> None:
        self._place(node, Placement.FREE)
        self._alias(node)

    def _without(self, node: Node) -> None:
        self._refuse(node, "cnn-operator", None, op=node.native_op)

    def _composite(self, node: Node, composite: Composite) -> None:
        """Several nodes that are one function: said once, at the last of them."""
        self._place(node, Placement.UNSUPPORTED)
        if node.name == composite.members[-1]:
            kind = "cnn-activation" if composite.op in FUNCTIONS else "cnn-operator"
            self._refuse(node, kind, None, op=composite.op)
            self.roots[composite.output] = self.root(composite.inputs[0]) if composite.inputs else composite.output

    def _conv(self, node: Node) -> None:
        conv: Conv = ConvTranspose(self.graph, node) if node.op == "ConvTranspose" else Conv(self.graph, node)
        if not conv.fixed:
            self._unknown(node)
            return
        if conv.rank not in (1, 2) or not self.graph.is_constant(conv.weight.name):
            self._refuse(node, "cnn-operator", None, op=node.native_op)
            return
        before = self.pads.get(node.inputs[0], (0, 0, 0, 0))
        own = conv.pads
        pads = (own[0] + before[0], own[1] + before[1], own[2] + before[2], own[3] + before[3])
        if isinstance(conv, ConvTranspose):
            self._wrong(node, wrong_transpose(conv, pads, self.target))
        else:
            self._wrong(node, wrong_conv(conv, pads, self.target))
        self._layer(
            CnnLayer(
                op=conv_op(conv),
                nodes=[node.name],
                reads=(self._source(conv),),
                writes=node.outputs[0],
                source=(conv.in_channels, conv.height, conv.width),
                result=(conv.out_channels, conv.out_height, conv.out_width),
                kernel=conv.kernel,
                pad=pads[0],
                dilation=conv.dilation[0],
                groups=conv.groups,
                output_pad=int(isinstance(conv, ConvTranspose)),
                has_bias=conv.bias is not None,
                one_dimension=conv.rank == 1,
            )
        )

    def _pool(self, node: Node) -> None:
        pool = Pool(self.graph, node)
        if not pool.fixed:
            self._unknown(node)
            return
        if pool.rank not in (1, 2):
            self._refuse(node, "cnn-operator", None, op=node.native_op)
            return
        self._wrong(node, wrong_pool(pool, self.target))
        kernel, stride = pool_window(pool)
        self._passthrough(pool, Window("max" if pool.kind == "max" else "avg", kernel, stride))

    def _mean(self, node: Node) -> None:
        """The mean over all pixels is a pool as large as the map."""
        mean = Reduce(self.graph, node)
        if not mean.fixed:
            self._unknown(node)
            return
        rank = len(mean.x.sizes)
        spatial = set(range(1, rank - 1)) if node.layout == "NHWC" else set(range(2, rank))
        if mean.axes is None or set(mean.axes) != spatial or rank not in (3, 4):
            self._without(node)
            return
        spot = Spatial(self.graph, node)
        kernel, most = (spot.height, spot.width), self.target.limit("max_pool")
        if max(kernel) > most:
            self._refuse(node, "cnn-pool-window", None, kernel=kernel, stride=kernel, most=most, most_stride=most)
        self._passthrough(spot, Window("avg", kernel, (1, 1)), pixels=(1, 1))

    def _passthrough(self, spot: Spatial, pool: Window, pixels: tuple[int, int] | None = None) -> None:
        height, width = pixels or (spot.out_height, spot.out_width)
        self._layer(
            CnnLayer(
                op="passthrough",
                nodes=[spot.node.name],
                reads=(self._source(spot),),
                writes=spot.node.outputs[0],
                source=(spot.in_channels, spot.height, spot.width),
                result=(spot.in_channels, height, width),
                pool=pool,
                one_dimension=spot.rank == 1,
            )
        )

    def _dense(self, node: Node) -> None:
        dense = Gemm(self.graph, node)
        if not dense.fixed:
            self._unknown(node)
            return
        root = self.root(node.inputs[0])
        source = self.found.maps.get(root)
        if source is None or prod(source) != dense.in_features:
            source = (dense.in_features, 1, 1)
        rows = prod(dense.x.sizes) // max(dense.in_features, 1)
        if not dense.weighted or rows > max(dense.x.sizes[0], 1) or node.attributes.get("transA"):
            self._refuse(node, "cnn-operator", None, op=node.native_op)
            return
        self._wrong(node, wrong_dense(source, dense.out_features, self.target))
        self.found.maps.setdefault(root, source)
        self._layer(
            CnnLayer(
                op="linear",
                nodes=[node.name],
                reads=(root,),
                writes=node.outputs[0],
                source=source,
                result=(dense.out_features, 1, 1),
                has_bias=dense.input(2) is not None,
                flatten=source[1] * source[2] > 1,
            )
        )

    def _eltwise(self, node: Node) -> None:
        words = Elementwise(self.graph, node)
        constant = any(self._known(name) for name in node.inputs if name)
        if constant and self._fold_constant(node):
            return
        reads = tuple(self.root(name) for name in node.inputs if name)
        details = {"op": node.native_op, "operands": len(reads), "most": self.target.limit("max_operands")}
        if node.op not in ELTWISE or constant:
            alone = constant and self.root(self._data_input(node)) in self.found.inputs
            self._refuse(node, "cnn-eltwise", None, **details, constant=constant, at_input=alone)
            return
        if not words.fixed:
            self._unknown(node)
            return
        if not words.same_shape or len(reads) > self.target.limit("max_operands"):
            shapes = tuple(self.graph.tensor(name).shape for name in node.inputs if name)
            self._refuse(node, "cnn-eltwise", None, **details, shapes=shapes)
            return
        shape = self._map_of(node, reads[0])
        for name in reads:
            self.found.maps.setdefault(name, shape)
        self._layer(
            CnnLayer("passthrough", [node.name], reads, node.outputs[0], shape, shape, eltwise=ELTWISE[node.op])
        )

    def _concat(self, node: Node) -> None:
        concat = Concat(self.graph, node)
        if not concat.fixed:
            self._unknown(node)
            return
        rank = len(concat.y.sizes)
        parts = tuple(self.root(name) for name in node.inputs if name)
        channels_last = node.layout == "NHWC"
        if concat.axis != (rank - 1 if channels_last else 1) or rank not in (2, 3, 4):
            self._refuse(node, "cnn-concat", None, axis=concat.axis, rank=rank)
            return
        counts = [self.graph.tensor(name).sizes[concat.axis] for name in node.inputs if name]
        if any(count % 4 for count in counts[:-1]):
            self._refuse(node, "cnn-concat", None, counts=tuple(counts))
        else:
            self._place(node, Placement.FREE)
        flat = tuple(part for name in parts for part in self.found.concats.get(name, (name,)))
        first = self._map_of(node, parts[0])
        self.found.concats[node.outputs[0]] = flat
        self.found.maps[node.outputs[0]] = (sum(counts), *first[1:])

    def _activation(self, node: Node) -> None:
        layer = self._maker(node)
        if layer is not None and layer.pool is not None and layer.pool.kind == "max" and layer.op == "passthrough":
            # Functions that never fall give the same before and behind a maximum.
            before = self._maker(self.graph.node(layer.name)) if node.op == "Relu" else None
            layer = before if before is not None and before.weighted else layer
        if layer is None or not layer.weighted or layer.activation != "none":
            if layer is not None and layer.activation == ACTIVATIONS[node.op]:
                self._free(node)
                return
            made_by = "" if layer is None else "sum" if layer.eltwise != "none" else "pool" if layer.pool else "layer"
            self._refuse(node, "cnn-loose-activation", None, op=node.op, behind=made_by)
            self._alias(node)
            return
        layer.activation = ACTIVATIONS[node.op]
        layer.nodes.append(node.name)
        self._free(node)

    def _fused_activation(self, node: Node) -> None:
        """The activation that TFLite writes into the operator before it."""
        fused = node.attributes.get("activation")
        layer = self.found.writer(node.outputs[0]) if fused else None
        if fused in ACTIVATIONS and layer is not None and layer.weighted and layer.activation == "none":
            layer.activation = ACTIVATIONS[fused]
        elif fused:
            kind = "cnn-loose-activation" if fused in ACTIVATIONS else "cnn-activation"
            self._refuse(node, kind, None, op=fused, behind="sum" if layer and layer.eltwise != "none" else "layer")

    def _function(self, node: Node) -> None:
        self._refuse(node, "cnn-activation", None, op=node.native_op)
        self._alias(node)

    def _normalization(self, node: Node) -> None:
        layer = self._maker(node)
        if layer is None or not layer.weighted or layer.activation != "none":
            self._refuse(node, "cnn-loose-normalisation", None, op=node.native_op)
            self._alias(node)
            return
        layer.has_bias = True
        layer.nodes.append(node.name)
        self._free(node)

    def _pad(self, node: Node) -> None:
        pads = folded_pads(Pad(self.graph, node))
        if pads is None:
            self._without(node)
            return
        self.pads[node.outputs[0]] = pads
        self._free(node)

    def _softmax(self, node: Node) -> None:
        """The tool's flag --softmax writes a softmax for the CPU, behind the last layer."""
        if node.outputs[0] not in self.graph.outputs:
            self._refuse(node, "cnn-operator", None, op=node.native_op)
            return
        self._place(node, Placement.FALLBACK)
        self._alias(node)

    def _transpose(self, node: Node) -> None:
        """Of the input it is the order in which the program writes the data."""
        if self.root(node.inputs[0]) not in self.found.inputs:
            self._refuse(node, "cnn-operator", None, op=node.native_op)
            return
        self._free(node)

    def _reshape(self, node: Node) -> None:
        before, after = self.graph.tensor(node.inputs[0]), self.graph.tensor(node.outputs[0])
        if not before.known or not after.known:
            self._unknown(node)
            return
        flat = len([size for size in after.sizes[1:] if size != 1]) <= 1
        same = [n for n in before.sizes[1:] if n != 1] == [n for n in after.sizes[1:] if n != 1]
        if not flat and not same:
            self._refuse(node, "cnn-reshape", None, before=before.sizes, after=after.sizes)
            return
        self._free(node)

    def root(self, name: str) -> str:
        while self.roots.get(name, name) != name:
            name = self.roots[name]
        return name

    def _alias(self, node: Node) -> None:
        source = self._data_input(node)
        if source and node.outputs:
            self.roots[node.outputs[0]] = self.root(source)

    def _data_input(self, node: Node) -> str:
        return next((name for name in node.inputs if name and not self._known(name)), "")

    def _known(self, name: str) -> bool:
        return self.graph.is_constant(name) or name in self.graph.values or name in self.derived

    def _maker(self, node: Node) -> CnnLayer | None:
        """The layer that writes what the node reads, when nothing else reads it."""
        name = self._data_input(node)
        while name:
            if len(self.graph.consumers(name)) != 1 or name in self.graph.outputs:
                return None
            if self.roots.get(name, name) == name:
                break
            producer = self.graph.producer(name)
            name = self._data_input(producer) if producer is not None else ""
        return self.found.writer(name) if name else None

    def _fold_constant(self, node: Node) -> bool:
        """A constant for every channel, or for all, goes into the weights of the layer before."""
        layer = self._maker(node)
        constant = next(name for name in node.inputs if name and self._known(name))
        tensor = self.graph.tensor(constant)
        folds = node.op in ("Add", "Sub", "Mul", "Div") and self._data_input(node) == node.inputs[0]
        folds = folds or (node.op in ("Add", "Mul") and len(node.inputs) == 2)
        if layer is None or not layer.weighted or layer.activation != "none" or not folds or not tensor.known:
            return False
        if tensor.elements not in (1, layer.result[0]):
            return False
        layer.has_bias = layer.has_bias or node.op in ("Add", "Sub")
        layer.nodes.append(node.name)
        self._free(node)
        return True

    def _source(self, spot: Spatial) -> str:
        root = self.root(spot.node.inputs[0])
        self.found.maps.setdefault(root, (spot.in_channels, spot.height, spot.width))
        return root

    def _map_of(self, node: Node, root: str) -> Map:
        """The map that a root holds; of one that nothing is known of, as the node's own output has it."""
        if root in self.found.maps:
            return self.found.maps[root]
        sizes = list(self.graph.tensor(self._data_input(node)).sizes[1:])
        if node.layout == "NHWC" and len(sizes) > 1:
            sizes = [sizes[-1], *sizes[:-1]]
        channels, height, width = (*sizes, 1, 1, 1)[:3]
        return channels, height, width

    def _layer(self, layer: CnnLayer) -> None:
        self.found.layers.append(layer)
        self.found.maps[layer.writes] = layer.result
        self.found.placements.setdefault(layer.name, Placement.ACCELERATED)

    def _place(self, node: Node, placement: Placement) -> None:
        if self.found.placements.get(node.name) is not Placement.UNSUPPORTED:
            self.found.placements[node.name] = placement

    def _unknown(self, node: Node) -> None:
        self._place(node, Placement.ACCELERATED)
        self.open.append(node.name)

    def _wrong(self, node: Node, wrong: Iterable[Wrong]) -> None:
        for kind, message, details in wrong:
            self._refuse(node, kind, message, **details)

    def _refuse(self, node: Node, kind: str, message: str | None, **details: object) -> None:
        self.found.placements[node.name] = Placement.UNSUPPORTED
        self.found.refusals.append(Refusal(kind, node.name, message, details))
