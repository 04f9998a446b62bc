"""Every rewrite on windows of any kernel, stride, padding, dilation and grouping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from nets import read
from onnx import helper, numpy_helper, shape_inference

from lintmodel.fix.onnx_edit import apply_changes
from lintmodel.fix.rewrites import all_rewrites
from lintmodel.fix.verify import NotVerified, delta

SAFE = [each for each in all_rewrites().values() if each.safety == "safe"]
DETAILS = [{"limit": 2, "opset": 18}]
PAIR = st.tuples(st.integers(1, 5), st.integers(1, 5))
SMALL = st.tuples(st.integers(1, 3), st.integers(1, 3))
PADS = st.tuples(*[st.integers(0, 2)] * 4)


@st.composite
def windows(draw: st.DrawFn) -> onnx.ModelProto:
    """One convolution or pool, with an activation behind it or without."""
    op = draw(st.sampled_from(("Conv", "Conv", "ConvTranspose", "MaxPool", "AveragePool")))
    kernel, strides, dilations, pads = (
        draw(PAIR),
        draw(SMALL),
        draw(st.sampled_from([(1, 1), (1, 1), (2, 1)])),
        draw(PADS),
    )
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    if op != "AveragePool":
        attributes["dilations"] = dilations
    if draw(st.integers(0, 4)) == 0:
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        assume(op != "ConvTranspose" and dilations == (1, 1))
    else:
        attributes["pads"] = pads
    weights: list[np.ndarray] = []
    if op.startswith("Conv"):
        groups = draw(st.sampled_from([1, 1, 2, 4]))
        attributes["group"] = groups
        shape = (4, 4 // groups, *kernel)
        weights = [_values(*shape), *([_values(4)] if draw(st.booleans()) else [])]
        if op == "ConvTranspose":
            attributes["output_padding"] = [draw(st.integers(0, stride - 1)) for stride in strides]
    else:
        assume(all(pad < side for pad, side in zip(pads, kernel * 2, strict=True)))
        attributes["ceil_mode"] = draw(st.integers(0, 1))
    if op == "AveragePool":
        attributes["count_include_pad"] = draw(st.integers(0, 1))
    return _model(op, weights, attributes, draw(st.sampled_from([(), ("Relu",), ("LeakyRelu", "Add")])))


def _values(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype("float32")


def _model(
    op: str, weights: Sequence[np.ndarray], attributes: dict[str, Any], behind: Sequence[str]
) -> onnx.ModelProto:
    names = [f"w{k}" for k in range(len(weights))]
    nodes = [helper.make_node(op, ["x", *names], ["t0"], "first", **attributes)]
    for k, each in enumerate(behind):
        nodes.append(helper.make_node(each, [f"t{k}"] * (1 + (each == "Add")), [f"t{k + 1}"], each))
    x = helper.make_tensor_value_info("x", 1, (1, 4, 9, 10))
    y = helper.make_tensor_value_info(f"t{len(behind)}", 1, None)
    constants = [numpy_helper.from_array(value, name) for value, name in zip(weights, names, strict=True)]
    graph = helper.make_graph(nodes, "net", [x], [y], constants)
    return shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(windows())
def test_safe_rewrites_compute_the_same(model: onnx.ModelProto) -> None:
    graph = read(model)
    output = graph.tensor(graph.outputs[0])
    assume(output.known and all(output.sizes))
    try:
        delta(model, model, None)
    except NotVerified:
        assume(False)
    for rewrite in SAFE:
        changes = list(rewrite.places(graph, DETAILS))
        if not changes:
            continue
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        apply_changes(copy, graph, changes)
        onnx.checker.check_model(copy)
        apart = delta(model, copy, None)
        assert apart.same, f"{rewrite.id}: {apart}"
