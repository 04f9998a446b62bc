"""Seconds that every stage takes on one model inside one warm process, the fastest of several runs, as JSON.

python benchmarks/stages.py MODEL TARGET [RUNS]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar
from unittest import mock

from lintmodel.api import check_graph
from lintmodel.frontends import read
from lintmodel.normalize import normalize
from lintmodel.registry import pack_for
from lintmodel.target import load_target

T = TypeVar("T")


def main(arguments: Sequence[str]) -> None:
    path, target = arguments[:2]
    runs = int(arguments[2]) if len(arguments) > 2 else 5
    nodes = len(read(path).nodes)
    once(path, target)  # imports, and the target's sheet
    taken = [once(path, target) for _ in range(runs)]
    best = {stage: min(run[stage] for run in taken) for stage in taken[0]}
    print(json.dumps({"nodes": nodes, **best, "total": sum(best.values())}))


def once(path: str, target_name: str) -> dict[str, float]:
    target = load_target(target_name)
    pack = pack_for(target.family)
    read_s, graph = timed(lambda: read(path))
    normalise_s, normal = timed(lambda: normalize(graph))
    plan_s, plan = timed(lambda: pack.plan(normal, target))
    with mock.patch.object(pack, "plan", return_value=plan):
        check_s, report = timed(lambda: check_graph(normal, target))
    report_s, _ = timed(lambda: json.dumps(report.to_dict()))
    return {"read": read_s, "normalise": normalise_s, "plan": plan_s, "check": check_s, "report": report_s}


def timed(call: Callable[[], T]) -> tuple[float, T]:
    begin = perf_counter()
    result = call()
    return perf_counter() - begin, result


if __name__ == "__main__":
    main(sys.argv[1:])
