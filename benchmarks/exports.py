"""Holds the two ways a PyTorch model reaches lintmodel against each other: does the ``.pt2`` of a network get the same
placements as the ONNX file that ``torch.onnx.export`` writes of it?

    pip install torch timm onnx onnxscript        # torchvision is not needed
    python benchmarks/exports.py [ARCHITECTURE ...] [--cache FOLDER]

prints a Markdown table, and of every difference what differs. Networks come from timm with random weights; the cache
keeps both files of each.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import sys
import tempfile
import types
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from lintmodel.api import check_graph, read_model
from lintmodel.ir import Graph
from lintmodel.registry import typical_targets
from lintmodel.target import load_target

ARCHITECTURES = (
    *("resnet18", "resnext50_32x4d", "seresnet18", "res2net50_26w_4s", "densenet121", "vgg11", "inception_v3"),
    *("mobilenetv1_100", "mobilenetv2_100", "mobilenetv3_small_100", "mobilenetv4_conv_small", "mobileone_s0"),
    *("efficientnet_b0", "efficientnet_lite0", "ghostnet_100", "regnety_002", "repvgg_a0", "cspdarknet53", "dla34"),
    *("hrnet_w18_small", "convnext_atto", "edgenext_xx_small", "mobilevit_xxs", "poolformer_s12", "efficientvit_b0"),
    *("vit_tiny_patch16_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "levit_128s", "mixer_s32_224"),
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("architectures", nargs="*", default=ARCHITECTURES)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "lintmodel-benchmarks")
    parser.add_argument("--targets", help="with commas [default: one or a few of each family]")
    given = parser.parse_args(arguments)
    targets = given.targets.split(",") if given.targets else typical_targets()
    print(f"| architecture | nodes (pt2, ONNX) | {' | '.join(targets)} |\n|---|---|{'---|' * len(targets)}", flush=True)
    differing = 0
    for name in given.architectures:
        pt2, onnx = exported(name, given.cache)
        cells, differences = compared(pt2, onnx, targets)
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
        for difference in differences:
            print(f"{name}: {difference}", file=sys.stderr)
        differing += bool(differences)
    print(f"\n{len(given.architectures) - differing} of {len(given.architectures)} the same on every target")
    return int(differing > 0)


def compared(pt2: Path, onnx: Path, targets: Sequence[str]) -> tuple[list[str], list[str]]:
    """Cells of the table, and what differs."""
    graphs = [read_model(str(path)) for path in (pt2, onnx)]
    # The file is of operator set 20, which some toolchains refuse; a program has none yet.
    graphs = [graph.with_(format="pt2") if isinstance(graph, Graph) else graph for graph in graphs]
    cells = [", ".join(str(len(graph.nodes)) for graph in graphs if isinstance(graph, Graph))]
    differences = []
    for target in targets:
        reports = [check_graph(graph, load_target(target)) for graph in graphs]
        ours, theirs = (Counter((n.op, tuple(n.shape or ()), n.placement.value) for n in r.nodes) for r in reports)
        verdicts = [(r.verdict, r.runtime, r.fits) for r in reports]
        found = [Counter(f.rule for f in r.findings) for r in reports]
        same = sum((ours & theirs).values())
        total = max(ours.total(), theirs.total())
        cells.append(f"{same}/{total} {verdicts[0][0]}")
        if verdicts[0] != verdicts[1]:
            differences.append(f"{target}: {verdicts[0]} and {verdicts[1]}")
        if ours != theirs:
            differences.append(f"{target}: {dict(ours - theirs)} in the .pt2, {dict(theirs - ours)} in the .onnx")
        if found[0] != found[1]:
            differences.append(f"{target}: findings {dict(found[0] - found[1])} and {dict(found[1] - found[0])}")
    return cells, differences


def exported(name: str, cache: Path) -> tuple[Path, Path]:
    """Both files of an architecture, written the first time they are asked for."""
    pt2, onnx = cache / f"{name}.pt2", cache / f"{name}.onnx"
    if pt2.exists() and onnx.exists():
        return pt2, onnx
    cache.mkdir(parents=True, exist_ok=True)
    _without_torchvision()
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.create_model(name).eval()
    for parameter in (*model.parameters(), *model.buffers()):
        if parameter.is_floating_point():  # new networks have many equal weights, which the exporter would merge
            parameter.data.uniform_(0.01, 1.0)
    inputs = (torch.zeros(1, *model.default_cfg["input_size"]),)
    torch.export.save(torch.export.export(model, inputs), pt2)
    torch.onnx.export(model, inputs, onnx, dynamo=True, external_data=False, verbose=False)
    return pt2, onnx


class _Anything(type):
    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Stub(types.ModuleType):
    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or _Anything(name, (), {})


def _without_torchvision() -> None:
    """timm imports torchvision for its image transformations, which no network needs."""
    parts = ("", ".transforms", ".transforms.functional", ".datasets", ".datasets.folder", ".ops", ".ops.misc")
    for part in (*parts, ".models", ".models.feature_extraction"):
        name = f"torchvision{part}"
        if name not in sys.modules:
            stub = _Stub(name)
            stub.__spec__ = importlib.machinery.ModuleSpec(name, None)
            sys.modules[name] = stub


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
