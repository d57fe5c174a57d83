"""Queues of incomplete datagrams: many at once, in any order, against a plain model of them."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ctreplay.tracker import queues
from ctreplay.tracker.queues import Queue

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


@given(st.lists(st.tuples(st.sampled_from((4, 6)), st.integers(0, 4), st.booleans()), max_size=60))
def test_order_of_age(arrivals: list[tuple[int, int, bool]]) -> None:
    """Oldest to newest, both ways: an IPv4 datagram that others of its source overtake begins anew as the newest."""
    machine = Machine(ipfrag_max_dist=2)
    halves: dict[tuple[int, int], set[bool]] = {}
    met: dict[tuple[int, int], int] = {}
    for number, (family, ident, second) in enumerate(arrivals):
        key = family, ident
        sent = sum(one == 4 for one, _, _ in arrivals[:number])
        if family == 4 and key in halves and sent - met[key] > 2:
            del halves[key]
        met[key] = sent
        here = halves.setdefault(key, set())
        machine.send(piece(48, 100, family, ident=ident) if second else piece(0, 48, family, ident=ident), ns=1)
        here.add(second)
        if len(here) == 2:
            del halves[key]
        waiting = machine.engine.defrag.queues
        one, other = waiting.oldest, waiting.newest
        forwards, backwards = [], []
        while one is not None or other is not None:
            forwards.append((one.family, one.frag_id))
            backwards.append((other.family, other.frag_id))
            one, other = one.newer, other.older
        assert forwards == backwards[::-1] == list(halves)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), max_size=20))
def test_places(pieces: list[tuple[int, int]]) -> None:
    """In any order, with gaps: what lies within one stretch is a duplicate, what reaches into others overlaps."""
    queue = Queue()
    runs: list[list[int]] = []
    for start, size in pieces:
        end = start + size
        touched = [run for run in runs if run[0] < end and start < run[1]]
        if not touched:
            assert queue.place(start, end) == 0
            if runs and runs[-1][1] == start:
                runs[-1][1] = end
            else:
                runs = sorted([*runs, [start, end]])
        elif any(run[0] <= start and end <= run[1] for run in touched):
            assert queue.place(start, end) == queues.DUPLICATE
        else:
            assert queue.place(start, end) == queues.OVERLAP
        assert queue.runs == runs
