"""The networks of the recorded verdicts of RKNN-Toolkit2, by the names of the recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lintmodel.ir import Constant, Graph, GraphBuilder, Tensor
from lintmodel.normalize import normalize

Build = Callable[[GraphBuilder], GraphBuilder]


def network(name: str) -> Graph:
    """A network with ones as weights: the toolkit drops branches whose weights are all zeros."""
    graph = normalize(NETWORKS[name](GraphBuilder()).graph())
    return graph.with_(tensors={name: _filled(tensor) for name, tensor in graph.tensors.items()})


def _filled(tensor: Tensor) -> Tensor:
    if tensor.constant is None or tensor.dtype != "float32" or tensor.constant.load().any():
        return tensor
    return replace(tensor, constant=Constant(lambda: np.ones(tensor.sizes, "float32")))


def _point(g: GraphBuilder, ins: int = 16, outs: int = 16, size: int | tuple[int, int] = 32) -> GraphBuilder:
    """A 1x1 convolution without bias, as most of these networks begin and end with."""
    return g.conv(ins, outs, kernel=1, bias=False, size=size)


def _after(op: str, **attributes: object) -> Build:
    """One operator between two 1x1 convolutions."""
    return lambda g: _point(_point(g).op(op, **attributes))  # type: ignore[arg-type]


def _mish(g: GraphBuilder) -> GraphBuilder:
    x = _point(g).current
    return _point(g.op("Softplus").op("Tanh").op("Mul", x))


def _strided_slice(g: GraphBuilder) -> GraphBuilder:
    _point(g)
    bounds: Sequence[Sequence[int]] = ((0, 0), (32, 32), (2, 3), (2, 2))
    names = [g.constant(np.array(values, "int64")) for values in bounds]
    return _point(g.op("Slice", *names, shape=(1, 16, 16, 16)))


def _quotient(g: GraphBuilder) -> GraphBuilder:
    x = _point(g).current
    y = g.conv(16, 16, kernel=1).current
    return _point(g.at(x).op("Div", y))


def _joined(g: GraphBuilder) -> GraphBuilder:
    _point(g).branch(lambda b: b.conv(16, 20, kernel=1), lambda b: b.conv(16, 12, kernel=1), join="Concat")
    return _point(g, 32)


def _pools(g: GraphBuilder) -> GraphBuilder:
    def pool(side: int) -> Build:
        return lambda b: b.max_pool(side, 1, (side // 2,) * 4)

    _point(g, size=20).branch(lambda b: b, pool(5), pool(9), pool(13), join="Concat")
    return _point(g, 64)


NETWORKS: dict[str, Build] = {
    "conv_k3": lambda g: _point(g, size=64).conv(16, 16),
    "conv_c20": lambda g: _point(g, 20, 20).conv(20, 20),
    "conv_k3_s2": lambda g: _point(g, size=80).conv(16, 16, stride=2),
    "conv_k3_g2": lambda g: _point(g, size=64).conv(16, 16, groups=2),
    "conv_k3_d18": lambda g: _point(g, size=80).conv(16, 16, dilation=18, pads=18),
    "dwconv_k3_s2": lambda g: _point(g, size=80).depthwise(16, stride=2),
    "dwconv_k3_s9": lambda g: _point(g, size=80).depthwise(16, stride=9),
    "maxpool_k13_s1": lambda g: _point(_point(g, size=64).max_pool(13, 1, (6, 6, 6, 6))),
    "avgpool_k8_s1": lambda g: _point(_point(g, size=64).average_pool(8, 1)),
    "gap_14": lambda g: _point(g, size=14).global_average_pool(),
    "spp_5_9_13": _pools,
    "act_silu": lambda g: _point(_point(g).silu()),
    "act_mish_decomp": _mish,
    "act_Sqrt": _after("Sqrt"),
    "act_Gelu20": lambda g: _after("Gelu")(g.with_opset(20)),
    "softmax13_4d_ax1": lambda g: _point(g, size=20).op("Softmax", axis=1),
    "transpose_0231": lambda g: _point(g, size=(24, 32)).op("Transpose", shape=(1, 24, 32, 16), perm=(0, 2, 3, 1)),
    "slice_hw_step2": _strided_slice,
    "bin_Div_same": _quotient,
    "bin_Min_scalar": lambda g: _point(_point(g).op("Min", g.constant(np.float32(0.5)))),
    "concat_c_20_12": _joined,
    "d2s_DCR_2": lambda g: _point(
        _point(g, 64, 64, 16).op("DepthToSpace", shape=(1, 16, 32, 32), blocksize=2, mode="DCR"),
    ),
    "ReduceMax_hw": lambda g: _point(g).op("ReduceMax", shape=(1, 16, 1, 1), axes=(2, 3), keepdims=1),
    "io_3d_relu": lambda g: g.input(1, 4, 64).relu(),
}
