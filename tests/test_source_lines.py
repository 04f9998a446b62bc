"""Findings on a traced network stand on the user's own lines, found by reading his source."""

from __future__ import annotations

from pathlib import Path

import pytest

from lintmodel.ir import Frame, Graph, Node, Scope, Source, Tensor
from lintmodel.source_lines import with_source_lines

NET = """\
from collections import OrderedDict
import torch
from torch import nn
from parts import Base


class Block(nn.Module):
    default_act = nn.SiLU()

    def __init__(self, c, act=True, norm=nn.BatchNorm2d):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3)
        self.norm = norm(c)
        self.act = self.default_act if act is True else act

    def forward(self, x):
        return x + self.act(self.norm(self.conv(x)))


def conv_bn(a, b):
    return nn.Sequential(
        nn.Conv2d(a, b, 3),
        nn.BatchNorm2d(b),
        nn.ReLU6(),
    )


class ConvReLU(nn.Sequential):
    def __init__(self, a, b):
        super().__init__(
            nn.Conv2d(a, b, 3),
            nn.ReLU(),
        )


class Net(Base):
    def __init__(self, wide=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3),
                                  nn.Hardswish())
        self.helper = conv_bn(8, 8)
        self.listed = nn.ModuleList([
            nn.Conv2d(8, 8, 1),
            nn.Tanh(),
        ])
        self.many = nn.ModuleList([nn.Conv2d(8, 8, 1) for _ in range(3)])
        self.named = nn.Sequential(OrderedDict([
            ("first", nn.Conv2d(8, 8, 1)),
            ("second", nn.GELU()),
        ]))
        layers = [nn.Conv2d(8, 8, 1)]
        layers += [nn.ELU()]
        layers.append(nn.Sigmoid())
        for _ in range(4):
            layers.append(nn.Mish())
        self.filled = nn.Sequential(*layers)
        self.stage = self._stage(8)
        self.given = Block(8, nn.Softplus())
        self.sub = ConvReLU(8, 8)
        if wide:
            self.choice = nn.LeakyReLU()
        else:
            self.choice = nn.PReLU()
        self.add_module("added", nn.Softmax(1))
        self.a, self.b = nn.Tanh(), nn.Sigmoid()

    def _stage(self, c):
        return nn.Sequential(
            Block(c),
            nn.MaxPool2d(2),
        )

    def forward(self, x):
        x = self.stem(x)
        return torch.sigmoid(self.inherited(x))
"""
PARTS = """\
from torch import nn


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.inherited = nn.Conv2d(8, 8, 3)
"""
TORCH = Frame("/venv/lib/python3.12/site-packages/torch/nn/modules/conv.py", 565, "forward", "return F.conv2d(")
NETS = {"Net": "net.Net", "Block": "net.Block", "ConvReLU": "net.ConvReLU", "Sequential": "torch.nn.modules.Sequential"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "parts.py").write_text(PARTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def line_of(text: str, count: int = 1) -> int:
    """The number of the line with this text."""
    lines = [number for number, line in enumerate(NET.splitlines(), start=1) if text in line]
    return lines[count - 1]


def placed(folder: Path, *scopes: str, called: str = "x = self.stem(x)", file: str = "") -> Source:
    """Where a node ends that stands in these modules (``path:class``) and is called on that line."""
    modules = [Scope("", "net.Net")]
    for scope in scopes:
        path, _, kind = scope.partition(":")
        modules.append(Scope(path, NETS.get(kind, f"torch.nn.modules.some.{kind}")))
    frames = (Frame(file or str(folder / "net.py"), line_of(called), "forward", called), TORCH)
    node = Node("n", "Conv", ("x",), ("y",), source=Source(frames=frames, scopes=tuple(modules)))
    tensors = {name: Tensor(name, (1, 8, 8, 8)) for name in ("x", "y")}
    graph = Graph("net", "pt2", ("x",), ("y",), (node,), tensors)
    return with_source_lines(graph, list).nodes[0].source


@pytest.mark.parametrize(
    ("scopes", "text"),
    [
        (("stem:Sequential", "stem.0:Conv2d"), "self.stem = nn.Sequential("),
        (("stem:Sequential", "stem.1:Hardswish"), "nn.Hardswish()"),
        (("helper:Sequential", "helper.1:BatchNorm2d"), "nn.BatchNorm2d(b)"),
        (("helper:Sequential", "helper.2:ReLU6"), "nn.ReLU6()"),
        (("listed.1:Tanh",), "            nn.Tanh(),"),
        (("many.2:Conv2d",), "self.many ="),
        (("named:Sequential", "named.second:GELU"), "nn.GELU()"),
        (("filled:Sequential", "filled.1:ELU"), "nn.ELU()"),
        (("filled:Sequential", "filled.2:Sigmoid"), "layers.append(nn.Sigmoid())"),
        (("filled:Sequential", "filled.5:Mish"), "nn.Mish()"),
        (("stage:Sequential", "stage.1:MaxPool2d"), "nn.MaxPool2d(2)"),
        (("stage:Sequential", "stage.0:Block", "stage.0.conv:Conv2d"), "self.conv = nn.Conv2d(c, c, 3)"),
        (("stage:Sequential", "stage.0:Block", "stage.0.act:SiLU"), "default_act = nn.SiLU()"),
        (("stage:Sequential", "stage.0:Block", "stage.0.norm:BatchNorm2d"), "norm=nn.BatchNorm2d"),
        (("given:Block", "given.act:Softplus"), "nn.Softplus()"),
        (("sub:ConvReLU", "sub.1:ReLU"), "            nn.ReLU(),"),
        (("choice:PReLU",), "nn.PReLU()"),
        (("choice:LeakyReLU",), "nn.LeakyReLU()"),
        (("added:Softmax",), "nn.Softmax(1)"),
        (("b:Sigmoid",), "self.a, self.b ="),
    ],
)
def test_layer_stands_where_it_is_made(folder: Path, scopes: tuple[str, ...], text: str) -> None:
    source = placed(folder, *scopes)
    assert (source.file, source.line) == ("net.py", line_of(text))
    assert [(call.file, call.line) for call in source.calls] == [("net.py", line_of("x = self.stem(x)"))]


def test_inherited_layer_stands_in_the_file_of_its_class(folder: Path) -> None:
    source = placed(folder, "inherited:Conv2d")
    assert (source.file, source.line) == ("parts.py", 7)


def test_function_stands_on_the_line_that_calls_it(folder: Path) -> None:
    source = placed(folder, called="return torch.sigmoid(self.inherited(x))")
    assert (source.line, source.calls) == (line_of("torch.sigmoid"), ())


def test_line_of_forward_where_the_layer_is_not_found(folder: Path) -> None:
    assert placed(folder, "unheard_of:Conv2d").line == line_of("x = self.stem(x)")


def test_what_lies_inside_a_layer_of_a_library_stands_where_the_layer_is_made(folder: Path) -> None:
    source = placed(folder, "stem:Sequential", "stem.1:Hardswish", "stem.1.inner:Conv2d")
    assert source.line == line_of("nn.Hardswish()")


def test_file_moved_to_another_folder_is_found_by_its_line(folder: Path) -> None:
    source = placed(folder, "stem:Sequential", "stem.1:Hardswish", file="/builder/work/proj/net.py")
    assert (source.file, source.line) == ("net.py", line_of("nn.Hardswish()"))


def test_lines_that_moved_since_are_found_again(folder: Path) -> None:
    (folder / "net.py").write_text("# a comment\n" + NET)
    source = placed(folder, called="return torch.sigmoid(self.inherited(x))")
    assert source.line == line_of("torch.sigmoid") + 1


def test_file_that_is_not_here_keeps_the_place_of_the_trace(folder: Path) -> None:
    source = placed(folder, "stem:Sequential", "stem.1:Hardswish", file="/builder/other/thing.py")
    assert source.line is not None


@pytest.mark.parametrize("text", ["", "class Net(:\n", "\0", "x = " + "(" * 500])
def test_source_that_cannot_be_parsed(folder: Path, text: str) -> None:
    (folder / "net.py").write_text(text)
    assert placed(folder, "stem:Sequential", "stem.1:Hardswish").line == line_of("x = self.stem(x)")


def test_only_python_files_are_opened(folder: Path) -> None:
    source = placed(folder, file="/etc/passwd")
    assert source.file == "/etc/passwd"


def test_graph_that_was_not_traced_is_returned_as_it_is() -> None:
    graph = Graph("net", "onnx", (), (), (), {})
    assert with_source_lines(graph, list) is graph
