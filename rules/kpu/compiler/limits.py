"""The numbers of the accelerator that decide what it can run, from the target's sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lintmodel.target import Target


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in elements."""

    max_in_channels: int
    max_out_channels: int
    min_height: int
    max_height: int
    min_width: int
    max_width: int
    kernel_sizes: tuple[int, ...]
    small_map: int
    """Maps smaller than this are padded up to it."""

    @staticmethod
    def of(target: Target) -> Limits:
        """Raises KeyError when the sheet lacks one of them."""
        return Limits(
            max_in_channels=target.limit("max_in_channels"),
            max_out_channels=target.limit("max_out_channels"),
            min_height=target.limit("min_height"),
            max_height=target.limit("max_height"),
            min_width=target.limit("min_width"),
            max_width=target.limit("max_width"),
            kernel_sizes=tuple(target.limit("kernel_sizes")),
            small_map=target.limit("small_map"),
        )

    def takes(self, shape: Sequence[int]) -> bool:
        """The accelerator can read a feature map N,C,H,W of this shape."""
        _, channels, height, width = shape
        return channels <= self.max_in_channels and self.fits(height, width)

    def fits(self, height: int, width: int) -> bool:
        return self.min_height <= height <= self.max_height and self.min_width <= width <= self.max_width

    def border(self, kernel: int) -> int:
        """Zeros the accelerator itself puts around the map, on every side."""
        return (kernel - 1) // 2
