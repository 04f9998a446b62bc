"""Rewrites that write the same in another form, and that take out what nobody needs."""

from __future__ import annotations

import numpy as np
import onnx
from nets import Case, Make, net
from onnx import helper

_X = "(float[1,4,8,8] x) => (float[1,4,8,8] y)"
_HALF = "{ r = Relu(x) y = Identity(r) }"


def _listed(ir_version: int) -> Make:
    """A network whose weights are inputs, too."""

    def make() -> onnx.ModelProto:
        model = net(f"{_X} <float[4,4,1,1] w> {{ y = Conv(x, w) }}")()
        model.graph.input.append(helper.make_tensor_value_info("w", 1, (4, 4, 1, 1)))
        model.ir_version = ir_version
        return model

    return make


CASES = {
    "drop-initializer-inputs": [Case(_listed(8), "Conv")],
    "drop-noop": [
        Case(
            net(
                f"{_X} <int64[4] same, int64[8] none, float low, float high, float[4,1,1] one, float zero, int64[1] z> "
                "{ a = Reshape(x, same) b = Transpose<perm=[0,1,2,3]>(a) c = Pad(b, none) d = Cast<to=1>(c) "
                "e = Mul(d, one) f = Add(e, zero) g = Concat<axis=1>(f) h = MaxPool<kernel_shape=[1,1]>(g) "
                "i = Div(h, one) j = Clip(i) k = Relu(j) l = Relu(k) m = Clip(l, low) n = Expand(m, same) "
                "y = Sigmoid(n) }",
                same=[1, 4, 8, 8],
                none=[0] * 8,
                low=0,
                one=np.ones((4, 1, 1)),
                zero=0,
            ),
            "Relu Sigmoid",
        ),
        Case(
            net(
                f"{_X} <float[4] scales, int64[2] from, int64[2] to> "
                '{ r = Relu(x) a = Resize<mode="linear">(r, , scales) y = Slice(a, from, to) }',
                scales=[1, 1, 1, 1],
                **{"from": [0, 0], "to": [1, 1000]},
            ),
            "Relu",
        ),
        Case(
            net(
                "(float[1,4,1,1] x) => (float[1,4,1,1] y) "
                "{ a = GlobalAveragePool(x) b = ReduceMean<axes=[2,3], keepdims=1>(a) y = Sigmoid(b) }"
            ),
            "Sigmoid",
        ),
    ],
    "drop-identity": [
        Case(net(f"{_X} {{ a = Identity(x) b = Relu(a) y = Dropout(b) }}"), "Relu"),
    ],
    "drop-dead-nodes": [
        Case(
            net(f"{_X} <float[4,4,1,1] w> {{ a = Sigmoid(x) b = Conv(a, w) c = Relu(b) y = Add(x, a) }}"), "Sigmoid Add"
        ),
        Case(net(f"{_X} {{ a = Sigmoid(x) b = Tanh(a) c = Relu(a) y = Relu(x) }}"), "Relu"),
    ],
    "merge-duplicates": [
        Case(
            net(f"{_X} {{ a = Sigmoid(x) b = Sigmoid(x) c = Sigmoid(x) d = Mul(a, b) y = Mul(d, c) }}"),
            "Sigmoid Mul Mul",
        ),
        Case(  # what follows from duplicates is duplicate as well
            net(f"{_X} {{ a = Sigmoid(x) b = Sigmoid(x) c = Tanh(a) d = Tanh(b) y = Add(c, d) }}"), "Sigmoid Tanh Add"
        ),
    ],
    "merge-reshapes": [
        Case(
            net(
                "(float[1,4,8,8] x) => (float[1,256] y) <int64[3] a> { b = Reshape(x, a) y = Flatten(b) }",
                a=[1, 4, 64],
            ),
            "Reshape",
        ),
        Case(
            net(f"{_X} <int64[1] a> {{ r = Relu(x) b = Unsqueeze(r, a) c = Squeeze(b, a) y = Sigmoid(c) }}", a=[2]),
            "Relu Sigmoid",
        ),
    ],
    "merge-transposes": [
        Case(net(f"{_X} {{ a = Transpose<perm=[0,2,3,1]>(x) b = Transpose<perm=[0,3,1,2]>(a) y = Relu(b) }}"), "Relu"),
        Case(
            net(
                "(float[1,4,8,6] x) => (float[6,1,4,8] y) "
                "{ a = Transpose<perm=[0,2,3,1]>(x) y = Transpose<perm=[2,0,3,1]>(a) }"
            ),
            "Transpose",
        ),
    ],
    "explicit-pads": [
        Case(
            net(
                "(float[1,4,8,9] x) => (float[1,6,4,5] y) <float[6,4,3,3] w> "
                '{ y = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(x, w) }'
            ),
            "Conv",
        ),
        Case(
            net(
                "(float[1,4,7,8] x) => (float[1,4,4,4] y) "
                '{ y = AveragePool<auto_pad="SAME_LOWER", kernel_shape=[2,3], strides=[2,2]>(x) }'
            ),
            "AveragePool",
        ),
        Case(
            net(
                "(float[1,4,8] x) => (float[1,4,4] y) "
                '{ y = MaxPool<auto_pad="VALID", kernel_shape=[2], strides=[2]>(x) }'
            ),
            "MaxPool",
        ),
        Case(
            net(
                "(float[1,4,7,8] x) => (float[1,6,14,16] y) <float[4,6,3,3] w> "
                '{ y = ConvTranspose<auto_pad="SAME_UPPER", strides=[2,2]>(x, w) }'
            ),
            "ConvTranspose",
        ),
    ],
    "divide-to-multiply": [
        Case(net(f"{_X} <float[4,1,1] v> {{ y = Div(x, v) }}"), "Mul"),
    ],
    "subtract-to-add": [Case(net(f"{_X} <float[4,1,1] k> {{ y = Sub(x, k) }}"), "Add")],
    "min-to-max": [Case(net(f"{_X} {{ a = Sigmoid(x) y = Min(x, a) }}"), "Sigmoid Neg Neg Max Neg")],
    "negative-pad-to-slice": [
        Case(
            net(
                "(float[1,4,8,8] x) => (float[1,4,7,6] y) <int64[8] p> { y = Pad(x, p) }", p=[0, 0, 0, -1, 0, 0, -1, -1]
            ),
            "Slice",
        ),
        Case(net("(float[4,8] x) => (float[3,8] y) { y = Pad<pads=[-1,0,0,0]>(x) }", opset=9), "Slice"),
    ],
    "min-max-to-clip": [
        Case(net(f"{_X} <float six, float zero> {{ a = Min(x, six) y = Max(zero, a) }}", six=6, zero=0), "Clip"),
        Case(net(f"{_X} <float six> {{ a = Relu(x) y = Min(a, six) }}", six=6), "Clip"),
        Case(net(f"{_X} <float zero> {{ y = Max(x, zero) }}", zero=0), "Relu"),
        Case(net(f"{_X} <float[1] half> {{ y = Min(x, half) }}", half=0.5, opset=10), "Clip"),
    ],
    "clip-to-min-max": [
        Case(net(f"{_X} <float low, float high> {{ y = Clip(x, low, high) }}", low=0, high=6), "Max Min"),
        Case(net(f"{_X} {{ y = Clip<min=-0.5>(x) }}", opset=8), "Max"),
    ],
    "prelu-to-leaky-relu": [
        Case(net(f"{_X} <float[4,1,1] s> {{ y = PRelu(x, s) }}", s=np.full((4, 1, 1), 0.1)), "LeakyRelu"),
        Case(net(f"{_X} <float[1] s> {{ y = PRelu(x, s) }}", s=0), "Relu"),
    ],
    "layer-norm-epsilon": [
        Case(
            net("(float[2,8] x) => (float[2,8] y) <float[8] s> { y = LayerNormalization(x, s) }"), "LayerNormalization"
        ),
    ],
    "compose-hard-swish": [
        Case(
            net(f"{_X} {{ g = HardSigmoid<alpha=0.16666667, beta=0.5>(x) y = Mul(x, g) }}"),
            "HardSwish",
        ),
        Case(
            net(
                f"{_X} <float three, float zero, float six> "
                "{ a = Add(x, three) b = Clip(a, zero, six) c = Mul(x, b) y = Div(c, six) }",
                three=3,
                zero=0,
                six=6,
            ),
            "HardSwish",
        ),
    ],
    "compose-hard-sigmoid": [
        Case(
            net(
                f"{_X} <float three, float zero, float six> "
                f"{{ a = Add(x, three) b = Clip(a, zero, six) y = Div(b, six) }}",
                three=3,
                zero=0,
                six=6,
            ),
            "HardSigmoid",
        ),
    ],
    "decompose-hard-swish": [Case(net(f"{_X} {{ y = HardSwish(x) }}"), "HardSigmoid Mul")],
    "decompose-hard-sigmoid": [
        Case(net(f"{_X} {{ y = HardSigmoid<alpha=0.3>(x) }}"), "Mul Add Clip"),
        Case(net(f"{_X} {{ y = HardSigmoid(x) }}", opset=9), "Mul Add Clip"),
    ],
    "compose-mish": [Case(net(f"{_X} {{ a = Softplus(x) b = Tanh(a) y = Mul(b, x) }}", opset=18), "Mish")],
    "decompose-mish": [Case(net(f"{_X} {{ y = Mish(x) }}", opset=18), "Softplus Tanh Mul")],
    "compose-gelu": [
        Case(
            net(
                f"{_X} <float root, float one, float half> "
                "{ a = Div(x, root) b = Erf(a) c = Add(b, one) d = Mul(x, c) y = Mul(d, half) }",
                opset=20,
                root=2**0.5,
                one=1,
                half=0.5,
            ),
            "Gelu",
        )
    ],
    "decompose-gelu": [
        Case(net(f"{_X} {{ y = Gelu(x) }}", opset=20), "Div Erf Add Mul Mul"),
        Case(net(f'{_X} {{ y = Gelu<approximate="tanh">(x) }}', opset=20), "Mul Mul Mul Add Mul Tanh Add Mul Mul"),
    ],
    "compose-layer-norm": [
        Case(
            net(
                "(float[2,8] x) => (float[2,8] y) <float two, float eps, float[8] s, float[8] b> "
                "{ m = ReduceMean<axes=[-1]>(x) d = Sub(x, m) q = Pow(d, two) v = ReduceMean<axes=[-1]>(q) "
                "e = Add(v, eps) r = Sqrt(e) n = Div(d, r) k = Mul(n, s) y = Add(k, b) }",
                two=2,
                eps=1e-5,
            ),
            "LayerNormalization",
        ),
        Case(
            net(
                "(float[2,8] x) => (float[2,8] y) <float two, float eps> "
                "{ m = ReduceMean<axes=[-1]>(x) d = Sub(x, m) q = Pow(d, two) v = ReduceMean<axes=[-1]>(q) "
                "e = Add(v, eps) r = Sqrt(e) y = Div(d, r) }",
                two=2,
                eps=1e-5,
            ),
            "LayerNormalization",
        ),
    ],
    "decompose-layer-norm": [
        Case(
            net("(float[2,4,8] x) => (float[2,4,8] y) <float[4,8] s> { y = LayerNormalization<axis=1>(x, s) }"),
            "ReduceMean Sub Mul ReduceMean Add Sqrt Div Mul",
        ),
        Case(
            net(
                "(float[2,8] x) => (float[2,8] y) <float[8] s, float[8] b> "
                "{ y = LayerNormalization<epsilon=0.01>(x, s, b) }",
                opset=18,
            ),
            "ReduceMean Sub Mul ReduceMean Add Sqrt Div Mul Add",
        ),
    ],
    "compose-group-norm": [
        Case(
            net(
                f"{_X} <int64[3] g, float[2] one, float[2] zero, int64[4] s, float[4,1,1] k, float[4,1,1] b> "
                "{ a = Reshape(x, g) n = InstanceNormalization(a, one, zero) c = Reshape(n, s) d = Mul(c, k) "
                "y = Add(d, b) }",
                opset=21,
                g=[0, 2, -1],
                one=[1, 1],
                zero=[0, 0],
                s=[1, 4, 8, 8],
            ),
            "GroupNormalization",
        )
    ],
    "decompose-group-norm": [
        Case(
            net(
                f"{_X} <float[4] s, float[4] b> {{ y = GroupNormalization<num_groups=2, epsilon=0.001>(x, s, b) }}",
                opset=21,
            ),
            "Reshape InstanceNormalization Reshape Mul Add",
        )
    ],
    "infer-shapes": [
        Case(net(f"{_X} {_HALF}"), "Relu Identity"),
    ],
    "freeze-batch": [
        Case(
            net("(float[N,4,8] x) => (float[N,32] y) <float[N,4,8] r> { r = Relu(x) y = Flatten(r) }"), "Relu Flatten"
        ),
    ],
    "freeze-shapes": [
        Case(
            net("(float[N,4,H,W] x) => (float[N,4,H,W] y) { y = Relu(x) }"),
            "Relu",
            [{"shapes": {"x": [1, 4, 8, 8]}}],
        ),
    ],
    "convert-opset": [
        Case(
            net(
                "(float[1,4,8,8] x) => (float[1,4,8,8] y) <float[4,4,3,3] w> "
                "{ c = Conv<pads=[1,1,1,1]>(x, w) y = Relu(c) }"
            ),
            "Conv Relu",
            [{"opset": 13}],
        ),
        Case(
            net("(float[1,4,8,8] x) => (float[1,4,1,1] y) <int64[2] a> { y = ReduceMean(x, a) }", opset=18, a=[2, 3]),
            "ReduceMean",
            [{"opset": 17}],
        ),
        Case(
            net(f"{_X} {{ a = Gelu(x) y = HardSwish(a) }}", opset=20),
            "Div Erf Add Mul Mul HardSigmoid Mul",
            [{"opset": 13}],
        ),
    ],
}

