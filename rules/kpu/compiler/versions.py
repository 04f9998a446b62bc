"""What one version of the compiler does and another does not.

Read in the tags' pass lists (targets/k210/k210_target.cpp, src/targets/neutral_target.cpp, src/ir/graph.partition.cpp,
src/transforms/neutral/optimize_allocation.cpp of v1.0.0 to v1.9.0) and measured with the wheels of 1.0, 1.1, 1.3 to
1.9 on the same networks. 1.2 has no wheel; it stands between its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

OLD_BROADCAST = frozenset({"input", "output", "transpose", "pad", "resize", "bitcast", "slice", "reduce_window2d"})
NEW_BROADCAST = frozenset({"input", "transpose", "dequantize", "pad", "resize", "bitcast", "reduce_window2d"})


@dataclass(frozen=True)
class Version:
    """A version of nncase, ``1.9`` as (1, 9)."""

    number: tuple[int, ...]

    @staticmethod
    def of(text: str) -> Version:
        return Version(tuple(int(part) for part in text.split(".")))

    def since(self, *number: int) -> bool:
        return self.number >= number

    @cached_property
    def marked(self) -> frozenset[str]:
        """Kinds whose inputs and outputs are calibrated."""
        kinds = {"fused_unary", "fake_kpu_conv2d"}
        if self.since(1, 5):
            kinds |= {"bitcast", "dequantize"}
        if self.since(1, 6):
            kinds |= {"binary"}
        if self.since(1, 9):
            kinds |= {"slice"}
        return frozenset(kinds)

    @property
    def passes_range_on(self) -> frozenset[str]:
        """Kinds whose output takes over the range of their input. Since 1.5 a Slice is not among them: whether its
        range is the input's depends on the calibration data."""
        return NEW_BROADCAST if self.since(1, 5) else OLD_BROADCAST

    @property
    def first_fit_data(self) -> bool:
        """The KPU functions' part of main memory is reused; before, it was the sum of all buffers."""
        return self.since(1, 5)

    @property
    def fills_from_end(self) -> bool:
        """A buffer takes the end of the first gap that is large enough; since 1.3 its beginning."""
        return not self.since(1, 3)

    @property
    def keeps_maps(self) -> bool:
        """Maps stay in the KPU's memory from one convolution to the next, and pools are fused. 1.3 and 1.4 were
        measured to do neither."""
        return not self.since(1, 3) or self.since(1, 5)

    @property
    def related_regions(self) -> bool:
        """Regions that share some values are merged when no CPU work lies between them."""
        return self.since(1, 9)

    @property
    def bitcast_copies(self) -> bool:
        """A Bitcast whose input cannot lie in place costs a copy; before, it always was a view."""
        return self.since(1, 8)
