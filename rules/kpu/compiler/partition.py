"""Cuts the graph into regions: every region of KPU operations becomes one function that the CPU calls.

Source: nncase v1.9.0, src/ir/graph.partition.cpp; measured with nncase 1.9.0.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from .program import Op, Program, Slot, Value

OUTSIDE = frozenset({"input", "output", "constant"})
SEARCH_DEPTH = 10
"""Paths between two regions are followed this far (nncase v1.9.0, graph.partition.cpp)."""


class Region:
    """Operations of one unit that run together. ``idle``: none of them does anything but rename memory."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.idle = True
        self.ops: dict[int, Op] = {}
        self.reads: list[Slot] = []
        self.read_ids: set[int] = set()
        self.makes: list[Value] = []
        self.made_ids: set[int] = set()

    def add(self, op: Op) -> None:
        if id(op) not in self.ops:
            self.ops[id(op)] = op
            self.idle = self.idle and not op.acting

    def take(self, other: Region) -> None:
        """Adds the other region's operations; what now flows inside is no longer read or made for others."""
        for op in other.ops.values():
            self.add(op)
        self.reads = [slot for slot in (*self.reads, *other.reads) if id(slot.value.op) not in self.ops]
        self.read_ids = {id(slot.value) for slot in self.reads}
        self.makes = [value for value in (*self.makes, *other.makes) if self._leaves(value)]
        self.made_ids = {id(value) for value in self.makes}

    def _leaves(self, value: Value) -> bool:
        return not value.uses or any(id(use.op) not in self.ops for use in value.uses)

    def __lt__(self, other: Region) -> bool:
        return id(self) < id(other)

    def update(self) -> None:
        """Works out what the region reads from outside and what it makes for others."""
        ops = self.ops.values()
        self.reads = [slot for op in ops for slot in op.inputs if id(slot.value.op) not in self.ops]
        self.read_ids = {id(slot.value) for slot in self.reads}
        self.makes = [value for op in ops for value in op.outputs if self._leaves(value)]
        self.made_ids = {id(value) for value in self.makes}


def partition(program: Program, *, related: bool = True) -> list[Program]:
    """Moves every KPU region into a function of its own and puts a call in its place. Returns the functions.

    ``related``: regions that share some values are merged too, when no CPU work lies between them."""
    regions = _first_regions(program)
    _merge(regions, related)
    outlined = [region for region in regions if region.unit != "cpu"]
    functions = [_outline(program, region) for region in outlined]
    moved = {id(op) for function in functions for op in function.ops}
    program.ops = [op for op in program.ops if id(op) not in moved]
    program.prune()
    return functions


def _first_regions(program: Program) -> list[Region]:
    """An operation joins the one region that makes all its inputs; constants with one user join that user."""
    regions: list[Region] = []
    owner: dict[int, Region] = {}
    for op in program.postorder():
        if op.kind in OUTSIDE:
            continue
        joined = _common_region(op, owner)
        if joined is None or joined.unit != op.unit:
            joined = Region(op.unit)
            regions.append(joined)
        joined.add(op)
        owner[id(op)] = joined
    for region in regions:
        for op in list(region.ops.values()):
            for slot in op.inputs:
                if slot.value.op.kind == "constant" and len(slot.value.uses) == 1:
                    region.add(slot.value.op)
        region.update()
    return regions


def _common_region(op: Op, owner: dict[int, Region]) -> Region | None:
    found: Region | None = None
    for slot in op.inputs:
        maker = slot.value.op
        if maker.kind == "constant":
            return None
        region = owner.get(id(maker))
        if region is not None and found is not None and region is not found:
            return None
        found = region or found
    return found


class _Map:
    """Which region makes and which regions read each value, kept up to date while regions merge."""

    def __init__(self, regions: list[Region]) -> None:
        self.maker: dict[int, Region] = {}
        self.readers: dict[int, dict[int, Region]] = {}
        for region in regions:
            self.enter(region)

    def enter(self, region: Region) -> None:
        for value in region.made_ids:
            self.maker[value] = region
        for value in region.read_ids:
            self.readers.setdefault(value, {})[id(region)] = region

    def leave(self, region: Region) -> None:
        for value in region.read_ids:
            del self.readers[value][id(region)]

    def before(self, region: Region) -> list[Region]:
        return _distinct(self.maker[v] for v in region.read_ids if v in self.maker)

    def behind(self, region: Region) -> list[Region]:
        return _distinct(r for v in region.made_ids for r in self.readers.get(v, {}).values())

    def beside(self, region: Region) -> list[Region]:
        return _distinct(self.readers.get(next(iter(region.read_ids)), {}).values()) if region.read_ids else []


def _distinct(regions: Iterable[Region]) -> list[Region]:
    return list({id(region): region for region in regions}.values())


