"""Rewrites of convolutions, pools, dense layers and what stands around them."""

from __future__ import annotations

from nets import Case, net

_MAP = "(float[1,4,12,12] x) => (float[1,6,12,12] y)"
_HALF = "(float[1,4,12,12] x) => (float[1,6,6,6] y)"
_SAME = "(float[1,4,12,12] x) => (float[1,4,12,12] y)"


def _pool(size: int, out: int, attributes: str, count: str = "1") -> str:
    return f"(float[{count},4,{size},{size}] x) => (float[{count},4,{out},{out}] y) {{ y = MaxPool<{attributes}>(x) }}"


_SPP = (
    "(float[1,4,12,12] x) => (float[1,16,12,12] y) { "
    "a = MaxPool<kernel_shape=[5,5], pads=[2,2,2,2], strides=[1,1]>(x) "
    "b = MaxPool<kernel_shape=[9,9], pads=[4,4,4,4], strides=[1,1]>(x) "
    "c = MaxPool<kernel_shape=[13,13], pads=[6,6,6,6], strides=[1,1]>(x) y = Concat<axis=1>(x, a, b, c) }"
)

_FOCUS = (
    "(float[1,3,8,8] x) => (float[1,12,4,4] y) <int64[1] zero, int64[1] one, int64[1] two, int64[1] three, "
    "int64[1] end> { "
    "even = Slice(x, zero, end, two, two) odd = Slice(x, one, end, two, two) "
    "a = Slice(even, zero, end, three, two) b = Slice(odd, zero, end, three, two) "
    "c = Slice(even, one, end, three, two) d = Slice(odd, one, end, three, two) y = Concat<axis=1>(a, b, c, d) }"
)
_POSITIONS = {"zero": [0], "one": [1], "two": [2], "three": [3], "end": [2**31]}

_CROP = "<int64[2] from, int64[2] to, int64[2] axes, int64[2] steps> { y = Slice(x, from, to, axes, steps) }"


def _crop(start: int, step: int) -> dict[str, list[int]]:
    return {"from": [start, start], "to": [12, 12], "axes": [2, 3], "steps": [step, step]}


