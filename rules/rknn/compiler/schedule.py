"""The order of execution."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

from ..program import Layer, Program

ACTIVATIONS = frozenset({"Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "Softplus", "HardSigmoid"}) | {
    "HardSwish",
    "Elu",
    "exSwish",
    "exGelu",
    "exMish",
    "Abs",
}


def schedule(program: Program) -> None:
    """A layer runs as soon as its inputs are there, and what it makes possible right behind it; activations wait in a
    queue until nothing else can run, and Reshapes until the queue is empty too.

    Read off the layer tables that RKNN-Toolkit2 2.5.0 printed of branching networks: YOLOv5, YOLOv8, ghost and
    inception blocks. Convolutions are put where the activation was that they take in.
    """
    made = {name for layer in program.layers for name in layer.outputs}
    readers: dict[str, list[Layer]] = {}
    missing: dict[int, int] = {}
    for layer in program.layers:
        names = {name for name in layer.inputs if name in made}
        missing[id(layer)] = len(names)
        for name in names:
            readers.setdefault(name, []).append(layer)
    done: list[Layer] = []
    queue = deque(layer for layer in program.layers if not missing[id(layer)])
    ready: list[Layer] = []
    last: list[tuple[int, Layer]] = []
    position = {id(layer): k for k, layer in enumerate(program.layers)}
    while queue or ready or last:
        layer = ready.pop() if ready else queue.popleft() if queue else heappop(last)[1]
        done.append(layer)
        possible = []
        for name in layer.outputs:
            for reader in readers.get(name, ()):
                missing[id(reader)] -= 1
                if not missing[id(reader)]:
                    possible.append(reader)
        queue.extend(reader for reader in possible if reader.kind in ACTIVATIONS)
        for reader in reversed(possible):
            if reader.kind == "Reshape":
                heappush(last, (position[id(reader)], reader))
            elif reader.kind not in ACTIVATIONS:
                ready.append(reader)
    if len(done) == len(program.layers):
        program.layers = done


def schedule_unfused_sums(program: Program) -> None:
    """Chips that add in a layer of its own run the parts of what was taken apart in that order, too."""
    if "Add" not in program.target.operators["conv_fuses"]:
        schedule(program)
