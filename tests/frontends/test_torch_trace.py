"""What exporters of PyTorch note of where an operator came from."""

from __future__ import annotations

import pytest
from onnx import helper

from lintmodel.frontends.torch_trace import frames_of, onnx_source, scopes_of
from lintmodel.ir import Frame, Scope

TRACE = """\
  File "/home/me/net.py", line 22, in forward
    x = self.stem(x)
  File "/lib/site-packages/torch/nn/modules/conv.py", line 565, in <lambda>
  File "/home/me/a b.py", line 7, in block
    return x + 1
"""


def test_calls_with_and_without_their_text() -> None:
    assert frames_of(TRACE) == (
        Frame("/home/me/net.py", 22, "forward", "x = self.stem(x)"),
        Frame("/lib/site-packages/torch/nn/modules/conv.py", 565, "<lambda>", ""),
        Frame("/home/me/a b.py", 7, "block", "return x + 1"),
    )


@pytest.mark.parametrize(
    "trace",
    [
        "",
        "None",
        'File "", line 3, in f',
        'File "a.py", line 0, in f',
        f'File "a.py", line {"9" * 5000}, in f',
        "\0" * 99,
    ],
)
def test_texts_that_are_no_trace(trace: str) -> None:
    assert frames_of(trace) == ()


@pytest.mark.parametrize(
    ("stack", "scopes"),
    [
        ("L__self__,,net.Net;L__self___stem,stem,torch.nn.Conv2d", (("", "net.Net"), ("stem", "torch.nn.Conv2d"))),
        ("L__self__,L['self'],net.Net;a,L['self'].stem,T", (("", "net.Net"), ("stem", "T"))),
        ("a,getattr(getattr(L['self'].layer1, '0').x, '1'),T", (("layer1.0.x.1", "T"),)),
        ("a,stem@1,T", (("stem", "T"),)),
        ("", ()),
        ("nonsense;;,", ()),
    ],
)
def test_modules_of_an_exported_program(stack: str, scopes: tuple[tuple[str, str], ...]) -> None:
    assert scopes_of(stack) == tuple(Scope(*scope) for scope in scopes)


def node(op: str = "Conv", weight: str = "w", **properties: str) -> object:
    made = helper.make_node(op, ["x", weight], ["y"])
    for key, value in properties.items():
        made.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=value)
    return made


def test_modules_of_a_node_of_onnx() -> None:
    frames, scopes = onnx_source(
        node(
            stack_trace=TRACE,
            name_scopes="['', 'stem', 'stem.0', 'conv2d']",
            class_hierarchy="['net.Net', 'torch.nn.Sequential', 'torch.nn.Conv2d', 'aten.conv2d.default']",
        )
    )
    assert len(frames) == 3
    assert scopes == (Scope("", "net.Net"), Scope("stem", "torch.nn.Sequential"), Scope("stem.0", "torch.nn.Conv2d"))


def test_weights_tell_the_layer_that_a_normalisation_was_folded_into() -> None:
    given = {"name_scopes": "['', 'stem.1', 'bn']", "class_hierarchy": "['n.Net', 'torch.nn.BatchNorm2d', 'aten.bn']"}
    assert onnx_source(node(weight="stem.0.weight", **given))[1][-1] == Scope("stem.0")
    assert onnx_source(node(weight="other.0.weight", **given))[1][-1].path == "stem.1"
    assert onnx_source(node("Add", "stem.0.weight", **given))[1][-1].path == "stem.1"


@pytest.mark.parametrize("text", ["", "[", "3", "['a', 4", "__import__('os')", "[" * 9000, "{'a': 1}"])
def test_properties_that_are_no_list(text: str) -> None:
    assert onnx_source(node(name_scopes=text, class_hierarchy=text))[1] == ()
