"""What nncase 0.1 makes of each operator it reads.

Source: nncase v0.1.0-rc5, src/NnCase.Converter/Converters/TfLiteToGraphConverter.cs.
"""

from __future__ import annotations

from lintmodel.ir import Conv, Gemm, Graph, Node, Pad, Pool, Reduce
from lintmodel.ir.windows import Windowed
from lintmodel.target import Target

from .v01_importer import ARGUMENT, NO_INDEX, Importer, Reader, Unknown
from .v01_layers import Dims, Layer, Refused, Window, connect, spoken

NO_OBJECT = "Fatal: Object reference not set to an instance of an object."
ONE_PIXEL = ((0, 0), (1, 1), (1, 1), (0, 0))
"""The only padding it reads: one pixel on every side, N,H,W,C."""
ONLY_ONE_PIXEL = "Fatal: Layer Pad is not supported: Only paddings of [[0,0],[1,1],[1,1],[0,0]] is supported"


def importer(graph: Graph, target: Target) -> Importer:
    """An importer for a network; one in another format than TFLite may have a few operators more."""
    return Importer(graph, target, READERS if graph.format == "tflite" else OTHER_FORMATS)


# ---- windows


def _window(view: Windowed, kernel: tuple[int, int], dims: Dims) -> tuple[Window, bool]:
    """The window over a map, and whether a padding of one pixel stands before it. Raises Refused for other paddings."""
    stride = view.stride
    auto = str(view.node.attributes.get("auto_pad", "NOTSET"))
    if auto.startswith("SAME") or auto == "VALID":
        return Window(kernel, stride, auto != "VALID"), False
    pads = view.pads
    if pads == (0, 0, 0, 0):
        return Window(kernel, stride, same=False), False
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, view.dilation, strict=True)]
    both = zip(dims[2:], stride, reach, strict=True)
    high, wide = (max(0, (-(-size // step) - 1) * step + r - size) for size, step, r in both)
    if pads == (high // 2, wide // 2, high - high // 2, wide - wide // 2):
        return Window(kernel, stride, same=True), False
    if pads == (1, 1, 1, 1):
        return Window(kernel, stride, same=False), True
    raise Refused("pad-amounts", ONLY_ONE_PIXEL, amounts=((0, 0), pads[::2], pads[1::2], (0, 0)))


def _padded(im: Importer, node: Node, layer: Layer) -> Layer:
    """The layer with a padding of one pixel before it, which belongs to the same node."""
    n, c, high, wide = layer.wants[0]
    pad = Layer("Pad", (n, c, high + 2, wide + 2), layer.wants, (), f"{node.inputs[0]}_padded")
    im.reads = [(pad, 0, name) if at is layer else (at, k, name) for at, k, name in im.reads]
    layer.wants, layer.dims = (pad.dims,), layer.dims
    connect(pad, layer)
    return pad


def conv(im: Importer, node: Node) -> None:
    view = Conv(im.graph, node)
    if len(node.inputs) < 3 and im.tflite:
        raise Refused("conv-without-bias", NO_INDEX)
    dims = im.dims(view.x)
    if len(dims) != 4:
        raise Refused(ARGUMENT, NO_INDEX, what="convolution over a tensor with 2 axes; nncase 0.1 convolves maps")
    if not view.weight.known or len(view.weight.sizes) != 4:
        raise Unknown
    count, channels, sizes = im.weights(node.inputs[1]), dims[1], view.weight.sizes
    depthwise = node.native_op == "DEPTHWISE_CONV_2D" or (not im.tflite and view.groups == channels > 1)
    outputs = sizes[-1] if depthwise and im.tflite else sizes[0]
    multiplier = int(node.attributes.get("depth_multiplier", outputs // max(1, channels)))
    if depthwise and multiplier != 1 and channels != 1:
        message = "Fatal: Layer DEPTHWISE_CONV_2D is not supported: depth_multiplier must be 1"
        raise Refused("depth-multiplier", message, in_channels=channels, out_channels=outputs)
    if not depthwise and view.groups != 1:
        what = f"{view.groups} groups; nncase 0.1 has ordinary and depthwise convolutions"
        raise Refused(ARGUMENT, None, what=what)
    depthwise = depthwise and multiplier == 1
    window, padded = _window(view, view.kernel, dims)
    layer = im.add("DepthwiseConv2d" if depthwise else "Conv2d", node, node.inputs[0])
    if padded:
        _padded(im, node, layer)
    layer.window, layer.depthwise, layer.weights = window, depthwise, count
    layer.dims = (dims[0], outputs, *window.over(layer.wants[0]))
    layer.activation = im.activation(node)
    if view.dilation != (1, 1):
        layer.ignored = (f"the dilation {view.dilation[0]}x{view.dilation[1]}",)
    im.writes(node, layer)


def pool(im: Importer, node: Node) -> None:
    view = Pool(im.graph, node)
    kind = "MaxPool2d" if view.kind == "max" else "AveragePool2d"
    layer = im.add(kind, node, node.inputs[0])
    if len(layer.dims) != 4:
        raise Refused(ARGUMENT, NO_INDEX, what="pool over a tensor with 2 axes; nncase 0.1 pools maps")
    layer.window = Window((layer.dims[2], layer.dims[3]), (1, 1), same=False)
    if not view.is_global:
        layer.window, padded = _window(view, view.kernel, layer.dims)
        if padded:
            _padded(im, node, layer)
    layer.dims = (*layer.dims[:2], *layer.window.over(layer.wants[0]))
    layer.activation = im.activation(node)
    im.writes(node, layer)


def space_to_batch(im: Importer, node: Node) -> None:
    _one_pixel(im, node, "SpaceToBatchNd")


def pad(im: Importer, node: Node) -> None:
    view = Pad(im.graph, node)
    if not view.x.known:
        raise Unknown
    amounts = view.amounts
    if amounts is not None and not im.tflite and len(amounts) == 4:
        amounts = (amounts[0], amounts[2], amounts[3], amounts[1])
    if amounts != ONE_PIXEL:
        raise Refused("pad-amounts", ONLY_ONE_PIXEL, amounts=amounts)
    _one_pixel(im, node, "Pad")


def _one_pixel(im: Importer, node: Node, kind: str) -> None:
    layer = im.add(kind, node, node.inputs[0])
    if len(layer.dims) != 4:
        raise Refused(ARGUMENT, NO_INDEX, what="padding of a tensor with 2 axes; nncase 0.1 pads maps")
    layer.dims = (*layer.dims[:2], layer.dims[2] + 2, layer.dims[3] + 2)
    im.writes(node, layer)


# ---- other operators


def dense(im: Importer, node: Node) -> None:
    view = Gemm(im.graph, node)
    if im.tflite and len(node.inputs) < 3:
        raise Refused("dense-without-bias", NO_INDEX)
    source, name = im.dims(view.x), node.inputs[0]
    if not view.b.known or len(view.b.sizes) != 2:
        raise Unknown
    if not view.weighted:
        raise Refused(ARGUMENT, None, what="product of two computed matrices; nncase 0.1 has weights in the file only")
    count = im.weights(node.inputs[1])
    layer = Layer("FullyConnected", (source[0], view.out_features), (source,), (node.name,), weights=count)
    if len(source) == 4 and source[2:] != (1, 1):
        flat = im.add("TensorflowFlatten", node, name, dims=(source[0], view.in_features))
        layer.wants = (flat.dims,)
        connect(flat, layer)
    else:
        im.reads.append((layer, 0, name))
    layer.activation = im.activation(node)
    im.writes(node, layer)


def add(im: Importer, node: Node) -> None:
    layer = im.add("Add", node, *node.inputs[:2])
    ignored = [f"the activation {node.attributes['activation']}"] if node.attributes.get("activation") else []
    if layer.wants[0] != layer.wants[1]:
        ignored.append(f"the spreading of {spoken(layer.wants[1])} over {spoken(layer.wants[0])}")
    layer.ignored = tuple(ignored)
    im.writes(node, layer)
    if layer.activation:  # of another format: TFLite's converter fuses it
        layer.ignored, layer.activation = (*layer.ignored, f"the activation {layer.activation}"), ""


def mul(im: Importer, node: Node) -> None:
    numbers = [name for name in node.inputs if im.graph.is_constant(name) and _single(im, name)]
    others = [name for name in node.inputs if name not in numbers]
    if len(numbers) != 1 or len(others) != 1:
        message = "Fatal: Layer tflite.Operator is not supported: Only scalar multiply is supported"
        raise Refused(ARGUMENT, message, what="product of two tensors; nncase 0.1 multiplies by a single number only")
    layer = im.add("Mul", node, others[0])
    layer.scalar = True
    im.writes(node, layer)


def _single(im: Importer, name: str) -> bool:
    shape = im.graph.tensor(name).shape
    return shape == () or (not im.tflite and shape == (1,))


def maximum(im: Importer, node: Node) -> None:
    im.writes(node, im.add("Maximum", node, *node.inputs[:2]))


def by_name(kind: str) -> Reader:
    def read(im: Importer, node: Node) -> None:
        layer = im.add(kind, node, node.inputs[0])
        if kind in ("Softmax", "Logistic") and layer.elements > layer.dims[1]:
            layer.ignored = (f"all but the first {layer.dims[1]} of {layer.elements} values",)
        im.writes(node, layer)

    return read


def l2_normalization(im: Importer, node: Node) -> None:
    layer = im.add("L2Normalization", node, node.inputs[0])
    if len(layer.dims) == 4 and layer.dims[2:] != (1, 1):
        flat = Layer("TensorflowFlatten", (layer.dims[0], layer.elements // layer.dims[0]), layer.wants, (node.name,))
        im.reads = [(flat, 0, name) if at is layer else (at, k, name) for at, k, name in im.reads]
        layer.wants, layer.dims = (flat.dims,), flat.dims
        connect(flat, layer)
    im.writes(node, layer)


def concat(im: Importer, node: Node) -> None:
    axis = int(node.attributes.get("axis", 0))
    if axis != 3 if im.tflite else axis not in (1, -3):
        what = f"concatenation along axis {axis}; nncase 0.1 has axis 3, the channels"
        raise Refused(ARGUMENT, "Fatal: Axis of concatenation must be 3.", what=what)
    layer = im.add("Concatenation", node, *(name for name in node.inputs if name))
    layer.dims = (layer.dims[0], sum(dims[1] for dims in layer.wants), *layer.dims[2:])
    if node.attributes.get("activation"):
        layer.ignored = (f"the activation {node.attributes['activation']}",)
    im.writes(node, layer)


def resize(im: Importer, node: Node) -> None:
    if node.attributes.get("mode", "nearest") != "nearest":
        raise Refused("operator-not-imported", "Fatal: Layer RESIZE_BILINEAR is not supported", operator=node.native_op)
    output = im.dims(im.graph.tensor(node.outputs[0]))
    im.writes(node, im.add("ResizeNearestNeighbor", node, node.inputs[0], dims=output))


def mean(im: Importer, node: Node) -> None:
    axes = Reduce(im.graph, node).axes
    written = im.graph.integers(node.inputs[1]) if im.tflite and len(node.inputs) > 1 else axes
    if axes != ((1, 2) if im.tflite else (2, 3)) or written != axes:
        message = "Fatal: Layer tflite.Operator is not supported: Only [1,2] axis mean is supported"
        raise Refused(ARGUMENT, message, what=f"mean over axes {list(written or ())}; nncase 0.1 has [1, 2] only")
    layer = im.add("GlobalAveragePool", node, node.inputs[0])
    layer.dims = (*layer.dims[:2], 1, 1)
    reshape = Layer("Reshape", im.dims(im.graph.tensor(node.outputs[0])), (layer.dims,), (node.name,))
    connect(layer, reshape)
    im.writes(node, reshape)


def reshape(im: Importer, node: Node) -> None:
    if im.tflite and node.op == "Reshape" and not node.attributes.get("new_shape"):
        what = "the new shape is an input and not among the options, where nncase 0.1 looks for it"
        raise Refused(ARGUMENT, NO_OBJECT, what=what)
    output = im.dims(im.graph.tensor(node.outputs[0]))
    im.writes(node, im.add("TensorflowReshape", node, node.inputs[0], dims=output))


def identity(im: Importer, node: Node) -> None:
    """Converters to TFLite leave it out."""
    layer = Layer("Reshape", (), ((),), (node.name,), node.outputs[0])
    layer.dims = im.dims(im.graph.tensor(node.inputs[0]))
    layer.wants = (layer.dims,)
    im.reads.append((layer, 0, node.inputs[0]))
    im.makers[node.outputs[0]] = layer


READERS: dict[str, Reader] = {
    "Conv": conv,
    "MaxPool": pool,
    "AveragePool": pool,
    "GlobalAveragePool": pool,
    "SpaceToBatch": space_to_batch,
    "Pad": pad,
    "Gemm": dense,
    "Add": add,
    "Mul": mul,
    "Max": maximum,
    "Softmax": by_name("Softmax"),
    "Sigmoid": by_name("Logistic"),
    "LeakyRelu": by_name("LeakyRelu"),
    "LpNormalization": l2_normalization,
    "Concat": concat,
    "Resize": resize,
    "ReduceMean": mean,
    "Reshape": reshape,
    "Flatten": reshape,
}
OTHER_FORMATS: dict[str, Reader] = READERS | {
    "MatMul": dense,
    "Upsample": resize,
    "Identity": identity,
    "Dropout": identity,
}
