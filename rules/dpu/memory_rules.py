"""3xx: what the board's memory may not hold."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target


@rule("DPU301", "board-memory", Level.WARNING, on=Model, confidence="documented")
def board_memory(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Weights and maps that may be too much for the board's contiguous memory.

    What it does: adds the bytes of weights and biases (CONST) and the most bytes of maps that are needed at once
    (WORKSPACE), all in int8, and compares them with {failed_allocation} bytes, an allocation that is known to have
    failed on a ZCU104. An estimate: the compiler may need more.

    Why it matters: the runtime takes both from contiguous memory (CMA), of which the image reserves a part, and ends
    with "bo_ != XRT_NULL_BO allocation failure" where there is too little.

    What to do instead: a larger cma= in the kernel's command line, a smaller network or picture, fewer networks at a
    time.

    Source: Xilinx/Vitis-AI#1338 (536,850,432 bytes), #1164 ("cma memory for dpu is not enough").
    """
    if "CONST" not in plan.memory:
        return
    const, workspace = plan.memory["CONST"].peak, plan.memory["WORKSPACE"].peak
    limit = int(dpu.limit("failed_allocation"))
    if const + workspace >= limit:
        text = (
            f"{const:,} bytes of weights and {workspace:,} of maps; an allocation of {limit:,} has failed on a ZCU104"
        )
        yield Found(text, f"Check failed: bo_ != XRT_NULL_BO allocation failure: size {const}")


board_memory.bad(lambda g: g.gemm(32768, 16384))
board_memory.good(lambda g: g.gemm(32768, 16000))

RULES = [board_memory]
