from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lintmodel.planning import Buffer, Liveness, Plan, Pool, Step, liveness
from lintmodel.planning.liveness import buffers


def step(*writes: Buffer, op: str = "Op") -> Step:
    return Step("cpu", op, ("node",), writes=writes)


def test_bytes_in_use_at_every_step() -> None:
    a, b, c = (Buffer("a", 10, "data", 1, 3), Buffer("b", 20, "data", 2, 4), Buffer("c", 5, "data", 3, 4))
    found = liveness(Plan(steps=(step(a), step(b), step(c))))
    assert found == {"data": Liveness((10, 30, 25))}
    assert (found["data"].lower_bound, found["data"].at) == (30, 1)


def test_tensors_in_one_place_for_one_time_are_one() -> None:
    """Two slices of one buffer, each written by a step of its own."""
    parts = [Buffer(name, 8, "data", 1, 4, offset=64) for name in ("left", "right")]
    plan = Plan(steps=tuple(step(part) for part in parts))
    assert len(buffers(plan)) == 1
    assert liveness(plan)["data"].live == (8, 8)


def test_the_plans_own_list_of_buffers_goes_first() -> None:
    """Inputs are written by no step, and what a step writes may lie inside another buffer."""
    plan = Plan(
        steps=(step(Buffer("view", 4, "data", 1, 2, 0)),),
        buffers=(Buffer("x", 100, "input", 0, 2), Buffer("root", 16, "data", 1, 2, 0)),
    )
    assert {pool: found.live for pool, found in liveness(plan).items()} == {"input": (100,), "data": (16,)}


def test_what_lives_between_two_steps_counts_for_the_second() -> None:
    plan = Plan(
        steps=(step(Buffer("a", 1, "data", 1, 2)), step(Buffer("b", 2, "data", 9, 10))),
        buffers=(Buffer("a", 1, "data", 1, 2), Buffer("between", 50, "data", 4, 6), Buffer("b", 2, "data", 9, 10)),
    )
    assert liveness(plan)["data"].live == (1, 50)


def test_a_step_that_writes_nothing_sees_what_is_in_use() -> None:
    plan = Plan(steps=(step(Buffer("a", 7, "data", 1, 9)), step(), step(Buffer("b", 1, "data", 3, 9))))
    assert liveness(plan)["data"].live == (7, 7, 8)


def test_a_memory_with_parts_is_their_sum() -> None:
    """What has no lifetime, the model file, is always there."""
    plan = Plan(
        steps=(step(Buffer("a", 10, "data", 1, 2)), step(Buffer("b", 20, "data", 2, 3))),
        memory={"data": Pool(20), "model": Pool(1000), "main": Pool(1020, parts={"data": 20, "model": 1000})},
    )
    assert liveness(plan)["main"].live == (1010, 1020)


def test_plans_without_steps_or_lifetimes_have_none() -> None:
    assert liveness(Plan()) == {}
    assert liveness(Plan(steps=(step(Buffer("a", 10, "data")),))) == {}


lifetimes = st.lists(st.tuples(st.integers(1, 99), st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=12)


@given(lifetimes)
def test_the_bound_is_the_most_alive_at_any_time(spans: list[tuple[int, int, int]]) -> None:
    alive = tuple(Buffer(f"t{k}", size, "data", at, at + length) for k, (size, at, length) in enumerate(spans))
    steps = tuple(step(b) for b in sorted(alive, key=lambda b: b.birth))
    found = liveness(Plan(steps=steps, buffers=alive))["data"]
    most = max(sum(b.bytes for b in alive if b.birth <= t < b.death) for t in range(1, 25))
    assert found.lower_bound == most