OUTSIDE = {
    "drop-initializer-inputs": [_listed(3), net(f"{_X} <float[4,4,1,1] w> {{ y = Conv(x, w) }}")],
    "drop-noop": [
        net(
            "(float[1,4,8,8] x) => (float[1,8,4,8] y) <int64[4] s, float[4] k> { a = Reshape(x, s) b = Relu(a) "
            "y = Clip<min=0.0, max=1.0>(b) }",
            s=[1, 8, 4, 8],
            opset=10,
        ),
        net("(float[1,1,8,8] x) => (float[1,4,8,8] y) <float[4,1,1] one> { y = Mul(x, one) }", one=np.ones((4, 1, 1))),
        net("(float[1,4,8,8] x) => (float[1,8,4,8] y) { y = Transpose<perm=[0,2,1,3]>(x) }"),
        net("(float[1,4,4,4] x) => (float[1,4,4,4] y) { y = Transpose<perm=[0,2,1,3]>(x) }"),
        net(
            "(float[4,4] x) => (float[4,4] y) <int64[1] a, int64[1] b, int64[1] c, int64[1] d> "
            "{ y = Slice(x, a, b, c, d) }",
            a=-1,
            b=-9,
            c=1,
            d=-1,
        ),
        net(f"{_X} {{ y = Identity(x) }}"),
        net("(float[1,4,8,8] x) => (float16[1,4,8,8] y) { y = Cast<to=10>(x) }"),
        net(f"{_X} {{ y = Relu(x) }}"),
    ],
    "drop-identity": [net(f"{_X} {{ y = Relu(x) }}"), net(f"{_X} {{ y = Identity(x) }}")],
    "drop-dead-nodes": [net(f"{_X} {{ a = Sigmoid(x) y = Relu(a) }}")],
    "merge-duplicates": [
        net(f"{_X} {{ a = LeakyRelu<alpha=0.1>(x) b = LeakyRelu<alpha=0.2>(x) y = Add(a, b) }}"),
        net("(float[1,4] x) => (float[1,4] y, float[1,4] z) { y = Relu(x) z = Relu(x) }"),
        net(f"{_X} {{ a = RandomNormalLike(x) b = RandomNormalLike(x) c = Add(a, b) y = Mul(x, c) }}"),
    ],
    "merge-reshapes": [
        net(
            "(float[1,4,8,8] x) => (float[1,256] y, float[1,4,64] b) <int64[3] a> { b = Reshape(x, a) y = Flatten(b) }",
            a=[1, 4, 64],
        ),
        net(
            "(float[1,4,8,8] x) => (float[1,256] y) <int64[3] a> { b = Reshape(x, a) c = Relu(b) y = Flatten(c) }",
            a=[1, 4, 64],
        ),
    ],
    "merge-transposes": [
        net(f"{_X} {{ a = Transpose<perm=[0,2,3,1]>(x) r = Relu(a) y = Transpose<perm=[0,3,1,2]>(r) }}"),
    ],
    "explicit-pads": [
        net("(float[1,4,8,8] x) => (float[1,6,6,6] y) <float[6,4,3,3] w> { y = Conv(x, w) }"),
        net('(float[1,4,H,8] x) => (float[1,6,H,8] y) <float[6,4,3,3] w> { y = Conv<auto_pad="SAME_UPPER">(x, w) }'),
    ],
    "divide-to-multiply": [
        net(f"{_X} <float[4,1,1] v> {{ y = Div(v, x) }}"),
        net(f"{_X} <float[4,1,1] v> {{ y = Div(x, v) }}", v=np.array([1, 0, 1, 1]).reshape(4, 1, 1)),
        net("(int32[4] x) => (int32[4] y) <int32[4] k> { y = Div(x, k) }", k=[2, 2, 2, 2]),
    ],
    "subtract-to-add": [
        net(f"{_X} <float[4,1,1] k> {{ y = Sub(k, x) }}"),
        net("(int32[4] x) => (int32[4] y) <int32[4] k> { y = Sub(x, k) }", k=[2, 2, 2, 2]),
    ],
    "min-to-max": [net(f"{_X} <float six> {{ y = Min(x, six) }}", six=6)],
    "negative-pad-to-slice": [
        net("(float[1,4,8,8] x) => (float[1,4,8,8] y) <int64[8] p> { y = Pad(x, p) }", p=[0, 0, 0, 1, 0, 0, 0, -1])
    ],
    "min-max-to-clip": [
        net(f"{_X} <float[4,1,1] k> {{ y = Min(x, k) }}"),
        net(f"{_X} {{ r = Tanh(x) y = Max(x, r) }}"),
        net(f"{_X} {{ y = Relu(x) }}"),
    ],
    "clip-to-min-max": [
        net(f"{_X} {{ y = Clip<min=-0.5>(x) }}", opset=6),
        net(f"{_X} {{ y = Clip(x) }}"),
        net(f"{_X} {{ y = Relu(x) }}"),
    ],
    "prelu-to-leaky-relu": [net(f"{_X} <float[4,1,1] s> {{ y = PRelu(x, s) }}")],
    "layer-norm-epsilon": [
        net("(float[2,8] x) => (float[2,8] y) <float[8] s> { y = LayerNormalization<epsilon=0.01>(x, s) }")
    ],
    "compose-hard-swish": [
        net(f"{_X} {{ g = HardSigmoid(x) y = Mul(x, g) }}"),
        net(f"{_X} {{ g = HardSigmoid<alpha=0.16666667, beta=0.5>(x) y = Mul(x, g) }}", opset=13),
    ],
    "compose-hard-sigmoid": [
        net(f"{_X} <float three> {{ a = Add(x, three) b = Clip<min=0.0, max=6.0>(a) y = Relu(b) }}", three=3, opset=10)
    ],
    "decompose-hard-swish": [net(f"{_X} {{ y = HardSigmoid(x) }}")],
    "decompose-hard-sigmoid": [net(f"{_X} {{ y = Sigmoid(x) }}")],
    "compose-mish": [
        net(f"{_X} {{ a = Softplus(x) b = Tanh(a) y = Mul(b, x) }}", opset=17),
        net(f"{_X} {{ a = Softplus(x) b = Tanh(a) y = Mul(b, a) }}", opset=18),
    ],
    "decompose-mish": [net(f"{_X} {{ y = Relu(x) }}")],
    "compose-gelu": [
        net(
            f"{_X} <float root, float one, float half> "
            "{ a = Div(x, root) b = Erf(a) c = Add(b, one) d = Mul(x, c) y = Mul(d, half) }",
            opset=19,
            root=2**0.5,
            one=1,
            half=0.5,
        )
    ],
    "decompose-gelu": [net(f"{_X} {{ y = Erf(x) }}")],
    "compose-layer-norm": [
        net(
            "(float[2,8] x) => (float[2,8] y) <float two, float eps> "
            "{ m = ReduceMean<axes=[-1]>(x) d = Sub(x, m) q = Pow(d, two) v = ReduceMean<axes=[-1]>(q) "
            "e = Add(v, eps) r = Sqrt(e) y = Div(d, r) }",
            opset=16,
            two=2,
            eps=1e-5,
        )
    ],
    "decompose-layer-norm": [
        net("(float[2,8] x) => (float[2,8] y, float[2,1] m) <float[8] s> { y, m = LayerNormalization(x, s) }")
    ],
    "compose-group-norm": [
        net(
            f"{_X} <float[4] one, float[4] zero> {{ y = InstanceNormalization(x, one, zero) }}",
            opset=21,
            one=[1] * 4,
            zero=[0] * 4,
        )
    ],
    "decompose-group-norm": [
        net(
            "(float[1,C,8] x) => (float[1,C,8] y) <float[4] s, float[4] b> "
            "{ y = GroupNormalization<num_groups=2>(x, s, b) }",
            opset=21,
        )
    ],
    "infer-shapes": [
        net("(float[1,4,8,8] x) => (float[1,4,8,8] y) { y = Relu(x) }"),
    ],
    "freeze-batch": [
        net("(float[1,4] x) => (float[1,4] y) { y = Relu(x) }"),
        net("(float[N,C] x) => (float[N,C] y) { y = Relu(x) }"),
    ],
    "freeze-shapes": [
        Case(net("(float[1,4] x) => (float[1,4] y) { y = Relu(x) }"), "", [{"shapes": {"x": [1, 4]}}]),
        net("(float[N,4] x) => (float[N,4] y) { y = Relu(x) }"),
    ],
    "convert-opset": [
        Case(net("(float[1,4] x) => (float[1,4] y) { y = Relu(x) }"), "", [{"opset": 17}]),
        net("(float[1,4] x) => (float[1,4] y) { y = Relu(x) }"),
    ],
}

