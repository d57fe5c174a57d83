"""The table's entries by age, and letting go of all of them."""

from __future__ import annotations

import random

import pytest

from ctreplay.tracker.entry import Entry
from ctreplay.tracker.table import Table, by_age


def entries(numbers: list[int]) -> list[Entry]:
    found = []
    for number in numbers:
        e = Entry()
        e.conn_id = number
        e.hash = number * 0x9E3779B1 & 0xFFFFFFFF
        found.append(e)
    return found


# dense (a place for each number), sparse (sorted), and the step between the two
@pytest.mark.parametrize("step", [1, 7, 8, 9, 10_000])
@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_by_age(count: int, step: int) -> None:
    numbers = [3 + step * n for n in range(count)]
    shuffled = random.Random(count).sample(numbers, count)
    assert [e.conn_id for e in by_age(entries(shuffled))] == numbers


@pytest.mark.parametrize("step", [1, 1000])
def test_drain(step: int) -> None:
    """More entries than buckets at the start: it has grown."""
    table = Table()
    numbers = [1 + step * n for n in range(100_000)]
    for e in entries(numbers):
        table.insert(e)
    assert table.count == len(numbers) and len(table.buckets) > len(Table().buckets)
    assert [e.conn_id for e in table.entries()] == numbers
    found = [by_age(part) for part in table.drain()]
    assert [e.conn_id for part in found for e in part] == numbers
    assert max(map(len, found)) < 100
    assert all(e.next is None for part in found for e in part)
    assert table.count == 0 and table.entries() == [] and not any(table.drain())