CASES = {
    "dense-to-conv": [
        Case(
            net(
                "(float[3,8] x) => (float[3,5] y) <float[8,5] w, float[5] b> { y = Gemm<alpha=0.5, beta=2.0>(x, w, b) }"
            ),
            "Reshape Conv Reshape",
        ),
        Case(
            net("(float[3,8] x) => (float[3,5] y) <float[5,8] w> { y = Gemm<transB=1>(x, w) }"), "Reshape Conv Reshape"
        ),
        Case(net("(float[3,8] x) => (float[3,5] y) <float[8,5] w> { y = MatMul(x, w) }"), "Reshape Conv Reshape"),
        Case(
            net("(float[2,7,8] x) => (float[2,7,5] y) <float[8,5] w> { y = MatMul(x, w) }"),
            "Transpose Reshape Conv Reshape Transpose",
        ),
    ],
    "conv-to-dense": [
        Case(
            net("(float[2,8,1,1] x) => (float[2,5,1,1] y) <float[5,8,1,1] w, float[5] b> { y = Conv(x, w, b) }"),
            "Flatten Gemm Reshape",
        ),
        Case(
            net("(float[2,8,4,3] x) => (float[2,5,1,1] y) <float[5,8,4,3] w> { y = Conv(x, w) }"),
            "Flatten Gemm Reshape",
        ),
    ],
    "mean-to-global-pool": [
        Case(
            net("(float[1,4,6,5] x) => (float[1,4,1,1] y) { y = ReduceMean<axes=[2,3]>(x) }"),
            "GlobalAveragePool",
        ),
        Case(
            net("(float[1,4,6,5] x) => (float[1,4] y) { y = ReduceMean<axes=[-1,-2], keepdims=0>(x) }"),
            "GlobalAveragePool Flatten",
        ),
        Case(
            net("(float[1,4,6,5] x) => (float[1,4,1,1] y) <int64[2] a> { y = ReduceMean(x, a) }", opset=18, a=[2, 3]),
            "GlobalAveragePool",
        ),
    ],
    "max-to-global-pool": [
        Case(
            net("(float[1,4,6,5] x) => (float[1,4] y) { y = ReduceMax<axes=[2,3], keepdims=0>(x) }"),
            "GlobalMaxPool Flatten",
        ),
    ],
    "global-pool-to-mean": [
        Case(net("(float[1,4,6,5] x) => (float[1,4,1,1] y) { y = GlobalAveragePool(x) }"), "ReduceMean"),
        Case(net("(float[1,4,6,5] x) => (float[1,4,1,1] y) { y = GlobalAveragePool(x) }", opset=18), "ReduceMean"),
    ],
    "split-global-pool": [
        Case(
            net("(float[1,4,32,40] x) => (float[1,4,1,1] y) { y = GlobalAveragePool(x) }"),
            "AveragePool GlobalAveragePool",
        ),
        Case(
            net("(float[1,4,12,6] x) => (float[1,4,1,1] y) { y = GlobalMaxPool(x) }"),
            "MaxPool GlobalMaxPool",
            [{"limit": 8}],
        ),
    ],
    "stack-max-pool": [
        Case(net(_pool(12, 12, "kernel_shape=[5,5], pads=[2,2,2,2]")), "MaxPool MaxPool"),
        Case(net(_pool(12, 8, "kernel_shape=[6,6], pads=[1,0,0,1], strides=[1,1]")), "MaxPool MaxPool MaxPool"),
        Case(net(_pool(15, 6, "kernel_shape=[5,5], strides=[2,2]")), "MaxPool MaxPool"),
        Case(net(_pool(27, 3, "kernel_shape=[8,8], strides=[8,8]")), "MaxPool MaxPool MaxPool"),
        Case(net(_pool(20, 14, "kernel_shape=[7,7], pads=[0,0,0,0]")), "MaxPool MaxPool", [{"limit": 4}]),
        Case(net(_pool(12, 12, 'kernel_shape=[9,9], auto_pad="SAME_UPPER"')), "MaxPool MaxPool MaxPool MaxPool"),
    ],
    "chain-spp": [Case(net(_SPP), "MaxPool MaxPool MaxPool Concat")],
    "focus-to-conv": [
        Case(net(_FOCUS, **_POSITIONS), "Conv"),
        Case(net("(float[1,3,8,8] x) => (float[1,12,4,4] y) { y = SpaceToDepth<blocksize=2>(x) }"), "Conv"),
    ],
    "slice-to-max-pool": [
        Case(net(f"(float[1,4,12,12] x) => (float[1,4,6,6] y) {_CROP}", **_crop(0, 2)), "MaxPool"),
        Case(net(f"(float[1,4,12,12] x) => (float[1,4,3,3] y) {_CROP}", **_crop(0, 5)), "MaxPool"),
    ],
    "stride-to-pool": [
        Case(
            net(f"{_HALF} <float[6,4,3,3] w> {{ y = Conv<strides=[2,2], pads=[1,1,1,1]>(x, w) }}"),
            "Conv MaxPool",
        ),
        Case(
            net(f'{_HALF} <float[6,4,3,3] w> {{ c = Conv<strides=[2,2], auto_pad="SAME_LOWER">(x, w) y = Relu(c) }}'),
            "Conv Relu MaxPool",
        ),
    ],
    "split-kernel": [
        Case(
            net(f"{_MAP} <float[6,4,5,5] w, float[6] b> {{ y = Conv<pads=[2,2,2,2]>(x, w, b) }}"),
            "Conv Slice Conv Slice Conv Slice Conv Add Add Add",
        ),
        Case(
            net(f"{_HALF} <float[6,2,7,7] w> {{ y = Conv<pads=[3,3,3,3], strides=[2,2], group=2>(x, w) }}"),
            "Conv Slice Conv Slice Conv Slice Conv Add Add Add",
            [{"limit": 4}],
        ),
        Case(
            net(
                "(float[1,4,12,12] x) => (float[1,6,12,6] y) <float[6,4,1,4] w> "
                "{ y = Conv<pads=[0,3,0,3], dilations=[1,4]>(x, w) }"
            ),
            "Slice Conv Slice Conv Add",
        ),
    ],
    "square-kernel": [
        Case(net(f"{_MAP} <float[6,4,1,3] w, float[6] b> {{ y = Conv<pads=[0,1,0,1]>(x, w, b) }}"), "Conv"),
        Case(net(f"{_MAP} <float[6,4,2,2] w> {{ y = Conv<pads=[0,1,1,0]>(x, w) }}"), "Conv"),
        Case(net(f"{_HALF} <float[6,4,2,2] w> {{ y = Conv<strides=[2,2]>(x, w) }}"), "Conv"),
    ],
    "dense-groups": [
        Case(net(f"{_MAP} <float[6,2,3,3] w, float[6] b> {{ y = Conv<group=2, pads=[1,1,1,1]>(x, w, b) }}"), "Conv"),
        Case(net(f"{_SAME} <float[4,1,3,3] w> {{ y = Conv<group=4, pads=[1,1,1,1]>(x, w) }}"), "Conv"),
    ],
    "split-groups": [
        Case(
            net(f"{_MAP} <float[6,2,3,3] w, float[6] b> {{ y = Conv<group=2, pads=[1,1,1,1]>(x, w, b) }}"),
            "Slice Conv Slice Conv Concat",
        ),
    ],
    "split-to-convs": [
        Case(
            net(
                "(float[1,6,4,4] x) => (float[1,2,4,4] a, float[1,4,4,4] b) <int64[2] s> "
                "{ a, b = Split<axis=1>(x, s) }",
                s=[2, 4],
            ),
            "Conv Conv",
        ),
        Case(
            net(
                "(float[1,6,4,4] x) => (float[1,2,4,4] y) <int64[1] f, int64[1] t, int64[1] a, int64[1] s> "
                "{ y = Slice(x, f, t, a, s) }",
                f=[1],
                t=[5],
                a=[1],
                s=[2],
            ),
            "Conv",
        ),
    ],
    "drop-output-padding": [
        Case(
            net(
                "(float[1,4,6,6] x) => (float[1,5,12,12] y) <float[4,5,3,3] w, float[5] b> "
                "{ y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]>(x, w, b) }"
            ),
            "ConvTranspose",
        ),
        Case(
            net(
                "(float[1,4,6,6] x) => (float[1,5,14,13] y) <float[4,5,3,3] w, float[5] b> "
                "{ y = ConvTranspose<strides=[2,2], output_padding=[1,0]>(x, w, b) }"
            ),
            "ConvTranspose",
        ),
    ],
    "conv-transpose-3x3": [
        Case(
            net(
                "(float[1,4,6,6] x) => (float[1,5,12,12] y) <float[4,5,2,2] w, float[5] b> "
                "{ y = ConvTranspose<strides=[2,2]>(x, w, b) }"
            ),
            "ConvTranspose",
        ),
    ],
    "activation-before-pool": [
        Case(
            net(
                "(float[1,4,12,12] x) => (float[1,4,6,6] y) "
                "{ p = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x) y = LeakyRelu(p) }"
            ),
            "LeakyRelu MaxPool",
        ),
        Case(
            net(
                "(float[1,4,12,12] x) => (float[1,4,6,6] y) <float low, float high> "
                "{ p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) y = Clip(p, low, high) }",
                low=0,
                high=6,
            ),
            "Clip MaxPool",
        ),
    ],
    "activation-before-concat": [
        Case(
            net(
                "(float[1,4,6,6] x, float[1,2,6,6] z) => (float[1,6,6,6] y) "
                "{ c = Concat<axis=1>(x, z) y = HardSwish(c) }"
            ),
            "HardSwish HardSwish Concat",
        ),
    ],
    "activation-before-slice": [
        Case(
            net(
                f"(float[1,4,12,12] x) => (float[1,4,6,6] y) {_CROP[:-1].replace('y =', 's =')} y = Relu(s) }}",
                **_crop(0, 2),
            ),
            "Relu Slice",
        ),
    ],
    "drop-ceil-mode": [
        Case(net(_pool(12, 6, "kernel_shape=[3,3], strides=[2,2], ceil_mode=1")), "MaxPool"),
        Case(net(_pool(12, 4, "kernel_shape=[3,3], strides=[3,3], ceil_mode=1")), "MaxPool"),
        Case(
            net(
                _pool(11, 6, "kernel_shape=[3,2], strides=[2,2], pads=[1,0,0,0], ceil_mode=1").replace("Max", "Average")
            ),
            "AveragePool",
        ),
    ],
    "average-pool-padding": [
        Case(
            net(_pool(12, 6, "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]").replace("Max", "Average")),
            "AveragePool Mul",
        ),
        Case(
            net(_pool(12, 12, 'kernel_shape=[3,2], auto_pad="SAME_UPPER"').replace("Max", "Average")),
            "AveragePool Mul",
        ),
    ],
    "min-to-max": [
        Case(net("(float[1,4,6,6] x, float[1,4,1,1] z) => (float[1,4,6,6] y) { y = Min(x, z) }"), "Neg Neg Max Neg"),
    ],
    "pad-to-slice": [
        Case(
            net(
                "(float[1,4,6,6] x) => (float[1,4,5,4] y) <int64[8] p> { y = Pad(x, p) }", p=[0, 0, -1, -1, 0, 0, 0, -1]
            ),
            "Slice",
        ),
    ],
    "squeeze-to-reshape": [
        Case(net("(float[1,4,1,1] x) => (float[1,4] y) <int64[2] a> { y = Squeeze(x, a) }", a=[2, 3]), "Reshape"),
        Case(net("(float[1,4] x) => (float[1,4,1] y) { y = Unsqueeze<axes=[2]>(x) }", opset=11), "Reshape"),
    ],
    "gather-to-slice": [
        Case(
            net("(float[1,4,6,6] x) => (float[1,6,6] y) <int64 i> { y = Gather<axis=1>(x, i) }", i=3), "Slice Reshape"
        ),
        Case(
            net("(float[1,4,6,6] x) => (float[1,4,6] y) <int64 i> { y = Gather<axis=-1>(x, i) }", i=-1), "Slice Reshape"
        ),
    ],
    "fold-residual": [
        Case(
            net(f"{_SAME} <float[4,4,3,3] w, float[4] b> {{ c = Conv<pads=[1,1,1,1]>(x, w, b) y = Add(c, x) }}"),
            "Conv",
        ),
        Case(
            net(
                f"{_HALF} <float[6,4,3,3] w, float[6] b, float[6,4,1,1] v> "
                "{ c = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w, b) d = Conv<strides=[2,2]>(x, v) y = Add(d, c) }"
            ),
            "Conv",
        ),
        Case(  # something else reads the convolution
            net(
                "(float[1,4,8,8] x) => (float[1,4,8,8] y, float[1,4,8,8] z) <float[4,4,1,1] w> "
                "{ z = Conv(x, w) y = Add(x, z) }"
            ),
            "Conv Conv",
        ),
    ],
}

