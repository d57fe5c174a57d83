"""Queues of incomplete datagrams: many at once, in any order, against a plain model of them."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from .machine import SECOND, Machine
from .test_network import ABSORBED, DUPLICATE, piece


def test_thousands_at_once() -> None:
    """More than there are buckets at first; each datagram is completed by its own second half."""
    machine = Machine(frag6_high_thresh=1 << 30, ipfrag_max_dist=0)
    waiting = [(family, ident) for ident in range(2000) for family in (4, 6)]
    rng = random.Random(1)
    rng.shuffle(waiting)
    for family, ident in waiting:
        assert machine.send(piece(0, 48, family, ident=ident), ns=1).short == ABSORBED
    queues = machine.engine.defrag.queues
    assert queues.count == len(waiting) <= len(queues.buckets)
    rng.shuffle(waiting)
    for family, ident in waiting:
        verdict = machine.send(piece(48, 100, family, ident=ident), ns=1)
        assert verdict.entry is not None and verdict.entry.family == family
    assert (queues.count, queues.oldest, queues.newest, machine.engine.defrag.memory) == (0, None, None, 0)
    assert queues.buckets == [None] * len(queues.buckets)


@given(
    st.lists(
        st.tuples(st.sampled_from((4, 6)), st.integers(0, 3), st.booleans(), st.sampled_from((0, 1, 7, 29, 31, 59))),
        max_size=60,
    )
)
def test_against_a_model(arrivals: list[tuple[int, int, bool, int]]) -> None:
    """Two halves, again and again, as time passes."""
    machine = Machine()
    halves: dict[tuple[int, int], set[bool]] = {}
    ends: dict[tuple[int, int], int] = {}
    for family, ident, second, pause in arrivals:
        key = family, ident
        start, stop = (48, 100) if second else (0, 48)
        found = machine.send(piece(start, stop, family, ident=ident), pause)
        if key in ends and ends[key] <= machine.now:
            del ends[key], halves[key]
        ends.setdefault(key, machine.now + (30 if family == 4 else 60) * SECOND)
        here = halves.setdefault(key, set())
        if second in here:
            assert found.short == DUPLICATE
        elif here:
            assert found.entry is not None
            del ends[key], halves[key]
        else:
            assert found.short == ABSORBED
            here.add(second)
    # what is left goes when its time is over, the last one 60 seconds later
    machine.send(piece(0, 48, 4, ident=9), after=61)
    assert machine.engine.defrag.queues.count == 1
