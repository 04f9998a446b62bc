"""Fixes are offered for what the DPU at hand has, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lintmodel.api import check_graph
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.target import load_target

Build = Callable[[GraphBuilder], GraphBuilder]
ZYNQ = "DPUCZDX8G_ISA0_B4096_MAX_BG2"


def fixes(build: Build, target: str) -> dict[str, str]:
    report = check_graph(normalize(build(GraphBuilder()).graph()), load_target(target))
    return {finding.rule: finding.fix.id for finding in report.findings if finding.fix is not None}


@pytest.mark.parametrize(
    ("target", "build", "rule", "expected"),
    [
        ("kv260", lambda g: g.conv(8, 16).silu().conv(16, 8), "DPU120", "silu-to-hardswish"),
        (ZYNQ, lambda g: g.conv(8, 16).silu().conv(16, 8), "DPU120", "silu-to-relu"),
        ("kv260", lambda g: g.conv(8, 16).sigmoid().conv(16, 8), "DPU121", "sigmoid-to-hardsigmoid"),
        (ZYNQ, lambda g: g.conv(8, 16).sigmoid().conv(16, 8), "DPU121", None),
        ("kv260", lambda g: g.conv(8, 16, groups=2), "DPU103", "dense-groups"),
        ("kv260", lambda g: g.conv(8192, 8192, kernel=3, groups=64, size=8), "DPU103", None),
        (ZYNQ, lambda g: g.conv(3, 8, size=32).max_pool(9), "DPU108", "stack-max-pool"),
        (ZYNQ, lambda g: g.conv(3, 8, size=14).global_average_pool(), "DPU108", "split-global-pool"),
        (ZYNQ, lambda g: g.conv(3, 8, size=13).global_average_pool(), "DPU108", None),
        ("kv260", lambda g: g.conv(8, 16).op("LeakyRelu", alpha=0.2), "DPU127", "leaky-relu-slope"),
        ("DPUCAHX8H_ISA2", lambda g: g.conv(8, 16).relu().batch_norm(16).conv(16, 8), "DPU902", None),
        ("kv260", lambda g: g.conv(8, 16).relu().batch_norm(16).conv(16, 8), "DPU902", "batch-norm-to-conv"),
    ],
)
def test_what_is_offered(target: str, build: Build, rule: str, expected: str | None) -> None:
    assert fixes(build, target).get(rule) == expected


def test_sums_on_the_input_stay_before_padding() -> None:
    def scaled(pads: int) -> Build:
        return lambda g: g.input(1, 3, 32, 32).op("Sub", g.constant([0.5])).conv(3, 8, pads=pads)

    assert fixes(scaled(0), "kv260")["DPU901"] == "fold-preprocessing"
    assert "DPU901" not in fixes(scaled(1), "kv260")
