"""The models that ``run.py`` measures with, written into a cache folder the first time they are asked for.

    python benchmarks/models.py FOLDER [NODES ...]

prints their names and paths as JSON, with a chain of residual blocks for every number of nodes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

REPOSITORY = Path(__file__).resolve().parent.parent
VERSION = 1
"""Part of every cached file's name: raise it when what is written changes."""


def main(arguments: Sequence[str]) -> None:
    cache, sizes = Path(arguments[0]), [int(size) for size in arguments[1:]]
    models = {"YOLOv8n-like": yolov8n(cache), "DenseNet121 (light)": densenet121(), "MobileNetV2": mobilenet_v2(cache)}
    models |= {f"chain of {size}": chain(cache, size) for size in sizes}
    print(json.dumps({name: str(path) for name, path in models.items()}))


def yolov8n(cache: Path) -> Path:
    """A detector of YOLOv8n's shape at 320x320: 57 convolutions with SiLU, 3.0 million random weights (12 MB), and
    the arithmetic by which an export with open image sizes computes its anchors. 323 nodes."""
    return _cached(cache / f"yolov8n_like-{VERSION}.onnx", lambda: Yolo().model())


def chain(cache: Path, nodes: int) -> Path:
    """Residual blocks of 16 channels at 32x32, one behind the other. ``nodes`` is a multiple of 5."""
    return _cached(cache / f"chain_{nodes}-{VERSION}.onnx", lambda: _chain(nodes // 5))


def densenet121() -> Path:
    """DenseNet-121 of opset 9 as the onnx package ships it: every weight is replaced by a node that makes it."""
    return Path(onnx.__file__).parent / "backend/test/data/light/light_densenet121.onnx"


def mobilenet_v2(cache: Path) -> Path:
    """MobileNetV2 of half width at 224x224 with 250 classes as a float TFLite file of 4 MB, random weights."""
    return _cached(cache / f"mobilenet_v2-{VERSION}.tflite", _mobilenet_v2)


def _cached(path: Path, build: Callable[[], bytes]) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(build())
    return path


class Net:
    """An ONNX graph under construction. Every method adds nodes and returns the name of the result."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []
        self.random = np.random.default_rng(seed)

    def op(self, op_type: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> str:
        """Adds a node. The results of one with several outputs end in ``_0``, ``_1``, ..."""
        name = f"/{op_type}_{len(self.nodes)}"
        made = [f"{name}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op_type, list(inputs), made, name=name, **attributes))
        return made[0]

    def constant(self, values: object, dtype: str = "int64") -> str:
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, dtype), name))
        return name

    def weight(self, *shape: int) -> str:
        name = f"weight_{len(self.weights)}"
        values = self.random.standard_normal(shape, dtype=np.float32) * 0.05
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, x: str, channels: int, out: int, kernel: int = 1, stride: int = 1) -> str:
        weights = [self.weight(out, channels, kernel, kernel), self.weight(out)]
        pads, shape = [kernel // 2] * 4, [kernel, kernel]
        return self.op("Conv", [x, *weights], kernel_shape=shape, pads=pads, strides=[stride, stride])

    def silu(self, x: str) -> str:
        return self.op("Mul", [x, self.op("Sigmoid", [x])])

    def serialized(self, name: str, shape: Sequence[int], output: str, out_shape: Sequence[int]) -> bytes:
        """The finished model with one float input ``image``, every tensor's shape stated."""
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, out_shape)],
            self.weights,
        )
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        return bytes(onnx.shape_inference.infer_shapes(model, data_prop=True).SerializeToString())


