"""The engines of a DPU as its sheet gives them, with the ranges spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lintmodel.target import Target

ACTIVATIONS = {"relu6": "relu6", "leaky_relu": "leaky", "hswish": "hswish", "hsigmoid": "hsigmoid"}
"""The quantiser's names of activations, and the sheets'."""


@dataclass(frozen=True, slots=True)
class Range:
    """Sizes an engine takes, as the sheet writes them: ``1-3,7``."""

    text: str

    def __contains__(self, size: int) -> bool:
        return any(low <= size <= high for low, high in self._spans())

    def __str__(self) -> str:
        return self.text.replace(",", ", ")

    @property
    def largest(self) -> int:
        return max((high for _, high in self._spans()), default=0)

    def listed(self) -> str:
        """As AMD's messages print it: every size, in brackets."""
        return str([size for low, high in self._spans() for size in range(low, high + 1)])

    def _spans(self) -> list[tuple[int, int]]:
        parts = [part.partition("-") for part in self.text.split(",") if part]
        return [(int(low), int(high or low)) for low, _, high in parts]


@dataclass(frozen=True, slots=True)
class Bank:
    """On-chip memory: ``count`` banks, each ``width`` bytes wide and ``depth`` words deep."""

    count: int
    width: int
    depth: int

    @property
    def bytes(self) -> int:
        return self.count * self.width * self.depth


@dataclass(frozen=True, slots=True)
class Window:
    """An engine that slides a window over the map. ``pads`` are the ranges for left, right, top and bottom; empty
    where the padding is bounded by the window."""

    channels: int
    kernel: Range
    stride: Range
    activations: frozenset[str]
    pads: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Engines:
    """What one DPU has. An engine is None where the DPU does not have it."""

    name: str
    kind: str
    """The letters of the name: ``DPUCZDX8G``."""
    input_channels: int
    """Multiplied at a time by the convolution engine."""
    output_channels: int
    pixels: int
    conv: Window
    depthwise: Window | None
    average_pool: Window | None
    max_pool: Window | None
    max_reduce: bool
    """Maxima over windows one or two rows high and up to 100 wide."""
    eltwise: frozenset[str]
    eltwise_activations: frozenset[str]
    alu: frozenset[str]
    """Operations of the arithmetic unit that ISA 1 and later have in place of separate engines; empty without it."""
    weights: Bank
    depthwise_weights: Bank
    banks: Mapping[str, Bank]
    channel_factor: int
    taps: int
    """Largest height times width of a convolution's kernel."""
    taps_channels: int
    """Input channels that count once for ``taps``; 0 where any number does."""
    leaky_slope: float
    batch: int
    argmax: bool

    @property
    def pools_square(self) -> bool:
        """The pool engine averages over squares only; the arithmetic unit over any rectangle."""
        return not self.alu

    @property
    def volumes(self) -> bool:
        """Convolutions over volumes."""
        return self.kind == "DPUCVDX8G"


def engines(target: Target) -> Engines:
    """The engines of a target of this family. Raises KeyError for a sheet that does not extend one of ours."""
    limit = target.limit
    parallel, conv, eltwise = limit("parallelism"), limit("conv"), limit("eltwise")
    pool, dwconv, alu = limit("pool"), limit("dwconv"), limit("alu")
    banks = {name: Bank(*map(int, shape.split("x"))) for name, shape in limit("banks").items()}
    # The newest DPUs name what their arithmetic unit does by template.
    operations = frozenset(alu.get("operations", ()))
    macc, comp = "macc_temp" in operations, "comp_temp" in operations
    unit = _window(alu) if alu else None
    elementwise = {*eltwise.get("operations", ()), *(o.removeprefix("elew_") for o in operations if "elew_" in o)}
    name = str(limit("dpu"))
    return Engines(
        name=name,
        kind=name.split("_")[0],
        input_channels=parallel["input_channels"],
        output_channels=parallel["output_channels"],
        pixels=parallel["pixels"],
        conv=_window(conv, channels=parallel["input_channels"]),
        depthwise=unit if macc or "dwconv" in operations else _window(dwconv) if dwconv else None,
        average_pool=unit if macc or "avg_pool" in operations else _pool(pool, "avg"),
        max_pool=unit if comp or "max_pool" in operations else _pool(pool, "max"),
        max_reduce="max_reduce" in (*operations, *pool.get("operations", ())),
        eltwise=frozenset(elementwise),
        eltwise_activations=frozenset(eltwise.get("activations", alu.get("activations", ()))),
        alu=operations,
        weights=banks["CONVW"],
        depthwise_weights=banks.get("DWCONVW", banks["CONVW"]),
        banks=banks,
        channel_factor=limit("channel_factor"),
        taps=limit("kernel_taps"),
        taps_channels=limit("kernel_taps_channels"),
        leaky_slope=limit("leaky_slope"),
        batch=limit("batch"),
        argmax=limit("argmax"),
    )


def _window(engine: Mapping[str, Any], channels: int = 0) -> Window:
    return Window(
        channels=engine.get("channels", channels),
        kernel=Range(engine["kernel"]),
        stride=Range(engine["stride"]),
        activations=frozenset(engine.get("activations", ())),
        pads=tuple(map(Range, engine.get("pads", ()))),
    )


def _pool(pool: Mapping[str, Any], kind: str) -> Window | None:
    if f"{kind}_kernel" not in pool:
        return None
    return Window(0, Range(pool[f"{kind}_kernel"]), Range(pool[f"{kind}_stride"]), frozenset())


def activations_behind(kind: str, dpu: Engines) -> frozenset[str]:
    """Activations, in the sheets' words, that the engine of an operation computes with it; every one where no engine
    is known to make the map."""
    if kind.startswith("elemwise"):
        return dpu.eltwise_activations
    if kind == "depthwise_conv2d" and dpu.depthwise is not None:
        # A unit that has an activation as an operation of its own takes it behind anything.
        own = {"hsigmoid", "hswish"} if "hsigmoid" in dpu.alu else set()
        return dpu.depthwise.activations | own | ({"leaky"} if "leaky" in dpu.alu else set())
    if kind not in ("conv2d", "conv_transpose_2d"):
        return frozenset(ACTIVATIONS.values()) | {"relu"}
    # UG1414 lists the hard activations for convolutions of DPUs with an arithmetic unit; their targets do not.
    return dpu.conv.activations | ({"hsigmoid", "hswish"} if dpu.alu else set())
