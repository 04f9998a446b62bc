"""What each rewrite is for: a target that offers it makes more of the network afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

import onnx
import pytest
from nets import Make, ops

from lintmodel.api import Report, check_graph
from lintmodel.fix.network import VERDICTS, fix_network
from lintmodel.fix.rewrites import all_rewrites
from lintmodel.frontends.onnx import read_onnx_model
from lintmodel.ir.views import macs
from lintmodel.normalize import normalize
from lintmodel.planning import Placement
from lintmodel.target import load_target

PARTS = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("cases_*.py"))]
SERVES: Sequence[tuple[str, str, Make, str]] = [row for part in PARTS for row in getattr(part, "SERVES", ())]
SHAPES: Mapping[str, Sequence[int]] = {"x": (1, 3, 32, 32)}
"""What is given for a network that leaves its input's shape open."""
NOT_ACCELERATED = (Placement.FALLBACK, Placement.UNSUPPORTED)


@pytest.mark.parametrize(("id", "chip", "make", "after"), SERVES, ids=[f"{row[0]}-{row[1]}" for row in SERVES])
def test_improves(id: str, chip: str, make: Make, after: str, tmp_path: Path) -> None:
    rewrite, model, path = all_rewrites()[id], make(), tmp_path / "net.onnx"
    onnx.save(model, path)
    target = load_target(chip)
    before = check_graph(normalize(read_onnx_model(model, str(path))), target)

    shapes = SHAPES if id == "freeze-shapes" else None
    unsafe = rewrite.safety == "unsafe"
    found = fix_network(model, str(path), [target], unsafe=unsafe, input_shapes=shapes)
    assert id in [applied.rewrite.id for applied in found.applied], found.refused
    assert ops(found.after) == after
    assert worth(found.reports[0]) < worth(before)


def worth(report: Report) -> tuple[int, ...]:
    """Smaller is better: what the toolchain says, the multiplications the accelerator does not do, the CPU's steps, and
    what is left to say."""
    levels = [str(finding.level) for finding in report.findings]
    left = [node for node in report.graph.nodes if report.plan.placements.get(node.name) in NOT_ACCELERATED]
    products = sum(macs(report.graph, node) for node in left)
    steps = [step.unit for step in report.plan.steps]
    return VERDICTS.index(report.verdict), levels.count("error"), products, steps.count("cpu"), len(levels)