class Yolo(Net):
    """The layers of YOLOv8n: three strides, each with boxes as distributions over 16 bins and 18 classes."""

    CLASSES = 18
    LEVELS = ((64, 8, 40), (128, 16, 20), (256, 32, 10))
    """channels, stride, and height and width of the feature maps"""

    def model(self) -> bytes:
        c4, c6, c9 = self.backbone()
        p4 = self.c2f(self.joined(self.upsampled(c9), c6), 384, 128)
        p3 = self.c2f(self.joined(self.upsampled(p4), c4), 192, 64)
        p4 = self.c2f(self.joined(self.block(p3, 64, 64, 3, 2), p4), 192, 128)
        p5 = self.c2f(self.joined(self.block(p4, 128, 128, 3, 2), c9), 384, 256)
        output = self.detect((p3, p4, p5))
        return self.serialized("yolov8n_like", (1, 3, 320, 320), output, (1, 4 + self.CLASSES, 2100))

    def backbone(self) -> tuple[str, str, str]:
        x = self.block(self.block("image", 3, 16, 3, 2), 16, 32, 3, 2)
        x = self.block(self.c2f(x, 32, 32, shortcuts=1), 32, 64, 3, 2)
        c4 = self.c2f(x, 64, 64, shortcuts=2)
        c6 = self.c2f(self.block(c4, 64, 128, 3, 2), 128, 128, shortcuts=2)
        c8 = self.c2f(self.block(c6, 128, 256, 3, 2), 256, 256, shortcuts=1)
        pools = [self.block(c8, 256, 128)]
        for _ in range(3):
            pools.append(self.op("MaxPool", pools[-1:], kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1]))
        return c4, c6, self.block(self.joined(*pools), 512, 256)

    def block(self, x: str, channels: int, out: int, kernel: int = 1, stride: int = 1) -> str:
        return self.silu(self.conv(x, channels, out, kernel, stride))

    def joined(self, *parts: str) -> str:
        return self.op("Concat", parts, axis=1)

    def upsampled(self, x: str) -> str:
        scales = self.constant([1, 1, 2, 2], "float32")
        how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.op("Resize", [x, "", scales], 1, mode="nearest", **how)

    def c2f(self, x: str, channels: int, out: int, shortcuts: int = 0) -> str:
        half = out // 2
        first = self.op("Split", [self.block(x, channels, out), self.constant([half, half])], 2, axis=1)
        parts = [first, first.replace("_output_0", "_output_1")]
        for _ in range(max(shortcuts, 1)):
            y = self.block(self.block(parts[-1], half, half, 3), half, half, 3)
            parts.append(self.op("Add", [parts[-1], y]) if shortcuts else y)
        return self.block(self.joined(*parts), half * len(parts), out)

    def detect(self, maps: Sequence[str]) -> str:
        raw, points, strides = [], [], []
        for x, (channels, stride, _) in zip(maps, self.LEVELS, strict=True):
            box = self.conv(self.block(self.block(x, channels, 64, 3), 64, 64, 3), 64, 64)
            score = self.conv(self.block(self.block(x, channels, 64, 3), 64, 64, 3), 64, self.CLASSES)
            both = self.joined(box, score)
            flat = self.op(
                "Concat", [self.size(both, 0), self.constant([64 + self.CLASSES]), self.constant([-1])], axis=0
            )
            raw.append(self.op("Reshape", [both, flat]))
            point, scale = self.anchors(both, stride)
            points.append(point)
            strides.append(scale)
        anchors = self.op("Unsqueeze", [self.transposed(self.op("Concat", points, axis=0)), self.constant([0])])
        stride_row = self.transposed(self.op("Concat", strides, axis=0))
        split = self.op("Split", [self.op("Concat", raw, axis=2), self.constant([64, self.CLASSES])], 2, axis=1)
        boxes = self.boxes(split, anchors)
        scores = self.op("Sigmoid", [split.replace("_output_0", "_output_1")])
        return self.joined(self.op("Mul", [boxes, stride_row]), scores)

    def anchors(self, x: str, stride: int) -> tuple[str, str]:
        """Centres (cells, 2) of a map's cells and its stride (cells, 1), worked out from the map's own shape."""
        sizes, axes, ranges = [], [], []
        for axis in (2, 3):
            size = self.op("Gather", [self.op("Shape", [x]), self.constant(axis)], axis=0)
            sizes.append(self.op("Unsqueeze", [size, self.constant([0])]))
            steps = self.op("Range", [self.constant(0), size, self.constant(1)])
            ranges.append(self.op("Cast", [steps], to=TensorProto.FLOAT))
        grid = self.op("Concat", sizes, axis=0)
        for values, ways in zip(ranges, ([-1, 1], [1, -1]), strict=True):
            centre = self.op("Add", [values, self.constant(0.5, "float32")])
            column = self.op("Expand", [self.op("Reshape", [centre, self.constant(ways)]), grid])
            axes.append(self.op("Unsqueeze", [column, self.constant([-1])]))
        pairs = self.op("Reshape", [self.op("Concat", axes[::-1], axis=-1), self.constant([-1, 2])])
        cells = self.op("Concat", [self.op("Mul", sizes), self.constant([1])], axis=0)
        value = numpy_helper.from_array(np.array([stride], np.float32))
        return pairs, self.op("ConstantOfShape", [cells], value=value)

    def size(self, x: str, axis: int) -> str:
        """Size of one axis as a list of one, for a list of sizes."""
        return self.op("Gather", [self.op("Shape", [x]), self.constant([axis])], axis=0)

    def transposed(self, x: str) -> str:
        return self.op("Transpose", [x], perm=[1, 0])

    def boxes(self, x: str, anchors: str) -> str:
        """Distributions over distances to the four sides become centre, width and height."""
        shape = self.op("Shape", [x])
        batch, cells = (self.op("Gather", [shape, self.constant([axis])], axis=0) for axis in (0, 2))
        four = self.op("Concat", [batch, self.constant([4]), self.constant([16]), cells], axis=0)
        bins = self.op("Reshape", [x, four])
        likely = self.op("Softmax", [self.op("Transpose", [bins], perm=[0, 2, 1, 3])], axis=1)
        weights = self.constant(np.arange(16).reshape(1, 16, 1, 1), "float32")
        distance = self.op("Conv", [likely, weights], kernel_shape=[1, 1])
        sides = self.op("Reshape", [distance, self.constant([1, 4, -1])])
        ends = [[self.constant([v]) for v in (begin, begin + 2, 1, 1)] for begin in (0, 2)]
        low = self.op("Sub", [anchors, self.op("Slice", [sides, *ends[0]])])
        high = self.op("Add", [anchors, self.op("Slice", [sides, *ends[1]])])
        centre = self.op("Div", [self.op("Add", [low, high]), self.constant(2.0, "float32")])
        return self.joined(centre, self.op("Sub", [high, low]))


