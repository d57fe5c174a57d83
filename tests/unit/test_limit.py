"""A full table: nf_conntrack_max, early drop, the collector's help (spec 7.2, 7.3). The kernel's bucket placement is
random, so these rules come from the spec; each test names the one it checks.
"""

from __future__ import annotations

import struct

import pytest

from tests.traffic import build as b

from .machine import ASSURED, A, B, Machine, Verdict, poke


def syn(machine: Machine, n: int, after: float = 0.001) -> Verdict:
    """A new connection, told from the others by its address."""
    src = bytes((10, 1, n >> 8, n & 255))
    return machine.send(b.ipv4(src, B, 6, b.tcp(1, 2, 0, 0, 2, 9)), after)


def full(maximum: int, buckets: int = 1, assured: bool = False, **sysctls: int) -> Machine:
    machine = Machine(max=maximum, buckets=buckets, **sysctls)
    for n in range(maximum):
        verdict = syn(machine, n)
        assert verdict.ctstate == "NEW" and verdict.entry is not None
        if assured:
            poke(verdict.entry, status=ASSURED, state=3)
    return machine


def chain(machine: Machine, number: int) -> set[int]:
    """Entries in a chain; the one behind the buckets is the collector's."""
    limit = machine.engine.tracker.limit
    found = set()
    at = limit.heads[number]
    while at:
        found.add(limit.held[at // 3].conn_id)
        at = limit.after[at]
    return found


def test_zero_is_unlimited() -> None:
    machine = Machine(max=0)
    for n in range(300):
        assert syn(machine, n).ctstate == "NEW"
    assert machine.engine.tracker.n_early_drop == 0 and machine.engine.tracker.limit is None


def test_the_limit_counts_the_new_entry() -> None:
    """7.2: only when the count with the new one exceeds the maximum."""
    machine = full(10)
    assert len(machine.entries()) == 10 and machine.engine.tracker.n_early_drop == 0
    assert syn(machine, 10).ctstate == "NEW"
    assert machine.engine.tracker.n_early_drop > 0


@pytest.mark.parametrize("refused", [False, True])
def test_the_collector_hears_of_states_that_refused_packets_set(refused: bool) -> None:
    """7.3: an association that is closing may go, whatever became of the packet that closed it."""
    machine = Machine(
        max=20, buckets=20, sctp_timeout_established=9999, sctp_timeout_shutdown_sent=9999, tcp_timeout_established=9999
    )
    init, init_ack = (b.chunk(kind, 0, struct.pack("!IIHHI", tag, 1, 1, 1, 1)) for kind, tag in ((1, 7), (2, 9)))
    opening = (0, 0, init), (1, 7, init_ack), (0, 9, b.chunk(10, 0, bytes(4))), (1, 7, b.chunk(11))
    for way, tag, one in opening:
        ends = (A, B, 1, 2) if way == 0 else (B, A, 2, 1)
        verdict = machine.send(b.ipv4(ends[0], ends[1], 132, b.sctp(ends[2], ends[3], tag, [one])))
    entry = verdict.entry
    assert entry is not None and entry.status & 4
    for n in range(19):
        poke(syn(machine, n).entry, status=ASSURED, state=3)
    assert syn(machine, 20).reason == "table_full"
    machine.wait(2)
    chunks = [b.chunk(7, 0, bytes(4)), *[b.chunk(6, 1)][:refused]]
    shutdown = machine.send(b.ipv4(A, B, 132, b.sctp(1, 2, 9, chunks)))
    assert shutdown.ctstate == ("INVALID" if refused else "ESTABLISHED")
    syn(machine, 21)
    assert [(event.conn_id, event.why) for event in machine.wait(2)] == [(entry.conn_id, "gc")]


def test_the_whole_bucket_goes() -> None:
    """7.2: every entry without ASSURED of the first bucket that has one; DESTROY events before the NEW."""
    machine = full(10, buckets=1)
    poke(machine.entries()[3], status=ASSURED)
    verdict = syn(machine, 10)
    assert [(e.event, e.why) for e in verdict.events] == [("DESTROY", "early_drop")] * 9 + [("NEW", "")]
    assert all(e.packet == 11 and e.direction == -1 for e in verdict.events[:9])
    assert len(machine.entries()) == 2
    assert machine.engine.tracker.n_early_drop == 9 and machine.engine.tracker.n_dropped == 0


def test_assured_entries_are_looked_at_once() -> None:
    """Or a bucket full of them would cost every new packet a walk."""
    machine = full(50, assured=True)
    assert len(chain(machine, 0)) == 50
    assert syn(machine, 50).entry is None and not chain(machine, 0)
    # they still go when their time has come, and what is new is evicted as ever
    machine.send(b.ipv4(A, B, 1, b"\x08\0\xf7\xff\0\0\0\0"), after=5 * 86400 + 1)
    assert len(machine.entries()) == 1 and len(chain(machine, 0)) == 1


def test_eight_buckets_are_looked_at_and_no_more() -> None:
    """7.2: up to 8 consecutive buckets, wrapping, from the one of the new original tuple."""
    limit = Machine(max=1, buckets=64).engine.tracker.limit
    for distance in range(64):
        machine = full(1, buckets=64)
        limit = machine.engine.tracker.limit
        (old,) = machine.entries()
        there = old.src_hi, old.src_lo, old.dst_hi, old.dst_lo, old.sport, old.dport, old.proto, old.zone
        back = old.dst_hi, old.dst_lo, old.src_hi, old.src_lo, old.rsport, old.rdport, old.proto, old.zone
        places = {limit.bucket(*there), limit.bucket(*back)}
        for n in range(1, 3000):
            src = bytes((10, 1, n >> 8, n & 255))
            number = 0xFFFF << 32 | int.from_bytes(src)
            start = limit.bucket(0, number, 0, 0xFFFF << 32 | int.from_bytes(B), 1, 2, 6, 0)
            near = min((place - start) % 64 for place in places)
            if near == distance:
                verdict = syn(machine, n)
                evicted = any(e.why == "early_drop" for e in verdict.events)
                assert evicted == (distance < 8), distance
                assert verdict.reason == ("" if evicted else "table_full")
                break


def test_assured_entries_stay_and_the_packet_is_dropped() -> None:
    """7.2: none found: the packet is dropped (not INVALID), stat drop; the packet has no entry."""
    machine = full(10, assured=True)
    verdict = syn(machine, 10)
    assert verdict.short == ("", "table_full") and verdict.entry is None and not verdict.events
    tracker = machine.engine.tracker
    assert (tracker.n_dropped, tracker.n_early_drop, tracker.n_invalid, len(machine.entries())) == (1, 0, 0, 10)


def test_packets_of_known_entries_go_on() -> None:
    machine = full(10, assured=True)
    frame = b.ipv4(B, bytes((10, 1, 0, 3)), 6, b.tcp(2, 1, 0, 1, 0x12, 9))
    assert machine.send(frame).ctstate == "ESTABLISHED"


def test_an_expired_entry_makes_room() -> None:
    machine = full(10, assured=True)
    assert syn(machine, 10, after=119).ctstate == ""
    assert syn(machine, 11, after=2).ctstate == "NEW"


def test_a_refused_create_that_evicted_has_evicted() -> None:
    """2.7: creation's side effects stay when the tracker then says INVALID."""
    machine = full(4)
    frame = b.ipv4(A, B, 6, b.tcp(1, 2, 0, 0, 0x12, 9))
    verdict = machine.send(frame)
    assert verdict.short == ("INVALID", "tcp_not_opening")
    assert [e.event for e in verdict.events] == ["DESTROY"] * 4 and not machine.entries()


def test_not_invertible_evicts_nothing() -> None:
    """2.4: the tuple is inverted before the table is counted."""
    machine = full(4)
    assert machine.send(b.ipv4(A, B, 1, b.icmp(9, 0))).short == ("INVALID", "tuple_not_invertible")
    assert len(machine.entries()) == 4


class TestCollector:
    """7.3: with the help flag, while the count is at least 95 % of the maximum (max/100×95), entries that are not
    ASSURED or are closing go; the collector runs a second later at the earliest."""

    @staticmethod
    def prepared(maximum: int, closing: int, state: int = 7) -> Machine:
        machine = full(maximum, assured=True)
        for e in machine.entries()[:closing]:
            poke(e, state=state, deadline=machine.now + 10**12)
        for e in machine.entries():
            e.deadline = machine.now + 10**12
        return machine

    def test_not_before_a_second(self) -> None:
        machine = self.prepared(100, 50)
        assert syn(machine, 200).reason == "table_full"
        assert syn(machine, 201, after=0.9).reason == "table_full"
        assert len(machine.entries()) == 100
        verdict = syn(machine, 202, after=0.2)
        assert verdict.ctstate == "NEW"

    @pytest.mark.parametrize(("maximum", "left"), [(100, 94), (200, 189), (250, 189)])
    def test_down_to_below_95_percent(self, maximum: int, left: int) -> None:
        """Integer arithmetic: 250/100×95 is 190."""
        machine = self.prepared(maximum, maximum)
        syn(machine, 300)
        verdict = syn(machine, 301, after=1.5)
        gone = [e for e in verdict.events if e.why == "gc"]
        assert len(gone) == maximum - left and verdict.ctstate == "NEW"

    def test_only_what_is_there_to_take(self) -> None:
        machine = self.prepared(100, 2)
        syn(machine, 300)
        verdict = syn(machine, 301, after=1.5)
        assert [e.why for e in verdict.events] == ["gc", "gc", ""]
        assert len(machine.entries()) == 99

    def test_who_closes_after_a_scan_goes_at_the_next(self) -> None:
        """A scan forgets entries that it may not take; an hour of a full table is not walked every second."""
        machine = Machine(max=20, buckets=1)
        for n in range(20):
            src = bytes((10, 1, 0, n))
            machine.send(b.ipv4(src, B, 6, b.tcp(1, 2, 0, 0, 2, 9)), 0.001)
            machine.send(b.ipv4(B, src, 6, b.tcp(2, 1, 0, 1, 0x12, 9)), 0.001)
            machine.send(b.ipv4(src, B, 6, b.tcp(1, 2, 1, 1, 0x10, 9)), 0.001)
        assert len(chain(machine, 1)) == 20
        syn(machine, 300)
        assert syn(machine, 301, after=1.5).reason == "table_full" and not chain(machine, 1)
        machine.send(b.ipv4(bytes((10, 1, 0, 7)), B, 6, b.tcp(1, 2, 1, 1, 0x11, 9)), 0.001)
        assert len(chain(machine, 1)) == 1
        syn(machine, 302)
        gone = [e for e in syn(machine, 303, after=1.5).events if e.why == "gc"]
        assert len(gone) == 1 and len(machine.entries()) == 20

    def test_what_early_drop_does_not_reach_goes(self) -> None:
        """Without ASSURED, in whatever state; one before it that begins to close keeps its place in the line."""
        machine = Machine(max=20, buckets=4096)
        for n in range(20):
            src = bytes((10, 1, 0, n))
            machine.send(b.ipv4(src, B, 6, b.tcp(1, 2, 0, 0, 2, 9)), 0.001)
            if n != 4:
                machine.send(b.ipv4(B, src, 6, b.tcp(2, 1, 0, 1, 0x12, 9)), 0.001)
                machine.send(b.ipv4(src, B, 6, b.tcp(1, 2, 1, 1, 0x10, 9)), 0.001)
        closing, unanswered = machine.entries()[3:5]
        machine.send(b.ipv4(bytes((10, 1, 0, 3)), B, 6, b.tcp(1, 2, 1, 1, 0x11, 9)), 0.001)
        assert syn(machine, 300).reason == "table_full"
        assert [(e.conn_id, e.why) for e in machine.wait(2)] == [(closing.conn_id, "gc"), (unanswered.conn_id, "gc")]

    def test_its_turn_comes_without_a_packet(self) -> None:
        """Also when early drop has made room meanwhile: only a scan ends the call for help."""
        machine = self.prepared(100, 50)
        asked = machine.now + 10**6
        syn(machine, 200)
        poke(machine.entries()[70], status=0xA)
        # as if it had come just now: ASSURED never goes by itself
        machine.engine.tracker.limit.remove(machine.entries()[70])
        machine.engine.tracker.limit.add(machine.entries()[70])
        for n in range(201, 1000):
            if syn(machine, n).ctstate == "NEW":
                break
        assert machine.engine.tracker.n_early_drop == 1 and machine.now < asked + 10**9
        gone = machine.wait(2)
        assert {(e.why, e.ts, e.packet, e.direction) for e in gone} == {("gc", asked + 10**9, 0, -1)}
        assert len(machine.entries()) == 94
        assert machine.wait(5) == []

    def test_what_expires_before_it_expires_by_itself(self) -> None:
        machine = self.prepared(100, 50)
        for n, e in enumerate(machine.entries()[:3]):
            # as a refresh does it
            machine.engine.tracker.timers.remove(e)
            e.deadline = machine.now + 10**8 * (n + 1)
            machine.engine.tracker.timers.queue(e, machine.now)
        syn(machine, 200)
        assert [e.why for e in machine.wait(2)] == ["timeout"] * 3 + ["gc"] * 3

    @pytest.mark.parametrize("state", range(1, 10))
    def test_closing_states(self, state: int) -> None:
        machine = self.prepared(100, 100, state)
        syn(machine, 300)
        verdict = syn(machine, 301, after=1.5)
        assert (verdict.ctstate == "NEW") == (4 <= state <= 8)

    @pytest.mark.parametrize("state", range(1, 9))
    def test_closing_states_of_sctp(self, state: int) -> None:
        machine = self.prepared(100, 100, state)
        for e in machine.entries():
            e.proto = 132
        found = machine.engine.tracker.limit.closing(machine.engine.tracker.table.count)
        assert len(found) == (6 if 5 <= state <= 7 else 0)


def test_limit_one() -> None:
    machine = Machine(max=1, buckets=1)
    for n in range(5):
        assert syn(machine, n).ctstate == "NEW"
    assert len(machine.entries()) == 1 and machine.engine.tracker.n_early_drop == 4


def test_occupancy_counts_what_was_refused() -> None:
    machine = full(3, assured=True)
    for n in range(4):
        syn(machine, 50 + n)
    machine.engine.tracker.finish()
    (row,) = machine.sink.occupancy
    assert (row["inserts"], row["full_drops"], row["entries"], row["packets"]) == (3, 4, 3, 7)