OUTSIDE = {
    "dense-to-conv": [
        net("(float[3,8] x, float[8,5] w) => (float[3,5] y) { y = MatMul(x, w) }"),
        net("(float[8,3] x) => (float[3,5] y) <float[8,5] w> { y = Gemm<transA=1>(x, w) }"),
        net("(float[3,8] x) => (float[3,5] y) <float[8,5] w, float[3,1] b> { y = Gemm(x, w, b) }"),
    ],
    "conv-to-dense": [
        net("(float[2,8,2,1] x) => (float[2,5,2,1] y) <float[5,8,1,1] w> { y = Conv(x, w) }"),
        net("(float[2,8,1,1] x) => (float[2,4,1,1] y) <float[4,4,1,1] w> { y = Conv<group=2>(x, w) }"),
        net("(float[2,8,3,3] x) => (float[2,4,3,3] y) <float[4,8,3,3] w> { y = Conv<pads=[1,1,1,1]>(x, w) }"),
    ],
    "mean-to-global-pool": [
        net("(float[1,4,6,5] x) => (float[1,1,1,5] y) { y = ReduceMean<axes=[1,2]>(x) }"),
        net("(float[1,4,6] x) => (float[1,4,1] y) { y = ReduceMean<axes=[2]>(x) }"),
    ],
    "max-to-global-pool": [net("(int64[1,4,6,5] x) => (int64[1,4,1,1] y) { y = ReduceMax<axes=[2,3]>(x) }")],
    "global-pool-to-mean": [net("(float[1,4,6] x) => (float[1,4,1] y) { y = GlobalAveragePool(x) }")],
    "split-global-pool": [
        net("(float[1,4,16,16] x) => (float[1,4,1,1] y) { y = GlobalAveragePool(x) }"),
        net("(float[1,4,17,17] x) => (float[1,4,1,1] y) { y = GlobalAveragePool(x) }"),
    ],
    "stack-max-pool": [
        net(_pool(12, 4, "kernel_shape=[3,3], strides=[3,3]")),
        net(_pool(12, 4, "kernel_shape=[5,5], dilations=[2,2]")),
        net(_pool(12, 5, "kernel_shape=[5,5], strides=[2,2], ceil_mode=1")),
    ],
    "chain-spp": [
        net(
            _SPP.replace("=[9,9], pads=[4,4,4,4]", "=[9,9], pads=[4,4,4,4], dilations=[1,1]")
            .replace("[5,5]", "[4,4]")
            .replace("pads=[2,2,2,2]", "pads=[1,1,2,2]")
            .replace("[13,13], pads=[6,6,6,6]", "[8,8], pads=[3,3,4,4]")
        ),
    ],
    "focus-to-conv": [
        net(_FOCUS.replace("[1,3,8,8]", "[1,3,7,8]"), **_POSITIONS),
        net(_FOCUS.replace("axis=1", "axis=2"), **_POSITIONS),
    ],
    "slice-to-max-pool": [
        net(f"(float[1,4,12,12] x) => (float[1,4,6,6] y) {_CROP}", **_crop(1, 2)),
        net(f"(int64[1,4,12,12] x) => (int64[1,4,6,6] y) {_CROP}", **_crop(0, 2)),
        net(f"(float[1,4,12,12] x) => (float[1,4,12,12] y) {_CROP}", **_crop(0, 1)),
    ],
    "stride-to-pool": [net(f"{_MAP} <float[6,4,1,1] w> {{ y = Conv(x, w) }}")],
    "split-kernel": [
        net(f"{_MAP} <float[6,4,11,11] w> {{ y = Conv<pads=[5,5,5,5]>(x, w) }}"),
        net(f"{_MAP} <float[6,4,3,3] w> {{ y = Conv<pads=[1,1,1,1]>(x, w) }}"),
        net("(float[1,4,12,12] x, float[6,4,5,5] w) => (float[1,6,8,8] y) { y = Conv(x, w) }"),
    ],
    "square-kernel": [net(f"{_MAP} <float[6,4,3,3] w> {{ y = Conv<pads=[1,1,1,1]>(x, w) }}")],
    "dense-groups": [net(f"{_MAP} <float[6,4,3,3] w> {{ y = Conv<pads=[1,1,1,1]>(x, w) }}")],
    "split-groups": [net(f"{_SAME} <float[4,1,3,3] w> {{ y = Conv<group=4, pads=[1,1,1,1]>(x, w) }}")],
    "split-to-convs": [
        net("(float[1,6,4,4] x) => (float[1,6,2,4] a, float[1,6,2,4] b) { a, b = Split<axis=2>(x) }"),
        net("(float[1,6] x) => (float[1,3] a, float[1,3] b) { a, b = Split<axis=1>(x) }"),
    ],
    "drop-output-padding": [
        net("(float[1,4,6,6] x) => (float[1,5,12,12] y) <float[4,5,2,2] w> { y = ConvTranspose<strides=[2,2]>(x, w) }"),
    ],
    "conv-transpose-3x3": [
        net(
            "(float[1,4,6,6] x) => (float[1,5,10,10] y) <float[4,5,2,2] w> "
            "{ y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(x, w) }"
        ),
    ],
    "activation-before-pool": [
        net(
            "(float[1,4,12,12] x) => (float[1,4,6,6] y) "
            "{ p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) y = LeakyRelu<alpha=-0.1>(p) }"
        ),
        net(
            "(float[1,4,12,12] x) => (float[1,4,6,6] y) "
            "{ p = AveragePool<kernel_shape=[2,2], strides=[2,2]>(x) y = Relu(p) }"
        ),
        net(
            "(float[1,4,12,12] x) => (float[1,4,6,6] y, float[1,4,6,6] p) "
            "{ p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) y = Relu(p) }"
        ),
    ],
    "activation-before-concat": [
        net("(float[1,4] x, float[1,2] z) => (float[1,6] y) { c = Concat<axis=1>(x, z) y = Softmax(c) }"),
    ],
    "activation-before-slice": [
        net(
            f"(float[1,4,12,12] x) => (float[1,4,6,6] y, float[1,4,6,6] s) "
            f"{_CROP[:-1].replace('y =', 's =')} y = Relu(s) }}",
            **_crop(0, 2),
        ),
    ],
    "drop-ceil-mode": [
        net(_pool(12, 6, "kernel_shape=[3,3], strides=[2,2], pads=[0,0,1,1]")),
        net(
            _pool(12, 6, "kernel_shape=[3,3], strides=[2,2], ceil_mode=1, count_include_pad=1").replace(
                "Max", "Average"
            ),
        ),
    ],
    "average-pool-padding": [
        net(_pool(12, 6, "kernel_shape=[2,2], strides=[2,2]").replace("Max", "Average")),
        net(_pool(12, 12, "kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1").replace("Max", "Average")),
    ],
    "min-to-max": [
        net("(float[1,4] x) => (float[1,4] y) <float six> { y = Min(x, six) }"),
        net("(int64[1,4] x, int64[1,4] z) => (int64[1,4] y) { y = Min(x, z) }"),
    ],
    "pad-to-slice": [
        net("(float[1,4,6,6] x) => (float[1,4,6,6] y) <int64[8] p> { y = Pad(x, p) }", p=[0, 0, -1, 0, 0, 0, 1, 0]),
    ],
    "squeeze-to-reshape": [
        net("(float[1] x) => (float y) { y = Squeeze(x) }"),
        net("(float[N,4,1] x) => (float[N,4] y) <int64[1] a> { y = Squeeze(x, a) }", a=[2]),
    ],
    "gather-to-slice": [
        net("(float[1,4,6,6] x) => (float[1,1,6,6] y) <int64[1] i> { y = Gather<axis=1>(x, i) }", i=[3]),
        net("(float[1,4,6,6] x, int64 i) => (float[1,6,6] y) { y = Gather<axis=1>(x, i) }"),
    ],
    "fold-residual": [
        net(f"{_SAME} <float[4,4,3,3] w> {{ c = Conv<pads=[1,1,1,1]>(x, w) r = Relu(c) y = Add(r, x) }}"),
        net(
            "(float[1,4,8,8] x, float[1,4,8,8] z) => (float[1,4,8,8] y) <float[4,4,1,1] w> "
            "{ c = Conv(x, w) y = Add(c, z) }"
        ),
    ],
}