Condition = Callable[[Region, Region], bool]
Near = Callable[[Region], list[Region]]


def _merge(regions: list[Region], also_related: bool) -> None:
    """Repeats the compiler's merging steps until none changes anything."""
    known = _Map(regions)

    def child(a: Region, b: Region) -> bool:
        return (a.unit == b.unit or b.idle) and b.read_ids <= a.made_ids

    def parent(a: Region, b: Region) -> bool:
        slots = _slots(a)
        return b.idle and all(id(use) in slots for value in b.makes for use in value.uses)

    def siblings(a: Region, b: Region) -> bool:
        return a.unit == b.unit and a.read_ids == b.read_ids

    def related(a: Region, b: Region) -> bool:
        return (a.unit == b.unit or b.idle) and bool(b.read_ids & a.made_ids) and _may_merge(a, b, known)

    local: tuple[tuple[Condition, Near], ...] = (
        (child, known.behind),
        (parent, known.before),
        (siblings, known.beside),
    )
    changed = True
    while changed:
        changed = False
        for condition, near in local:
            changed |= _step(regions, known, condition, near)
    while also_related and _step(regions, known, related, known.behind):
        pass


def _slots(region: Region) -> set[int]:
    """Identities of the input slots that a region reads from outside."""
    return {id(slot) for slot in region.reads}


def _step(regions: list[Region], known: _Map, condition: Condition, near: Near) -> bool:
    """Every region, first region first, takes all those it may take, until none may. CPU never takes CPU."""
    position = {id(region): index for index, region in enumerate(regions)}
    waiting = [(index, region) for index, region in enumerate(regions)]
    gone: set[int] = set()
    while waiting:
        _, a = heapq.heappop(waiting)
        if id(a) in gone:
            continue
        candidates = sorted(
            (b for b in near(a) if b is not a and (a.unit != "cpu" or b.unit != "cpu")), key=lambda b: position[id(b)]
        )
        taken = [b for b in candidates if condition(a, b)]
        if not taken:
            continue
        for region in (a, *taken):
            known.leave(region)
        for b in taken:
            a.take(b)
            gone.add(id(b))
        known.enter(a)
        for region in _distinct([a, *known.before(a), *known.behind(a), *known.beside(a)]):
            heapq.heappush(waiting, (position[id(region)], region))
    regions[:] = [region for region in regions if id(region) not in gone]
    return bool(gone)


def _may_merge(a: Region, b: Region, known: _Map) -> bool:
    """No path from ``a`` to ``b`` leads through a region in which the CPU works."""
    b_slots = _slots(b)
    if all(id(use) in b_slots for value in a.makes for use in value.uses) or len(b.reads) == 1:
        return True
    waiting = [(b, 0, False)]
    seen = set()
    while waiting:
        region, depth, works = waiting.pop()
        if region is a:
            if depth > 1 and works:
                return False
            continue
        if depth >= SEARCH_DEPTH:
            return False
        works = works or (region.unit == "cpu" and not region.idle)
        for maker in known.before(region):
            state = (id(maker), depth + 1, works)
            if state not in seen:
                seen.add(state)
                waiting.append((maker, depth + 1, works))
    return True


def _outline(program: Program, region: Region) -> Program:
    """Makes a function of a region; its inputs and outputs that are the graph's own come last."""
    function = Program(program.limits)
    arguments: dict[int, Op] = {}
    passed: list[Value] = []

    def argument(value: Value) -> Value:
        if id(value) not in arguments:
            op = function.add("input", (), [value.shape], dtype=value.dtype, place="input")
            function.inputs.append(op)
            arguments[id(value)] = op
            passed.append(value)
        return arguments[id(value)].out

    from_graph = []
    for op in region.ops.values():
        for slot in op.inputs:
            if id(slot.value.op) in region.ops:
                continue
            if slot.value.op.kind == "input":
                from_graph.append((program.inputs.index(slot.value.op), slot))
            else:
                slot.connect(argument(slot.value))
    for _, slot in sorted(from_graph, key=lambda item: item[0]):
        slot.connect(argument(slot.value))

    results = []
    for op in region.ops.values():
        for value in op.outputs:
            outside = [use for use in value.uses if id(use.op) not in region.ops]
            if outside:
                results.append((any(use.op.kind == "output" for use in outside), value, outside))
    results.sort(key=lambda item: item[0])
    call = program.add("call", passed, [value.shape for _, value, _ in results])
    call.body = function
    for (_, value, outside), result in zip(results, call.outputs, strict=True):
        result.dtype = value.dtype
        for use in outside:
            use.connect(result)
        output = function.add("output", [value], ())
        function.outputs.append(output)
    function.ops = [*region.ops.values(), *function.ops]
    for op in region.ops.values():
        op.program, op.visit = function, 0
    return function
