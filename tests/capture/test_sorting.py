"""Stable order of timestamps against Python's own sort."""

from __future__ import annotations

import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctreplay.capture.sorting import order_of


def check(times: list[int]) -> None:
    wanted = sorted(range(len(times)), key=times.__getitem__)
    assert list(order_of(array("q", times), len(times))) == wanted


@given(st.lists(st.integers(0, 40), max_size=300))
def test_equal_times_keep_their_order(times):
    check(times)


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=100))
def test_any_numbers(times):
    check(times)


SHAPES = {
    "in order": lambda i, rng: i,
    "all equal": lambda i, rng: 7,
    "backwards": lambda i, rng: -i,
    "jitter": lambda i, rng: 1000 * i + rng.randrange(5000),
    "shuffled": lambda i, rng: rng.randrange(1 << 60),
    "nine runs": lambda i, rng: i % 556,
    "one straggler": lambda i, rng: i if i != 4999 else -1,
    "short runs": lambda i, rng: i % 17 * 100 - i,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 31, 32, 33, 5000])
def test_shapes(shape, count):
    rng = random.Random(count)
    check([shape(i, rng) for i in range(count)])


def test_only_the_first_ones_count():
    times = array("q", [3, 1, 2, 0, 0])
    assert list(order_of(times, 3)) == [1, 2, 0]
    assert list(times) == [3, 1, 2, 0, 0]
