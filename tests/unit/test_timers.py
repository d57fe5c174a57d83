"""Deadlines in order: the timer wheel against a sorted list, and the bug that its lazy bounds invite."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctreplay.tracker.entry import Entry
from ctreplay.tracker.timers import Timers

from .machine import ACK, FIN, RST, SECOND, START, SYN, Machine

SLOT = 1 << 30
WHEEL = (1 << 16) * SLOT
YEAR = 365 * 86400 * SECOND


def entry(conn_id: int, deadline: int) -> Entry:
    e = Entry()
    e.conn_id = conn_id
    e.deadline = deadline
    e.in_table = 1
    return e


def drain(timers: Timers, now: int) -> list[tuple[int, int]]:
    found = []
    while (e := timers.pop(now)) is not None:
        found.append((e.deadline, e.conn_id))
    return found


@pytest.mark.parametrize(
    "deadlines",
    [
        [5, 3, 4],
        [7, 7, 7],
        [SLOT - 1, SLOT, SLOT + 1],
        [WHEEL - 1, WHEEL, WHEEL + 1, 3 * WHEEL, 3 * WHEEL],
        [0, 1, YEAR // 9, 5 * WHEEL + 1, 12 * WHEEL],
        [n * SLOT for n in range(40)],
        [(n * 7919) % 1000 * SLOT // 3 for n in range(500)],
    ],
    ids=lambda v: f"{len(v)} from {v[0]}",
)
@pytest.mark.parametrize("step", [1, SLOT, WHEEL, 40 * YEAR])
def test_all_come_in_order(deadlines: list[int], step: int) -> None:
    timers = Timers()
    for number, deadline in enumerate(deadlines):
        timers.queue(entry(number, START + deadline), START)
    wanted = sorted((START + deadline, number) for number, deadline in enumerate(deadlines))
    got: list[tuple[int, int]] = []
    now = START
    for _ in range(5):
        got += drain(timers, now)
        assert got == [row for row in wanted if row[0] <= now]
        now += step
    got += drain(timers, START + 200 * YEAR)
    assert got == wanted
    assert timers.pop(START + 201 * YEAR) is None


def test_next_check_is_never_late() -> None:
    timers = Timers()
    assert timers.next_check == 0x7FFFFFFFFFFFFFFF
    for deadline in (START + 10 * SECOND, START + 3, START + 2 * WHEEL):
        timers.queue(entry(1, deadline), START)
        assert timers.next_check <= deadline


def test_later_deadline_costs_nothing_and_counts() -> None:
    timers = Timers()
    e = entry(1, START + 10)
    timers.queue(e, START)
    e.deadline = START + 20
    assert timers.pop(START + 19) is None
    assert timers.pop(START + 20) is e


def test_removed_entries_never_come() -> None:
    timers = Timers()
    entries = [entry(n, START + n * SLOT // 2) for n in range(50)]
    for e in entries:
        timers.queue(e, START)
    drain(timers, START + 5 * SLOT // 2)
    for e in entries[6::3]:
        timers.remove(e)
    wanted = [(e.deadline, e.conn_id) for n, e in enumerate(entries) if n >= 6 and (n - 6) % 3]
    assert drain(timers, START + 100 * SLOT) == wanted
    assert timers.pending == 0


def test_hundreds_due_within_a_second() -> None:
    """In any order, some taken out or moved to an earlier deadline meanwhile."""
    rng = random.Random(1)
    timers = Timers()
    # within the clock's own slot: all lie in the heap
    begin = START // SLOT * SLOT
    entries = [entry(n, begin + 1 + rng.randrange(SLOT // 2)) for n in range(400)]
    for e in entries:
        timers.queue(e, begin)
    gone = rng.sample(entries, 250)
    for e in gone:
        timers.remove(e)
    for e in gone[:150]:
        e.deadline = begin + 1 + rng.randrange(SLOT // 4)
        timers.queue(e, begin)
    wanted = sorted((e.deadline, e.conn_id) for e in entries if e not in gone[150:])
    half = begin + SLOT // 8
    assert drain(timers, half) == [row for row in wanted if row[0] <= half]
    assert drain(timers, begin + SLOT - 1) == [row for row in wanted if row[0] > half]


operation = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 60), st.sampled_from([1, SLOT // 4, SLOT, 100 * SLOT, WHEEL // 3])),
    st.tuples(st.just("later"), st.integers(0, 60), st.sampled_from([1, SLOT, 500 * SLOT, WHEEL])),
    st.tuples(st.just("earlier"), st.integers(0, 60), st.sampled_from([1, SLOT, 500 * SLOT])),
    st.tuples(st.just("remove"), st.integers(0, 60), st.just(0)),
    st.tuples(st.just("pass"), st.integers(0, 60), st.sampled_from([1, SLOT // 7, SLOT, 90 * SLOT, WHEEL, YEAR])),
)


@given(st.lists(operation, max_size=60))
@settings(max_examples=150, deadline=None)
def test_against_a_sorted_list(operations: list[tuple[str, int, int]]) -> None:
    timers = Timers()
    now = START
    live: list[Entry] = []
    serial = 0
    for kind, number, size in operations:
        if kind == "add":
            serial += 1
            e = entry(serial, now + number * size)
            timers.queue(e, now)
            live.append(e)
        elif kind == "pass":
            now += number * size
            wanted = sorted((e.deadline, e.conn_id) for e in live if e.deadline <= now)
            assert timers.next_check <= now or not wanted
            if now >= timers.next_check:
                assert drain(timers, now) == wanted
            live = [e for e in live if e.deadline > now]
        elif live:
            e = live[number % len(live)]
            if kind == "remove":
                timers.remove(e)
                live.remove(e)
            elif kind == "later":
                e.deadline += size
            else:
                # as the tracker does it: only what moves before the queued bound is queued again
                e.deadline = max(now, e.deadline - size)
                if e.deadline < e.queued:
                    timers.remove(e)
                    timers.queue(e, now)
    wanted = sorted((e.deadline, e.conn_id) for e in live)
    assert drain(timers, now + 200 * WHEEL) == wanted


class TestTracker:
    def test_a_deadline_moved_earlier_fires_early(self) -> None:
        """ESTABLISHED for five days, then a RST: CLOSE for ten seconds. The bug the design invites."""
        machine = Machine()
        entry = machine.handshake()
        machine.tcp(0, RST, 1001)
        assert machine.wait(9.999) == []
        (gone,) = machine.wait(0.001)
        assert (gone.event, gone.why, gone.conn_id) == ("DESTROY", "timeout", entry.conn_id)
        assert gone.ts == machine.now and gone.packet == 0 and gone.direction == -1 and gone.timeout == -1

    @pytest.mark.parametrize("early", [0, 1])
    def test_expiry_is_at_the_deadline_not_before(self, early: int) -> None:
        machine = Machine()
        machine.udp(0)
        verdict = machine.udp(1, ns=30 * SECOND - early)
        assert verdict.ctstate == ("ESTABLISHED" if early else "NEW")

    def test_each_at_its_own_deadline_before_the_packet_that_wakes_them(self) -> None:
        machine = Machine()
        first = machine.tcp(0, SYN, 1, port=1)
        second = machine.udp(0, ns=0)
        third = machine.tcp(0, ACK, 1, 1, port=2, after=0)
        verdict = machine.udp(0, ns=10**12)
        assert [(e.event, e.ts - START, e.conn_id) for e in verdict.events] == [
            ("DESTROY", 30 * SECOND + 10**6, second.events[0].conn_id),
            ("DESTROY", 120 * SECOND + 10**6, first.events[0].conn_id),
            ("DESTROY", 300 * SECOND + 10**6, third.events[0].conn_id),
            ("NEW", 10**12 + 10**6, 4),
        ]

    def test_ties_by_entry(self) -> None:
        machine = Machine()
        for port in range(1, 60):
            machine.tcp(0, SYN, 1, port=(port * 37) % 61, after=0)
        gone = machine.wait(121)
        assert [e.conn_id for e in gone] == sorted(e.conn_id for e in gone) and len(gone) == 59

    def test_years_of_silence(self) -> None:
        machine = Machine()
        machine.handshake()
        verdict = machine.tcp(0, SYN, 1, after=30 * 365 * 86400)
        assert [(e.event, e.why) for e in verdict.events] == [("DESTROY", "timeout"), ("NEW", "")]
        assert verdict.events[0].ts - START == 432000 * SECOND + 3 * 10**6

    def test_a_timeout_beyond_the_wheel(self) -> None:
        machine = Machine(tcp_timeout_established=2_000_000)
        entry = machine.handshake()
        assert entry.deadline - machine.now == 2_000_000 * SECOND > WHEEL
        assert machine.wait(1_999_999) == []
        machine.tcp(0, FIN, 1001, 5001)
        (gone,) = machine.wait(120)
        assert gone.why == "timeout"

    def test_late_packets_are_worked_at_the_clock(self) -> None:
        machine = Machine()
        machine.udp(0)
        machine.udp(1, after=1)
        verdict = machine.udp(0, after=-0.5)
        assert verdict.timeout_s == 30 and machine.engine.late == 1
        assert machine.entries()[0].deadline == START + 10**6 + 31 * SECOND

    def test_end_of_capture_times_nothing_out(self) -> None:
        machine = Machine()
        machine.udp(0)
        machine.wait(10)
        machine.engine.tracker.finish()
        (end,) = machine.sink.ends
        assert (end.why, end.left, end.ts) == ("capture_end", 20 * SECOND, machine.now)

    def test_timeout_zero(self) -> None:
        machine = Machine(udp_timeout=0)
        machine.udp(0)
        assert [e.event for e in machine.udp(0, ns=0).events] == ["DESTROY", "NEW"]
