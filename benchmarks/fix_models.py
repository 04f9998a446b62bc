"""Runs ``lintmodel fix`` on every ONNX file of a folder and looks whether what comes out is sound.

    python benchmarks/fix_models.py ../shared/models --target k210,max78000 [--unsafe-fixes] [--most-mb 60]

For every model and target: places fixed, what was refused, whether the result is a valid model where the input was one,
whether it computes the same (safe fixes, wherever the model can be run), and whether the verdict got no worse. Exits
with 1 if any of that does not hold.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lintmodel.api import check_graph
from lintmodel.errors import LintmodelError
from lintmodel.fix.network import fix_network, read_proto, worse
from lintmodel.fix.verify import NotVerified, delta
from lintmodel.frontends.onnx import read_onnx_model
from lintmodel.normalize import normalize
from lintmodel.target import load_target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", required=True, help="one or more, with commas; each is fixed for alone")
    parser.add_argument("--unsafe-fixes", action="store_true")
    parser.add_argument("--most-mb", type=float, default=60, help="leave larger files out")
    args = parser.parse_args()
    files = sorted(args.folder.rglob("*.onnx"))
    small = [file for file in files if file.stat().st_size <= args.most_mb * 2**20]
    print(f"{len(files)} files, {len(files) - len(small)} left out as larger than {args.most_mb:g} MB")
    bad = 0
    for target in args.target.split(","):
        counts: Counter[str] = Counter()
        rewrites: Counter[str] = Counter()
        begin = time.perf_counter()
        for file in small:
            for word in tried(str(file), target, args.unsafe_fixes, rewrites):
                counts[word.partition(":")[0]] += 1
                if word.startswith("BAD"):
                    bad += 1
                    print(f"{target} {file}: {word}", flush=True)
        seconds = time.perf_counter() - begin
        print(f"{target}: {', '.join(f'{count} {word}' for word, count in sorted(counts.items()))}; {seconds:.0f} s")
        print(f"  places: {dict(rewrites.most_common())}", flush=True)
    return int(bool(bad))


def tried(path: str, target: str, unsafe: bool, rewrites: Counter[str]) -> list[str]:
    """What became of one model, in words."""
    try:
        model = read_proto(path)
        found = fix_network(model, path, [load_target(target)], unsafe=unsafe)
    except LintmodelError as error:
        return ["BAD bug: " + str(error)] if "bug" in str(error) else ["unreadable"]
    except Exception as error:
        return [f"BAD error: {type(error).__name__}: {error}"]
    for each in found.applied:
        rewrites[each.rewrite.id] += len(each.changes)
    for refused in found.refused:
        rewrites[f"not {refused.rewrite.id}"] += len(refused.nodes)
    if not found.applied:
        return ["refused" if found.refused else "nothing to fix"]
    words = ["fixed"]
    if valid(found.before, path) and not valid(found.after, path):
        words.append("BAD invalid")
    if not unsafe:
        try:
            apart = delta(found.before, found.after, Path(path).parent)
            words.append("same" if apart.same else f"BAD outputs differ: {apart.largest:g} of {apart.range:g}")
        except NotVerified as error:
            words.append(f"not run: {error}")
    before = check_graph(normalize(read_onnx_model(found.before, path)), load_target(target))
    why = worse(before, found.reports[0])
    return [*words, f"BAD worse: {why}"] if why else words


def valid(model: Any, path: str) -> bool:
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:  # the checker would look for external data where this runs
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
            tensor.dims[:] = [0]
    try:
        onnx.checker.check_model(copy)
    except Exception:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
