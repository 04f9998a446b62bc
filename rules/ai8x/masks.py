"""Groups of maps that share processors, and the processors each group gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lintmodel.target import Target

from .cnn_layers import CnnLayer, Lowered, Map, kernel_words
from .network import processors_for, set_bits

PROCESSORS = 64

_Needs = Sequence[tuple[int, int, int]]
_Cost = tuple[int, ...]


@dataclass
class _Group:
    """Maps and the processor each begins at, counted from the group's first."""

    members: dict[str, int]
    step: int = 4
    """The group begins at a multiple of so many processors."""


@dataclass
class Groups:
    """The groups of a network. ``problem`` is layer, problem and advice where maps contradict each other."""

    layers: Sequence[CnnLayer]
    found: Lowered
    tensors: Mapping[str, Map]
    chw: bool
    problem: tuple[str, str, str] | None = None
    _of: dict[str, _Group] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in dict.fromkeys((*self.found.inputs, *(layer.writes for layer in self.layers), *self.found.concats)):
            self._of[name] = _Group({name: 0})
        for concat, parts in self.found.concats.items():
            self._concat(concat, parts)
        for layer in self.layers:
            for other in layer.reads[1:]:
                self._join(layer.reads[0], other, 0, layer.name)
            if layer.op == "passthrough" or layer.groups > 1:
                self._join(layer.reads[0], layer.writes, 0, layer.name)
        for layer in self.layers:
            if layer.op == "passthrough":
                # Its output lies packed from the start of every quadrant.
                group = self._of[layer.reads[0]]
                group.step = 16
                if group.members[layer.reads[0]] % 16:
                    self._wrong(layer.name, "it has no weights and reads a part of a concatenation")
        for layer in self.layers:
            if self._width(self._of[layer.reads[0]]) > PROCESSORS:
                self._wrong(layer.name, f"what must lie beside its input takes more than {PROCESSORS} processors")
        if self.chw and len(self._of[self.found.inputs[0]].members) > 1:
            self._wrong(self.found.readers(self.found.inputs[0])[0].name, "the input lies in planes")

    def _concat(self, concat: str, parts: Sequence[str]) -> None:
        readers = [layer for layer in self.layers if concat in layer.reads]
        name = readers[0].name if readers else concat
        if self.tensors[concat][0] > PROCESSORS:
            problem = f"it reads a concatenation of {self.tensors[concat][0]} channels"
            self.problem = self.problem or (name, problem, f"keep concatenations to {PROCESSORS} channels")
            return
        position = 0
        for part in parts:
            self._join(concat, part, position, name)
            position += self.tensors[part][0]

    def _join(self, first: str, second: str, shift: int, layer: str) -> None:
        """The second lies ``shift`` processors behind the first."""
        one, other = self._of[first], self._of[second]
        distance = one.members[first] + shift - other.members[second]
        if one is other:
            if distance:
                self._wrong(layer, "it needs one map at two places")
            return
        one.members |= {name: place + distance for name, place in other.members.items()}
        one.step = max(one.step, other.step)
        least = min(one.members.values())
        one.members = {name: place - least for name, place in one.members.items()}
        for name in one.members:
            self._of[name] = one

    def _wrong(self, layer: str, problem: str) -> None:
        advice = "put a 1x1 convolution before it, so that its input gets processors of its own"
        self.problem = self.problem or (layer, problem, advice)

    # ---- processors

    def assignments(self, target: Target) -> Iterator[dict[str, int]]:
        """Masks of all tensors, the likeliest to fit first."""
        groups = list({id(group): group for group in self._of.values()}.values())
        first = self._of[self.found.inputs[0]] if self.found.inputs else groups[0]
        others = [group for group in groups if group is not first]
        weight = {id(group): sum(need for _, _, need in self._needs(group)) for group in groups}
        heaviest = sorted(others, key=lambda group: -weight[id(group)])
        widest = sorted(others, key=lambda group: (-self._width(group), -weight[id(group)]))
        for apart in (False, True):
            for order in (others, heaviest, widest):
                yield self._assigned([first, *order], apart=apart)

    def _assigned(self, groups: Sequence[_Group], *, apart: bool) -> dict[str, int]:
        """Every group in turn where it is emptiest; ``apart``: first of all in other data memories than the maps
        that are needed at the same time."""
        used = [0] * PROCESSORS
        masks: dict[str, int] = {}
        for number, group in enumerate(groups):
            width = self._width(group)
            base = 0
            if number:
                needs = list(self._needs(group))
                near = self._near(group, masks) if apart else set()

                def cost(start: int, width: int = width, near: set[int] = near, needs: _Needs = needs) -> _Cost:
                    own = set(range(start // 4, (start + width - 1) // 4 + 1))
                    return len(own & near), *_height(used, needs, start)

                base = min(range(0, PROCESSORS - width + 1, group.step), key=cost)
            for name, place in group.members.items():
                planes = self.chw and name in self.found.inputs
                masks[name] = mask_of(self.tensors[name][0], base + place, planes=planes)
            for layer in self._readers(group):
                for processor in set_bits(masks[layer.reads[0]]):
                    used[processor] += kernel_words(layer)
        return masks

    def _near(self, group: _Group, masks: Mapping[str, int]) -> set[int]:
        """Data memories of the maps already placed that layers read together with writing this group, or the other
        way round."""
        found = set()
        for layer in self.layers:
            ends = (*layer.reads, layer.writes)
            if any(name in group.members for name in ends):
                found |= {bit // 4 for name in ends if name in masks for bit in set_bits(masks[name])}
        return found

    def _width(self, group: _Group) -> int:
        return max(place + processors_for(self.tensors[name][0]) for name, place in group.members.items())

    def _readers(self, group: _Group) -> Iterator[CnnLayer]:
        for layer in self.layers:
            if layer.weighted and layer.reads[0] in group.members:
                yield layer

    def _needs(self, group: _Group) -> Iterator[tuple[int, int, int]]:
        """First processor, number of processors, and words of every layer that reads from the group."""
        for layer in self._readers(group):
            yield group.members[layer.reads[0]], processors_for(layer.source[0]), kernel_words(layer)


def mask_of(channels: int, start: int, *, planes: bool = False) -> int:
    """Processors for so many channels, side by side; for planes one in every data memory."""
    if planes:
        return sum(1 << 4 * channel for channel in range(channels))
    return (1 << processors_for(channels)) - 1 << start


def _height(used: Sequence[int], needs: Sequence[tuple[int, int, int]], start: int) -> tuple[int, int]:
    """How full the fullest processor gets, and the group's own fullest."""
    heights = list(used)
    for first, count, words in needs:
        for processor in range(start + first, start + first + count):
            heights[processor] += words
    own = [heights[p] for first, count, _ in needs for p in range(start + first, start + first + count)]
    return max(own, default=0), max(heights)
