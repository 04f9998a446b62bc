"""Reads a network as nncase 0.1 reads a TFLite file.

A network in another format is read as if it had been converted to TFLite: normalisations folded into the convolution
before them, activations fused, explicit padding as a PAD of its own.
Source: nncase v0.1.0-rc5, src/NnCase.Converter/Converters/TfLiteToGraphConverter.cs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lintmodel.ir import BatchNormalization, Conv, Gemm, Graph, Node, Pool, Tensor
from lintmodel.target import Target

from .v01_layers import DIFFER, REFUSED, Dims, Layer, Net, Refused, connect, spoken

NO_INDEX = "Fatal: Index was outside the bounds of the array."
ARGUMENT = "argument-not-read"
FUSING = Conv.ops | Gemm.ops | Pool.ops | {"Add"}
"""Operators into which converters to TFLite put the activation behind them."""
NUMBERED = (
    *("MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE", "NON_MAX_SUPPRESSION_V4"),
    *("NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM", "BATCH_MATMUL"),
)
"""TFLite's operators from 113 on: its schema of May 2019 ends before them, so that its message has the number."""


Reader = Callable[["Importer", Node], None]


@dataclass
class Importer:
    graph: Graph
    target: Target
    readers: Mapping[str, Reader]
    """What reads an operator, by its canonical name."""
    net: Net = field(default_factory=Net)
    left_out: list[str] = field(default_factory=list)
    """Nodes of which a shape is not known."""
    makers: dict[str, Layer] = field(default_factory=dict)
    reads: list[tuple[Layer, int, str]] = field(default_factory=list)
    _absorbed: set[str] = field(default_factory=set)

    @property
    def tflite(self) -> bool:
        return self.graph.format == "tflite"

    def run(self) -> Net:
        for node in self.graph.nodes:
            if node.name not in self._absorbed and not all(map(self._fixed, node.outputs)):
                self._node(node)
        self._connect()
        self._ends()
        return self.net

    def _fixed(self, name: str) -> bool:
        """The value is in the file, or a converter to TFLite would work it out."""
        return self.graph.is_constant(name) or (not self.tflite and name in self.graph.values)

    def _node(self, node: Node) -> None:
        read = self._reader(node)
        try:
            if read is None:
                raise Refused("operator-not-imported", _not_imported(node), operator=node.native_op)
            read(self, node)
        except Unknown:
            self.left_out.append(node.name)
            self._opaque(node)
        except Refused as refused:
            self.net.refuse(node.name, refused.kind, refused.message, refused.details)
            self._opaque(node)

    def _reader(self, node: Node) -> Reader | None:
        if self.tflite and (node.domain or node.native_op not in self.target.operators["tflite"]):
            return None
        return self.readers.get(node.op)

    def _opaque(self, node: Node) -> None:
        """Something unreadable, so that the rest can be looked at."""
        names = [name for name in node.inputs if name and not self._fixed(name)]
        wants = tuple(self._known(name) for name in names)
        for index, output in enumerate(name for name in node.outputs if name):
            layer = Layer(REFUSED, self._known(output), wants if index == 0 else (), (node.name,), output)
            self.makers[output] = layer
            if index == 0:
                self.reads += [(layer, at, name) for at, name in enumerate(names)]
                self._take_behind(node, layer)

    def _known(self, name: str) -> Dims:
        try:
            return self.dims(self.graph.tensor(name))
        except (Refused, Unknown):
            return ()

    # ---- what the operators' functions use

    def add(self, kind: str, node: Node, *names: str, dims: Dims | None = None) -> Layer:
        """A layer that reads these tensors; of the first one's shape unless another is given."""
        wants = tuple(self.dims(self.graph.tensor(name)) for name in names)
        layer = Layer(kind, wants[0] if dims is None else dims, wants, (node.name,))
        self.reads += [(layer, index, name) for index, name in enumerate(names)]
        return layer

    def writes(self, node: Node, layer: Layer) -> None:
        """What the node writes is what this layer makes; with what other formats spell as further nodes in it."""
        output = self._take_behind(node, layer)
        layer.tensor = output
        self.makers[output] = layer

    def _take_behind(self, node: Node, layer: Layer) -> str:
        """Puts into the layer what a converter to TFLite puts into the node, and gives the name of the result."""
        output = node.outputs[0]
        for absorbed in [] if self.tflite else _behind(self.graph, node):
            self._absorbed.add(absorbed.name)
            layer.origin += (absorbed.name,)
            output = absorbed.outputs[0]
            self.makers[output] = layer
            if absorbed.op != "BatchNormalization":
                layer.activation = "Relu" if absorbed.op == "Relu" else "Relu6"
        return output

    def dims(self, tensor: Tensor) -> Dims:
        """N,C,H,W. Raises Refused for other ranks than 2 and 4, which the compiler takes for 4."""
        if tensor.shape is None:
            raise Unknown
        sizes = tuple(size if isinstance(size, int) else 1 for size in tensor.shape)
        if any(not isinstance(size, int) for size in tensor.shape[1:]):
            raise Unknown
        if len(sizes) == 2:
            return sizes
        if len(sizes) != 4:
            raise Refused(ARGUMENT, NO_INDEX, what=f"tensor with {len(sizes)} axes; nncase 0.1 reads 2 and 4")
        return (sizes[0], sizes[3], sizes[1], sizes[2]) if self.tflite else sizes

    def activation(self, node: Node) -> str:
        found = str(node.attributes.get("activation") or "")
        if found not in ("", "Relu", "Relu6"):
            what = f"fused activation {found}; nncase 0.1 has Relu and Relu6"
            raise Refused(ARGUMENT, "Fatal: activation", what=what)
        return found

    def weights(self, name: str) -> int:
        """Number of weights. Raises Refused for those of a quantised file."""
        tensor = self.graph.tensor(name)
        if self.tflite and tensor.dtype != "float32":
            said = f"expect FLOAT32 tensor but got {tensor.dtype.upper()}, use '--inference_type=FLOAT' when converting"
            what = f"weights in {tensor.dtype}; nncase 0.1 quantises float32 itself"
            raise Refused(ARGUMENT, f"Fatal: {said} via toco.", what=what)
        if not tensor.known:
            raise Unknown
        return tensor.elements

    # ---- connections

    def _connect(self) -> None:
        for layer, index, name in self.reads:
            maker = self.makers.get(name)
            if maker is None:
                continue
            if layer.wants[index] != maker.dims and REFUSED not in (layer.kind, maker.kind):
                read, made = spoken(layer.wants[index]), spoken(maker.dims)
                details = {"reason": f"it reads {read}, and the layer before makes {made}"}
                self.net.refuse(layer.origin[0], "conv-not-matched", DIFFER, details)
            connect(maker, layer, index)

    def _ends(self) -> None:
        """An input for everything that nothing makes, an output for everything that nothing reads."""
        outer: dict[str, list[Layer]] = {}
        for layer, index, name in self.reads:
            if layer.inputs[index] is None:
                made = Layer("InputLayer", layer.wants[index], tensor=name)
                connect(made, layer, index)
                self.net.inputs.append(made)
                outer.setdefault(name, []).append(layer)
        self._several(outer)
        for layer in self.makers.values():
            if not layer.readers:
                end = Layer("OutputLayer", (), (layer.dims,))
                connect(layer, end)
                self.net.outputs.append(end)

    def _several(self, outer: dict[str, list[Layer]]) -> None:
        """Calibration hands over the first input and no other."""
        inputs = [name for name in outer if not self.graph.is_constant(name)]
        if len(inputs) > 1:
            self.net.refuse(None, "several-inputs", None, {"inputs": len(inputs)})
        for name, readers in outer.items():
            if self.graph.is_constant(name):
                what = f"'{name}' is a constant; nncase 0.1 takes it for an input and calibrates one input only"
                self.net.refuse(next(iter(readers[0].origin), None), ARGUMENT, None, {"what": what})
            elif len(readers) > 1:
                what = f"{len(readers)} layers read the input; nncase 0.1 makes an input for each and calibrates one"
                self.net.refuse(next(iter(readers[1].origin), None), ARGUMENT, None, {"what": what})


class Unknown(Exception):
    """A shape is not known."""


def _not_imported(node: Node) -> str:
    number = 113 + NUMBERED.index(node.native_op) if node.native_op in NUMBERED else None
    return f"Fatal: Layer {node.native_op if number is None else number} is not supported"


def _behind(graph: Graph, node: Node) -> list[Node]:
    """Normalisation and activation that a converter to TFLite puts into the operator before them."""
    found: list[Node] = []
    while True:
        output = (found[-1] if found else node).outputs[0]
        readers = graph.consumers(output)
        if len(readers) != 1 or output in graph.outputs:
            return found
        behind = readers[0]
        if behind.op in BatchNormalization.ops and node.op in Conv.ops and not found:
            found.append(behind)
        elif (behind.op == "Relu" or _relu6(graph, behind)) and node.op in FUSING:
            return [*found, behind]
        else:
            return found


def _relu6(graph: Graph, node: Node) -> bool:
    if node.op != "Clip":
        return False
    values = [graph.value(name) for name in node.inputs[1:] if name]
    ends = tuple(float(value.reshape(-1)[0]) for value in values if value is not None and value.size == 1)
    return (ends or (node.attributes.get("min"), node.attributes.get("max"))) == (0.0, 6.0)
