"""What an edit leaves as it was, and what it brings up to date."""

from __future__ import annotations

import onnx
from nets import net, read
from onnx import helper

from lintmodel.fix.onnx_edit import apply_changes
from lintmodel.fix.rewrites import all_rewrites

TEXT = (
    "(float[1,3,8,8] x) => (float[1,4,8,8] y) <float[4,3,3,3] w, float[4] a, float[4] s, float[4] b, float[4] m, "
    "float[4] v, float[1,4,8,8] c, float[1,4,8,8] n> "
    "{ c = Conv<pads=[1,1,1,1]>(x, w, a) n = BatchNormalization(c, s, b, m, v) y = Relu(n) }"
)


def edited(model: onnx.ModelProto, id: str) -> onnx.ModelProto:
    graph, copy = read(model), onnx.ModelProto()
    copy.CopyFrom(model)
    assert apply_changes(copy, graph, list(all_rewrites()[id].places(graph))).made
    return copy


def test_names_and_metadata_stay() -> None:
    model = net(TEXT)()
    helper.set_model_props(model, {"classes": "cat,dog"})
    model.producer_name, model.graph.doc_string = "somebody", "a text"
    model.graph.node[0].doc_string = "stem"
    after = edited(model, "fold-batch-norm")
    assert [node.name for node in after.graph.node] == ["conv_0", "relu_2"]
    assert [each.name for each in after.graph.initializer] == ["w", "a"], "the folded values have the names they had"
    assert after.metadata_props == model.metadata_props
    assert (after.producer_name, after.graph.doc_string) == ("somebody", "a text")


def test_shapes_follow() -> None:
    after = edited(net(TEXT)(), "fold-batch-norm")
    assert [each.name for each in after.graph.value_info] == ["n"], "what is not there any more is not listed"
    mish = net("(float[1,4] x) => (float[1,4] y) <float[1,4] a> { a = Relu(x) y = Mish(a) }", opset=18)()
    shapes = {each.name for each in edited(mish, "decompose-mish").graph.value_info}
    assert shapes == {"a", "y_softplus", "y_tanh"}, "new tensors are listed where the file lists any"


def test_weights_that_others_read_stay() -> None:
    model = net(TEXT.replace("y = Relu(n)", "k = Conv<pads=[1,1,1,1]>(x, w) y = Add(n, k)"))()
    after = edited(model, "fold-batch-norm")
    before = {each.name: each for each in model.graph.initializer}
    stored = {each.name: each for each in after.graph.initializer}
    assert stored["w"] == before["w"] and stored.keys() == {"w", "w_1", "a"}


def test_old_files_list_their_weights_as_inputs() -> None:
    model = net("(float[1,4] x) => (float[1,4] y) <float[4] a, float[4] b> { c = Add(a, b) y = Mul(x, c) }", opset=8)()
    model.ir_version = 3
    for each in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)))
    after = edited(model, "fold-constants")
    onnx.checker.check_model(after)
    assert [each.name for each in after.graph.input] == ["x", "c"]


def test_a_name_that_is_taken_gets_a_number() -> None:
    text = "(float[1,4] x) => (float[1,4] y) { y_tanh = Relu(x) b = Sigmoid(y_tanh) y = Mish(b) }"
    after = edited(net(text, opset=18)(), "decompose-mish")
    onnx.checker.check_model(after, full_check=True)
    assert [node.output[0] for node in after.graph.node] == ["y_tanh", "b", "y_softplus", "y_tanh_1", "y"]


def test_a_name_that_could_mean_two_tensors_is_left() -> None:
    model = net("(float[1,4] x) => (float[1,4] y) { y_tanh = Relu(x) y = Mish(y_tanh) }", opset=18)()
    graph = read(model)
    done = apply_changes(model, graph, list(all_rewrites()["decompose-mish"].places(graph)))
    assert not done.made and len(done.left) == 1
