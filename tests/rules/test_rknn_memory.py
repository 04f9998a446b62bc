"""Internal and weight memory of RKNN programs: bytes of tensors, addresses, workspaces, constants."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lintmodel.api import Report, check_graph
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.rules.rknn.layout import native_bytes, tensor_bytes, wire
from lintmodel.rules.rknn.memory import lay_out
from lintmodel.rules.rknn.program import Layer, Program, Value
from lintmodel.rules.rknn.weights import weight_bytes
from lintmodel.rules.rknn.workspaces import workspaces
from lintmodel.target import load_target

Shape = tuple[int, ...]


def program(
    target: str, rows: list[tuple[str, Shape, Shape, Shape | None]], *, quantized: bool = True, unit: str = "npu"
) -> Program:
    """A chain: kind, input, output and weight of every row, tensors called t0, t1, ..."""
    made = Program(load_target(target), quantized, ["t0"], [f"t{len(rows)}"])
    made.values["t0"] = Value("t0", rows[0][1], made.dtype)
    for k, (kind, _, result, weight) in enumerate(rows):
        made.values[f"t{k + 1}"] = Value(f"t{k + 1}", result, made.dtype)
        inputs = [f"t{k}"]
        if weight is not None:
            for name, shape in ((f"w{k}", weight), (f"b{k}", result[1:2])):
                made.values[name] = Value(name, shape, made.dtype, True, lambda: None)
                inputs.append(name)
        made.layers.append(Layer(kind, inputs, [f"t{k + 1}"], (f"n{k}",), {}, unit))
    return made


def convolutions(target: str, *, quantized: bool = True) -> Program:
    maps: list[Shape] = [(1, depth, 64, 64) for depth in (16, 16, 48, 48)]
    rows = [("Conv", before, after, (after[1], before[1], 3, 3)) for before, after in pairwise(maps)]
    return program(target, rows, quantized=quantized)


def test_three_convolutions_lie_as_the_compiler_lays_them() -> None:
    # What rknn-toolkit2 2.5.0 prints: the gap that the first two maps leave is too small for the last.
    memory = lay_out(convolutions("rk3588"))
    assert [memory.buffers[f"t{k}"].offset for k in range(4)] == [0, 65536, 196608, 458752]
    assert (memory.internal, memory.at) == (720896, "n2")


def test_the_copy_of_an_output_lies_beside_it() -> None:
    memory = lay_out(convolutions("rk3566"))
    assert memory.buffers["t3_exSecondary"].bytes == 4 * 64 * 64 * 48
    assert max(b.bytes + (b.offset or 0) for b in memory.buffers.values()) == memory.internal


def test_a_plane_of_one_pixel_stays_one_and_others_are_multiples_of_four() -> None:
    assert native_bytes((1, 10, 1, 1), 16, 1) == 16
    assert native_bytes((1, 10, 7, 7), 16, 1) == 16 * 52
    assert native_bytes((2, 20, 4, 4), 8, 2) == 2 * 24 * 16 * 2


@pytest.mark.parametrize(
    ("target", "quantized", "kind", "shape", "weight", "size"),
    [
        ("rk3588", True, "Conv", (1, 16, 32, 32), (16, 16, 3, 3), 32 * 1024),
        ("rk3588", True, "Conv", (1, 16, 32, 32), (1, 16, 3, 3), 64 * 1024),
        ("rk3588", True, "exSwish", (1, 16, 32, 32), None, 4 * 16 * 1024),
        ("rk3588", False, "ConvExSwish", (1, 16, 32, 32), (16, 16, 3, 3), 3 * 2 * 16 * 1024),
        ("rk3566", False, "ConvSigmoid", (1, 16, 32, 32), (16, 16, 3, 3), 2 * 2 * 16 * 1024),
        ("rv1106", True, "Conv", (1, 20, 32, 32), (20, 16, 3, 3), 32 * 1024),
        ("rk2118", False, "MaxPool", (1, 16, 32, 32), None, 10 * 2 * 16 * 1024),
    ],
)
def test_what_a_row_writes(
    target: str, quantized: bool, kind: str, shape: Shape, weight: Shape | None, size: int
) -> None:
    made = program(target, [(kind, (1, 16, 32, 32), shape, weight)], quantized=quantized)
    assert tensor_bytes(made, made.values["t1"], wire(made)) == size


def test_an_image_is_not_filled_up() -> None:
    made = program("rk3588", [("Conv", (1, 3, 224, 224), (1, 16, 112, 112), (16, 3, 3, 3))])
    assert tensor_bytes(made, made.values["t0"], wire(made)) == 3 * 224 * 224


@pytest.mark.parametrize(
    ("target", "kind", "shape", "result", "rooms"),
    [
        ("rk3588", "exNorm", (1, 768, 1, 197), (1, 768, 1, 197), [620864]),
        ("rk3566", "exNorm", (1, 768, 1, 197), (1, 768, 1, 197), [617664]),
        ("rk3562", "exNorm", (1, 48, 16, 16), (1, 48, 16, 16), [77888]),
        ("rk3588", "Reshape", (1, 16, 32, 32), (1, 16, 1024), [16384]),
        ("rk3588", "Reshape", (1, 197, 1, 768), (1, 197, 768), [311040]),
        ("rv1106", "Reshape", (1, 197, 1, 768), (1, 197, 768), [470784]),
        ("rk3566", "Reshape", (1, 16, 32, 32), (1, 16, 1024), []),
        ("rk3588", "Relu", (1, 16, 32, 32), (1, 16, 32, 32), []),
    ],
)
def test_workspaces(target: str, kind: str, shape: Shape, result: Shape, rooms: list[int]) -> None:
    made = program(target, [(kind, shape, result, None)])
    assert workspaces(made, made.layers[0], wire(made)) == rooms


def test_a_relu_of_its_own_works_in_place() -> None:
    rows = [("Add", (1, 16, 32, 32), (1, 16, 32, 32), None), ("Relu", (1, 16, 32, 32), (1, 16, 32, 32), None)]
    buffers = lay_out(program("rk3588", rows)).buffers
    assert buffers["t1"].offset == buffers["t2"].offset


@pytest.mark.parametrize(
    ("target", "weight", "bias", "overhead"), [("rk3588", 2304, 256, 2048), ("rk3566", 2304, 128, 0)]
)
def test_weights_of_a_convolution(target: str, weight: int, bias: int, overhead: int) -> None:
    found = weight_bytes(program(target, [("Conv", (1, 16, 64, 64), (1, 16, 64, 64), (16, 16, 3, 3))]))
    assert found == {"w0": weight, "b0": bias, "overhead": overhead}


def checked(builder: GraphBuilder, target: str = "rk3588") -> Report:
    return check_graph(normalize(builder.graph()), load_target(target))


def test_the_report_has_both_pools_and_every_buffer() -> None:
    report = checked(GraphBuilder().conv(16, 16, size=64).conv(16, 48))
    assert report.plan.memory["internal"].peak > 0 < report.plan.memory["weight"].peak
    assert report.plan.memory["internal"].peak == max(b.bytes + (b.offset or 0) for b in report.plan.buffers)


def test_one_channel_is_named_with_its_cost() -> None:
    report = checked(GraphBuilder().input(1, 8400).op("Softmax", axis=1))
    [found] = [f for f in report.findings if f.rule == "RKN301"]
    assert "1x1x1x8400" in found.message or "one channel" in found.message
    assert "for" in found.message and "of data" in found.message
