"""One name in place of another in PyTorch source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lintmodel.findings import Fix
from lintmodel.fix.rewrites import all_rewrites
from lintmodel.fix.source import fix_source
from lintmodel.fix.source_edit import SWAPS, NotThere, find_swap, swapped
from lintmodel.ir import GraphBuilder, Source

NET = """\
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        self.act = nn.SiLU()  # nn.SiLU stays here
        self.two = nn.Sequential(nn.SiLU(), nn.Conv2d(3, 8, 3), nn.SiLU(inplace=True))
        self.gelu = nn.GELU(approximate="tanh")
        self.kind = nn.Hardswish
        self.own = SiLU()

    def forward(self, x):
        y = F.silu(self.act(x), inplace=True)
        return "nn.SiLU()" + y
"""


@pytest.mark.parametrize(
    ("line", "column", "wanted"),
    [
        (7, None, "        self.act = nn.ReLU()  # nn.SiLU stays here"),
        (8, 34, "        self.two = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 8, 3), nn.SiLU(inplace=True))"),
        (8, 65, "        self.two = nn.Sequential(nn.SiLU(), nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True))"),
        (10, None, "        self.kind = nn.ReLU"),
        (14, None, "        y = F.relu(self.act(x), inplace=True)"),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_one_token_changes(line: int, column: int | None, wanted: str, ends: str) -> None:
    text = NET.replace("\n", ends)
    lines = swapped(text, [find_swap(text, line, column, "silu-to-relu")]).split(ends)
    assert lines[line - 1] == wanted
    assert lines[: line - 1] + lines[line:] == NET.split("\n")[: line - 1] + NET.split("\n")[line:]


@pytest.mark.parametrize(("line", "column"), [(8, None), (9, None), (11, None), (13, None), (15, None), (99, None)])
def test_what_is_left_alone(line: int, column: int | None) -> None:
    """Two on a line with nothing to tell them apart, an argument of its own, a bare name, a string, no such line."""
    with pytest.raises(NotThere):
        find_swap(NET, line, column, "silu-to-relu")


def test_text_that_does_not_parse() -> None:
    with pytest.raises(NotThere, match="does not parse"):
        find_swap("x = nn.SiLU(\n'''", 1, None, "silu-to-relu")


def test_swaps_are_those_of_rewrites() -> None:
    assert {id: all_rewrites()[id].safety for id in SWAPS if id in all_rewrites()} == {
        id: "unsafe" for id in SWAPS if id in all_rewrites()
    }


def test_a_graph_with_lines(tmp_path: Path) -> None:
    from lintmodel.api import check_graph
    from lintmodel.normalize import normalize
    from lintmodel.target import load_target

    file = tmp_path / "net.py"
    file.write_text(NET)
    built = normalize(GraphBuilder().conv(3, 8).silu().conv(8, 8).silu().graph())
    places = {"Sigmoid": Source(str(file), 8, 34), "Mul": Source(str(file), 8, 34)}
    nodes = tuple(replace(node, source=places.get(node.op, node.source)) for node in built.nodes)
    graph = built.with_(nodes=nodes)

    def report(graph, target):  # type: ignore[no-untyped-def]
        made = check_graph(graph, target)
        fix = Fix("silu-to-relu", "unsafe")
        first = next(composite.members[-1] for composite in graph.composites)
        return replace(made, findings=tuple(replace(f, fix=fix, node=first) for f in made.findings[:1]))

    target = load_target("k210")
    assert fix_source(graph, [target], report).after == {}
    found = fix_source(graph, [target], report, unsafe=True)
    assert [swap.new for _, _, swap in found.applied] == ["nn.ReLU"] and found.refused == []
    assert "nn.Sequential(nn.ReLU(), nn.Conv2d(3, 8, 3), nn.SiLU(inplace=True))" in found.after[str(file)]
    assert file.read_text() == NET
    file.unlink()
    gone = fix_source(graph, [target], report, unsafe=True)
    assert gone.after == {} and "cannot be read" in gone.refused[0][1]