def _chain(blocks: int) -> bytes:
    net = Net()
    x = net.conv("image", 3, 16, kernel=3)
    for _ in range(blocks):
        y = net.silu(net.conv(x, 16, 16, kernel=3))
        x = net.op("Relu", [net.op("Add", [x, y])])
    return net.serialized(f"chain_{blocks}", (1, 3, 32, 32), x, (1, 16, 32, 32))


def _mobilenet_v2() -> bytes:
    sys.path.append(str(REPOSITORY / "tests"))
    import tflite
    from tflite_writer import Op, T, tflite_model

    random = np.random.default_rng(0)
    tensors, ops = [T("image", (1, 224, 224, 3))], list[Op]()

    def result(*shape: int) -> str:
        tensors.append(T(f"t{len(tensors)}", shape))
        return tensors[-1].name

    def weights(*shape: int) -> str:
        values = random.standard_normal(shape, dtype=np.float32) * 0.05
        tensors.append(T(f"w{len(tensors)}", shape, data=values))
        return tensors[-1].name

    def conv(x: str, out: int, kernel: int = 1, stride: int = 1, *, relu6: bool = True, depthwise: bool = False) -> str:
        _, height, _, channels = shape_of(x)
        side = -(-height // stride)
        options: dict[str, Any] = {"StrideW": stride, "StrideH": stride, "Padding": tflite.Padding.SAME}
        options["FusedActivationFunction"] = tflite.ActivationFunctionType.RELU6 if relu6 else 0
        if depthwise:
            inputs = f"{x} {weights(1, kernel, kernel, out)} {weights(out)}"
            y = result(1, side, side, out)
            ops.append(Op("DEPTHWISE_CONV_2D", inputs, y, "DepthwiseConv2DOptions", DepthMultiplier=1, **options))
        else:
            inputs = f"{x} {weights(out, kernel, kernel, channels)} {weights(out)}"
            y = result(1, side, side, out)
            ops.append(Op("CONV_2D", inputs, y, "Conv2DOptions", **options))
        return y

    def shape_of(name: str) -> tuple[int, ...]:
        return next(tensor.shape for tensor in tensors if tensor.name == name)

    x = conv("image", 16, kernel=3, stride=2)
    # expansion, output channels at width 0.5, repetitions, stride of the first
    for expansion, out, repetitions, first in (
        (1, 8, 1, 1),
        (6, 16, 2, 2),
        (6, 16, 3, 2),
        (6, 32, 4, 2),
        (6, 48, 3, 1),
        (6, 80, 3, 2),
        (6, 160, 1, 1),
    ):
        for index in range(repetitions):
            channels, stride = shape_of(x)[3], first if index == 0 else 1
            y = conv(x, channels * expansion) if expansion > 1 else x
            y = conv(y, channels * expansion, kernel=3, stride=stride, depthwise=True)
            y = conv(y, out, relu6=False)
            if index > 0:
                added = result(*shape_of(y))
                ops.append(Op("ADD", f"{x} {y}", added, "AddOptions"))
                y = added
            x = y
    x = conv(x, 1280)
    pooled, dense, bias = result(1, 1280), weights(250, 1280), weights(250)
    logits = result(1, 250)
    tensors.append(T("axes", (2,), "INT32", [1, 2]))
    ops.append(Op("MEAN", f"{x} axes", pooled, "ReducerOptions", KeepDims=False))
    ops.append(Op("FULLY_CONNECTED", f"{pooled} {dense} {bias}", logits, "FullyConnectedOptions"))
    return tflite_model(tensors, ops, "image", logits)


if __name__ == "__main__":
    main(sys.argv[1:])
