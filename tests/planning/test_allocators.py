from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lintmodel.planning.allocators import BestFit, FirstFit, GreedyBySize, OutOfMemory

Requests = list[tuple[int, int, int]]

requests = st.lists(
    st.tuples(st.integers(1, 200), st.integers(-1, 20), st.integers(1, 20)).map(lambda r: (r[0], r[1], r[1] + r[2])),
    max_size=25,
)


@given(requests, st.sampled_from([1, 16]))
def test_buffers_alive_together_do_not_overlap(asked: Requests, align: int) -> None:
    offsets = GreedyBySize(align).place_all(asked)
    placed = list(zip(asked, offsets, strict=True))
    for ((size_a, birth_a, death_a), at_a), ((size_b, birth_b, death_b), at_b) in combinations(placed, 2):
        if birth_a < death_b and birth_b < death_a:
            assert at_a + size_a <= at_b or at_b + size_b <= at_a
    assert all(offset % align == 0 for offset in offsets)


@given(requests)
def test_peak_lies_between_what_is_alive_together_and_the_sum(asked: Requests) -> None:
    planner = GreedyBySize(1)
    offsets = planner.place_all(asked)
    alive = max((sum(s for s, b, d in asked if b <= t < d) for _, t, _ in asked), default=0)
    assert alive <= planner.peak <= sum(size for size, _, _ in asked)
    assert planner.peak == max((at + size for (size, _, _), at in zip(asked, offsets, strict=True)), default=0)


def test_sizes_are_rounded_up() -> None:
    planner = GreedyBySize(16)
    assert planner.place_all([(1, 0, 2), (17, 0, 2)]) == [32, 0]
    assert planner.peak == 48


def test_of_equally_large_buffers_the_last_is_placed_first() -> None:
    assert GreedyBySize(16).place_all([(64, 0, 2), (64, 1, 3)]) == [64, 0]


def test_a_gap_between_two_buffers_is_used() -> None:
    #                                       over all time  after it       the gap it leaves
    assert GreedyBySize(1).place_all([(100, 0, 9), (60, 0, 3), (50, 2, 9), (40, 4, 9)]) == [0, 100, 160, 100]


@given(requests, st.sampled_from([1, 64]), st.booleans(), st.sampled_from([None, 1 << 20]))
def test_first_fit_never_overlaps_what_is_alive(
    asked: Requests, align: int, from_end: bool, capacity: int | None
) -> None:
    allocator = FirstFit(align, capacity, from_end=from_end)
    placed = [
        (size, birth, death, allocator.place(size, birth, death)) for size, birth, death in sorted(asked, key=_birth)
    ]
    for (size_a, birth_a, death_a, at_a), (size_b, birth_b, death_b, at_b) in combinations(placed, 2):
        if birth_a < death_b and birth_b < death_a:
            assert at_a + size_a <= at_b or at_b + size_b <= at_a
    assert all(at % align == 0 for *_, at in placed)


def _birth(request: tuple[int, int, int]) -> int:
    return request[1]


def test_first_fit_takes_the_beginning_or_the_end_of_a_gap() -> None:
    asked = [(40, 0, 1), (20, 0, 9), (10, 1, 9), (25, 2, 9)]
    forward, backward = FirstFit(1), FirstFit(1, from_end=True)
    assert [forward.place(*r) for r in asked] == [0, 40, 0, 10]
    assert [backward.place(*r) for r in asked] == [0, 40, 30, 5]
    assert (forward.peak, backward.peak) == (60, 60)


def test_first_fit_in_pieces_finds_no_room() -> None:
    allocator = FirstFit(1, 100)
    for request in ((40, 0, 1), (20, 0, 9), (40, 0, 1)):
        allocator.place(*request)
    with pytest.raises(OutOfMemory) as error:
        allocator.place(60, 1, 9)
    assert (error.value.size, error.value.free, error.value.live) == (60, 40, 20)


def test_with_a_capacity_the_peak_counts_from_the_end_that_is_filled() -> None:
    allocator = FirstFit(1, 100, from_end=True)
    assert [allocator.place(30, 0, 9), allocator.place(20, 0, 9)] == [70, 50]
    assert allocator.peak == 50


def test_best_fit_takes_the_smallest_gap_and_of_equal_ones_the_lowest() -> None:
    heap = BestFit(64)
    large, _, small, _ = (heap.place(size, 0, death) for size, death in ((256, 1), (64, 9), (128, 1), (64, 9)))
    assert heap.place(100, 1, 9) == small
    assert heap.place(100, 1, 9) == large
    assert heap.peak == 512


def test_best_fit_begins_at_multiples_and_does_not_round_sizes() -> None:
    heap = BestFit(64)
    assert [heap.place(30, 0, 9), heap.place(30, 0, 9)] == [0, 64]
    assert heap.peak == 94


def test_best_fit_gives_a_place_away() -> None:
    heap = BestFit(64)
    place = heap.place(128, 0, 2)
    assert heap.take_over(place, 100, 5) == place
    assert heap.place(64, 1, 5) == 128
