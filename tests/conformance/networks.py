"""The networks of the recorded verdicts, as one line of the graph builder each. Names are those of the recordings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lintmodel.ir import GraphBuilder

Build = Callable[[GraphBuilder], GraphBuilder]


def _squeeze_and_excite(g: GraphBuilder) -> GraphBuilder:
    def gate(g: GraphBuilder) -> GraphBuilder:
        return g.global_average_pool().conv(16, 4, kernel=1).relu().conv(4, 16, kernel=1).sigmoid()

    g.conv(8, 16)
    x = g.current
    return gate(g).op("Mul", x, shape=(1, 16, 32, 32)).conv(16, 8)


def _upsample_and_join(g: GraphBuilder) -> GraphBuilder:
    g.input(1, 8, 32, 32)
    x = g.current
    scales = g.constant(np.float32([1, 1, 2, 2]))
    g.conv(8, 16, stride=2).op("Resize", "", scales, shape=(1, 16, 32, 32), mode="nearest")
    return g.op("Concat", x, shape=(1, 24, 32, 32), axis=1).conv(24, 8)


def _weights_in_front(g: GraphBuilder, ins: int, outs: int) -> GraphBuilder:
    """A Gemm whose matrix is inputs x outputs, not transposed."""
    return g.op("Gemm", g.zeros(ins, outs), g.constant(np.ones(outs, "float32")), shape=(g.shape[0], outs))


NETWORKS: dict[str, Build] = {
    "k5": lambda g: g.conv(8, 16, kernel=5),
    "k1x3": lambda g: g.conv(8, 16, kernel=(1, 3)),
    "k3s2_sym": lambda g: g.conv(8, 16, stride=2),
    "k3s1_valid": lambda g: g.conv(8, 16, pads=0),
    "k1s2": lambda g: g.conv(8, 16, kernel=1, stride=2),
    "k3s12": lambda g: g.conv(8, 16, stride=(1, 2)),
    "k3_pad2": lambda g: g.conv(8, 16, pads=2),
    "k3_nobias": lambda g: g.conv(8, 16, bias=False),
    "dw3": lambda g: g.depthwise(16),
    "dw3s2": lambda g: g.depthwise(16, stride=2),
    "dw3s2_asym": lambda g: g.depthwise(16, stride=2, pads=(0, 0, 1, 1)),
    "group2": lambda g: g.conv(8, 16, groups=2),
    "fm3x3": lambda g: g.conv(3, 4, size=3),
    "fm4x4": lambda g: g.conv(3, 4, size=4),
    "fm4x3": lambda g: g.conv(3, 4, size=(4, 3)),
    "fm257x64": lambda g: g.conv(3, 4, size=(257, 64)),
    "fm240x320": lambda g: g.conv(3, 4, size=(240, 320)),
    "fm256x256": lambda g: g.conv(3, 4, size=256),
    "fm6_s2out3": lambda g: g.conv(8, 16, stride=2, size=6),
    "fm8_s2out4": lambda g: g.conv(8, 16, stride=2, size=8),
    "c1024in": lambda g: g.conv(1024, 8, kernel=1, size=8),
    "c1025in": lambda g: g.conv(1025, 8, kernel=1, size=8),
    "c1025out": lambda g: g.conv(8, 1025, kernel=1, size=8),
    "kpuram_exact2M": lambda g: g.conv(16, 16, size=256),
    "kpuram_224x224x3_32": lambda g: g.conv(3, 32, size=224),
    "kpuram_240x320_24s2": lambda g: g.conv(3, 24, stride=2, size=(240, 320)),
    "kpuram_240x320_16": lambda g: g.conv(3, 16, size=(240, 320)),
    "act_LeakyRelu": lambda g: g.conv(8, 16).op("LeakyRelu", alpha=0.1),
    "act_Relu6": lambda g: g.conv(8, 16).clip(),
    "MaxPool_2_s2": lambda g: g.conv(8, 16).max_pool(2),
    "MaxPool_3_s2": lambda g: g.conv(8, 16).max_pool(3, 2),
    "MaxPool_4_s2": lambda g: g.conv(8, 16).max_pool(4, 2),
    "AveragePool_2_s2": lambda g: g.conv(8, 16).average_pool(2),
    "AveragePool_3_s2": lambda g: g.conv(8, 16).average_pool(3, 2),
    "AveragePool_4_s2": lambda g: g.conv(8, 16).average_pool(4, 2),
    "AveragePool_3_s1": lambda g: g.conv(8, 16).average_pool(3, 1),
    "MaxPool_2_s1_same": lambda g: g.conv(8, 16).max_pool(2, 1, (0, 0, 1, 1)),
    "relu_MaxPool_2_s2": lambda g: g.conv(8, 16).relu().max_pool(2),
    "MaxPool_2_s2_relu": lambda g: g.conv(8, 16).max_pool(2).relu(),
    "dw_MaxPool_2_s2": lambda g: g.depthwise(16).max_pool(2),
    "s2_then_MaxPool": lambda g: g.conv(8, 16, stride=2).max_pool(2),
    "MaxPool_6to3": lambda g: g.conv(8, 16, size=6).max_pool(2),
    "maxpool_alone": lambda g: g.input(1, 8, 32, 32).max_pool(2),
    "gemm_1025x10": lambda g: _weights_in_front(g.input(1, 1025), 1025, 10),
    "gemm_batch4": lambda g: _weights_in_front(g.input(4, 64), 64, 10),
    "batch2": lambda g: g.input(2, 8, 32, 32).conv(8, 16),
    "mp_relu_conv": lambda g: g.conv(8, 16).max_pool(2).relu().conv(16, 8, kernel=1),
    "gap_relu": lambda g: g.conv(8, 16).global_average_pool().relu(),
    "k5_relu": lambda g: g.conv(8, 16, kernel=5).relu(),
    "dw_s2_relu": lambda g: g.depthwise(16, stride=2).relu(),
    "dw_s2_leaky": lambda g: g.depthwise(16, stride=2).op("LeakyRelu", alpha=0.1),
    "h256_s2_asym": lambda g: g.conv(3, 8, stride=2, pads=(0, 0, 1, 1), size=256),
    "h255_s2": lambda g: g.conv(3, 8, stride=2, size=255),
    "dil2_s2": lambda g: g.conv(8, 16, stride=2, dilation=2),
    "cin1": lambda g: g.conv(1, 8),
    "conv_dw_same_c1": lambda g: g.conv(1, 1),
    "erf_u": lambda g: g.input(1, 8, 4, 4).op("Erf"),
    "mod_ns": lambda g: g.input(1, 8, 4, 4).op("Mod", g.constant(np.float32([2])), fmod=1),
    "frag_3_32_64_16@128": lambda g: g.conv(3, 32, size=128).conv(32, 64).conv(64, 16),
    "frag_8_32_64_64@128": lambda g: g.conv(8, 32, size=128).conv(32, 64).conv(64, 64),
    "frag_8_48_64_56@128": lambda g: g.conv(8, 48, size=128).conv(48, 64).conv(64, 56),
    "bn_unfused": lambda g: g.conv(8, 16).batch_norm(16).relu(),
    "se": _squeeze_and_excite,
    "upsample_concat": _upsample_and_join,
    "flatten_gemm_big": lambda g: _weights_in_front(g.conv(8, 16).flatten(), 16384, 10),
    "conv1x1_on_1x1": lambda g: g.conv(64, 10, kernel=1, size=1),
    "avgpool7": lambda g: g.conv(8, 16, size=7).average_pool(7, 1),
    "relu6_clip_pool": lambda g: g.conv(8, 16).clip().average_pool(2),
    "pw_then_dw_s2": lambda g: g.conv(16, 32, kernel=1).relu().depthwise(32, stride=2),
}