_KPU = "(float[1,3,32,32] x) => (float[1,8,32,32] y) <float[8,3,3,3] w, float[1,8,32,32] c"
_CONV = "c = Conv<pads=[1,1,1,1]>(x, w)"

SERVES = [
    (
        "merge-transposes",
        "generic",
        net(
            f"{_KPU}, float[1,32,32,8] d, float[1,8,32,32] e> {{ {_CONV} d = Transpose<perm=[0,2,3,1]>(c) "
            "e = Transpose<perm=[0,3,1,2]>(d) y = Relu(e) }"
        ),
        "Conv Relu",
    ),
    (
        "merge-reshapes",
        "generic",
        net(
            "(float[1,3,32,32] x) => (float[1,3072] y) <int64[3] s, float[1,3,1024] d> "
            "{ d = Reshape(x, s) y = Flatten(d) }",
            s=[1, 3, 1024],
        ),
        "Reshape",
    ),
    (
        "drop-identity",
        "generic",
        net(f"{_KPU}, float[1,8,32,32] d> {{ {_CONV} d = Identity(c) y = Relu(d) }}"),
        "Conv Relu",
    ),
    ("drop-noop", "generic", net(f"{_KPU}, float[1,8,32,32] d> {{ {_CONV} d = Relu(c) y = Relu(d) }}"), "Conv Relu"),
    ("drop-initializer-inputs", "generic", _listed(8), "Conv"),
    (
        "infer-shapes",
        "k210",
        net(f"(float[1,3,32,32] x) => (float[1,8,32,32] y) <float[8,3,3,3] w> {{ {_CONV} y = Relu(c) }}"),
        "Conv Relu",
    ),
    (
        "freeze-batch",
        "k210",
        net(
            "(float[N,3,32,32] x) => (float[N,8,32,32] y) "
            f"<float[8,3,3,3] w, float[N,8,32,32] c> {{ {_CONV} y = Relu(c) }}"
        ),
        "Conv Relu",
    ),
    (
        "freeze-shapes",
        "k210",
        net(f"(float[1,3,H,W] x) => (float[1,8,H,W] y) <float[8,3,3,3] w, float[1,8,H,W] c> {{ {_CONV} y = Relu(c) }}"),
        "Conv Relu",
    ),
    (
        "clip-to-min-max",
        "k210",
        net(
            "(float[1,3,32,32] x) => (float[1,8,15,15] y) <float[8,3,3,3] w, float[1,8,32,32] c, "
            f"float[1,8,15,15] p, float low, float high> {{ {_CONV} "
            "p = AveragePool<kernel_shape=[3,3], strides=[2,2]>(c) y = Clip(p, low, high) }",
            low=0,
            high=6,
        ),
        "Conv AveragePool Max Min",
    ),
    (
        "prelu-to-leaky-relu",
        "k210",
        net(f"{_KPU}, float[8,1,1] s> {{ {_CONV} y = PRelu(c, s) }}", s=np.full((8, 1, 1), 0.1)),
        "Conv LeakyRelu",
    ),
    ("decompose-mish", "k210", net(f"{_KPU}> {{ {_CONV} y = Mish(c) }}", opset=18), "Conv Softplus Tanh Mul"),
    (
        "decompose-gelu",
        "k210",
        net(f'{_KPU}> {{ {_CONV} y = Gelu<approximate="tanh">(c) }}', opset=20),
        "Conv Mul Mul Mul Add Mul Tanh Add Mul Mul",
    ),
    (
        "decompose-group-norm",
        "k210",
        net(f"{_KPU}, float[8] s, float[8] b> {{ {_CONV} y = GroupNormalization<num_groups=2>(c, s, b) }}", opset=21),
        "Conv Reshape InstanceNormalization Reshape Mul Add",
    ),
    (
        "decompose-layer-norm",
        "k210@1.0",
        net(f"{_KPU}, float[32] s, float[32] b> {{ {_CONV} y = LayerNormalization(c, s, b) }}"),
        "Conv ReduceMean Sub Mul ReduceMean Add Sqrt Div Mul Add",
    ),
    ("drop-dead-nodes", "generic", net(f"{_KPU}> {{ {_CONV} a = Sigmoid(x) b = Tanh(a) y = Relu(c) }}"), "Conv Relu"),
    (
        "merge-duplicates",
        "generic",
        net(f"{_KPU}> {{ {_CONV} a = Sigmoid(c) b = Sigmoid(c) y = Mul(a, b) }}"),
        "Conv Sigmoid Mul",
    ),
]