_BEFORE = "c = Conv<pads=[1,1,1,1]>(x, k)"
_IN = "(float[1,3,32,32] x)"
_K = "float[8,3,3,3] k"

SERVES = [
    (
        "mean-to-global-pool",
        "k210",
        net(
            f"{_IN} => (float[1,8,1,1] y) <{_K}, int64[2] a> {{ {_BEFORE} y = ReduceMean(c, a) }}",
            opset=18,
            a=[2, 3],
        ),
        "Conv GlobalAveragePool",
    ),
    (
        "squeeze-to-reshape",
        "k210",
        net(
            f"{_IN} => (float[1,8] y) <{_K}, int64[2] a> {{ {_BEFORE} p = GlobalAveragePool(c) y = Squeeze(p, a) }}",
            a=[2, 3],
        ),
        "Conv GlobalAveragePool Reshape",
    ),
    (
        "drop-ceil-mode",
        "k210",
        net(
            f"{_IN} => (float[1,8,16,16] y) <{_K}> "
            f"{{ {_BEFORE} y = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(c) }}"
        ),
        "Conv MaxPool",
    ),
    (
        "square-kernel",
        "k210",
        net(f"{_IN} => (float[1,8,32,32] y) <float[8,3,1,3] w> {{ y = Conv<pads=[0,1,0,1]>(x, w) }}"),
        "Conv",
    ),
    (
        "split-kernel",
        "k210",
        net(f"{_IN} => (float[1,8,32,32] y) <float[8,3,5,5] w> {{ y = Conv<pads=[2,2,2,2]>(x, w) }}"),
        "Conv Slice Conv Slice Conv Slice Conv Add Add Add",
    ),
    (
        "dense-groups",
        "k210",
        net(
            f"{_IN} => (float[1,8,32,32] y) <{_K}, float[8,4,3,3] w> "
            f"{{ {_BEFORE} y = Conv<pads=[1,1,1,1], group=2>(c, w) }}"
        ),
        "Conv Conv",
    ),
    (
        "activation-before-pool",
        "k210",
        net(
            f"{_IN} => (float[1,8,16,16] y) <{_K}> "
            f"{{ {_BEFORE} p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(c) y = Relu(p) }}"
        ),
        "Conv Relu MaxPool",
    ),
    (
        "activation-before-concat",
        "k210",
        net(
            f"{_IN} => (float[1,16,32,32] y) <{_K}, float[8,3,1,1] w> "
            f"{{ {_BEFORE} d = Conv(x, w) e = Concat<axis=1>(c, d) y = Relu(e) }}"
        ),
        "Conv Conv Relu Relu Concat",
    ),
    (
        "fold-residual",
        "k210",
        net(
            f"{_IN} => (float[1,8,32,32] y) <{_K}, float[8,8,3,3] w> "
            f"{{ {_BEFORE} d = Conv<pads=[1,1,1,1]>(c, w) y = Add(d, c) }}"
        ),
        "Conv Conv",
    ),
    (
        "conv-transpose-3x3",
        "k210",
        net(
            f"{_IN} => (float[1,8,64,64] y) <{_K}, float[8,8,2,2] w> "
            f"{{ {_BEFORE} y = ConvTranspose<strides=[2,2]>(c, w) }}"
        ),
        "Conv ConvTranspose",
    ),
    (
        "stack-max-pool",
        "k210",
        net(f"{_IN} => (float[1,8,15,15] y) <{_K}> {{ {_BEFORE} y = MaxPool<kernel_shape=[4,4], strides=[2,2]>(c) }}"),
        "Conv MaxPool MaxPool",
    ),
    (
        "slice-to-max-pool",
        "k210",
        net(
            "(float[1,8,32,32] x) => (float[1,8,16,16] y) <int64[2] f, int64[2] t, int64[2] a, int64[2] s> "
            "{ y = Slice(x, f, t, a, s) }",
            f=[0, 0],
            t=[32, 32],
            a=[2, 3],
            s=[2, 2],
        ),
        "MaxPool",
    ),
    (
        "stride-to-pool",
        "max78000",
        net(
            f"{_IN} => (float[1,8,16,16] y) <{_K}, float[8,8,3,3] w> "
            "{ c = Conv<strides=[2,2], pads=[1,1,1,1]>(x, k) r = Relu(c) y = Conv<pads=[1,1,1,1]>(r, w) }"
        ),
        "Conv Relu MaxPool Conv",
    ),
    (
        "square-kernel",
        "max78000",
        net(f"{_IN} => (float[1,8,32,32] y) <float[8,3,1,3] w> {{ y = Conv<pads=[0,1,0,1]>(x, w) }}"),
        "Conv",
    ),
    (
        "dense-groups",
        "max78000",
        net(
            f"{_IN} => (float[1,8,32,32] y) <{_K}, float[8,4,3,3] w> "
            f"{{ {_BEFORE} y = Conv<pads=[1,1,1,1], group=2>(c, w) }}"
        ),
        "Conv Conv",
    ),
    (
        "conv-transpose-3x3",
        "max78000",
        net(
            f"{_IN} => (float[1,8,64,64] y) <{_K}, float[8,8,2,2] w> "
            f"{{ {_BEFORE} y = ConvTranspose<strides=[2,2]>(c, w) }}"
        ),
        "Conv ConvTranspose",
    ),
    (
        "split-global-pool",
        "max78000",
        net(f"{_IN} => (float[1,8,1,1] y) <{_K}> {{ {_BEFORE} y = GlobalAveragePool(c) }}"),
        "Conv AveragePool GlobalAveragePool",
    ),
    (
        "stack-max-pool",
        "max78000",
        net(
            "(float[1,3,40,40] x) => (float[1,8,2,2] y) <float[8,3,3,3] w> "
            "{ c = Conv<pads=[1,1,1,1]>(x, w) y = MaxPool<kernel_shape=[20,20], strides=[20,20]>(c) }"
        ),
        "Conv MaxPool MaxPool",
    ),
    (
        "split-to-convs",
        "max78000",
        net(
            f"{_IN} => (float[1,4,32,32] y, float[1,4,32,32] z) <{_K}, int64[2] s> "
            f"{{ {_BEFORE} y, z = Split<axis=1>(c, s) }}",
            s=[4, 4],
        ),
        "Conv Conv Conv",
    ),
    (
        "focus-to-conv",
        "max78000",
        net(
            f"{_IN} => (float[1,8,16,16] y) <float[8,12,3,3] w> "
            "{ f = SpaceToDepth<blocksize=2>(x) y = Conv<pads=[1,1,1,1]>(f, w) }"
        ),
        "Conv MaxPool Conv",
    ),
    (
        "max-to-global-pool",
        "max78000",
        net(f"(float[1,3,16,16] x) => (float[1,8,1,1] y) <{_K}> {{ {_BEFORE} y = ReduceMax<axes=[2,3]>(c) }}"),
        "Conv GlobalMaxPool",
    ),
]
