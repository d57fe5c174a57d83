"""The expectation table: what may stand beside what, how many, and until when."""

from __future__ import annotations

from typing import Any

import pytest

from ctreplay.helpers.expectations import (
    ADDED,
    ALL,
    ALREADY,
    BUSY,
    FULL,
    INACTIVE,
    PERMANENT,
    Expectation,
    Expectations,
)
from ctreplay.tracker.entry import Entry

SECOND = 10**9


class Told:
    """A journal: (what, number of the expectation, second, packet, reason)."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []

    def created(self, exp: Expectation, ts: int, packet: int) -> None:
        self.rows.append(("new", exp.number, ts // SECOND, packet, ""))

    def refreshed(self, exp: Expectation, ts: int, packet: int) -> None:
        self.rows.append(("refresh", exp.number, ts // SECOND, packet, ""))

    def ended(self, exp: Expectation, ts: int, packet: int, why: str) -> None:
        self.rows.append(("end", exp.number, ts // SECOND, packet, why))

    def matched(self, exp: Expectation, ts: int, packet: int) -> None:
        self.rows.append(("match", exp.number, ts // SECOND, packet, ""))


def master(number: int) -> Entry:
    e = Entry()
    e.family, e.conn_id, e.in_table = 4, number, True
    return e


ONE, TWO = master(1), master(2)


def expected(of: Entry = ONE, **more: Any) -> Expectation:
    return Expectation(of, "ftp", **({"proto": 6, "src": 7, "dst": 8, "dport": 9} | more))


# beside one of ONE from 7 to 8, port 9: another, how it is added, the answer, and what became of the first
BESIDE: dict[str, tuple[Expectation, dict[str, Any], str, str]] = {
    "the same": (expected(), {}, ADDED, "replaced"),
    "the same of another class": (expected(kind=1), {}, ALREADY, ""),
    "the same of another master": (expected(TWO), {}, BUSY, ""),
    "the same of any master": (expected(TWO), {"any_master": True}, ALREADY, ""),
    "of any source": (expected(src_mask=0), {}, BUSY, ""),
    "of a network": (expected(src=5, src_mask=ALL ^ 2), {}, BUSY, ""),
    "of another source": (expected(src=6), {}, ADDED, ""),
    "from one port": (expected(sport=1, sport_mask=0xFFFF), {}, BUSY, ""),
    "to another port": (expected(dport=10), {}, ADDED, ""),
    "to another address": (expected(dst=9), {}, ADDED, ""),
    "of another protocol": (expected(proto=17), {}, ADDED, ""),
    "more than the class may have": (expected(src=6), {"most": 1}, ADDED, "evicted"),
    "as many as the class may have": (expected(src=6), {"most": 2}, ADDED, ""),
    "of another class": (expected(src=6, kind=1), {"most": 1}, ADDED, ""),
}


@pytest.mark.parametrize("name", BESIDE)
def test_beside_another(name: str) -> None:
    exp, how, answer, why = BESIDE[name]
    told = Told()
    table = Expectations(told, 2)
    assert table.add(expected(), SECOND, 11, 0, 300) == ADDED
    assert table.add(exp, 2 * SECOND, 12, **({"most": 0, "timeout_s": 300} | how)) == answer
    ended = [("end", 1, 2, 12, why)] if why else []
    new = [("new", 2, 2, 12, "")] if answer == ADDED else []
    assert told.rows == [("new", 1, 1, 11, ""), *ended, *new]
    assert table.count == 1 - len(ended) + len(new) and exp.alive == bool(new)
    assert not new or (exp.created_ts, exp.created_packet, exp.timeout_s) == (2 * SECOND, 12, 300)


def test_a_full_table_takes_nothing_and_still_evicts() -> None:
    told = Told()
    table = Expectations(told, 1)
    assert table.add(expected(), 0, 1, 0, 300) == ADDED
    assert table.add(expected(TWO, src=6), 0, 2, 0, 300) == FULL
    assert table.add(expected(src=6), 0, 3, 1, 300) == ADDED
    assert [row[0] for row in told.rows] == ["new", "end", "new"] and table.count == 1
    assert Expectations(told, 0).add(expected(), 0, 4, 0, 300) == FULL


def test_match() -> None:
    """Destination, protocol, family and zone exactly, the source under its mask; active, and the master usable."""
    table = Expectations(Told(), 9)
    of = master(3)
    exp = expected(of, src=6, src_mask=ALL ^ 1, sport=4, sport_mask=0xFFFE, flags=PERMANENT | INACTIVE)
    assert table.add(exp, 0, 1, 0, 300) == ADDED
    wanted = {"family": 4, "proto": 6, "zone": 0, "src": 7, "sport": 5, "dst": 8, "dport": 9}
    assert table.match(**wanted) is None and table.match(**wanted, any_state=True) is exp
    table.refresh(exp, 0, 2, 300)
    assert table.match(**wanted) is exp is table.match(**wanted | {"src": 6, "sport": 4})
    for name, other in (("family", 6), ("proto", 17), ("zone", 1), ("src", 4), ("sport", 6), ("dst", 9), ("dport", 8)):
        assert table.match(**wanted | {name: other}) is None, name
    of.dying = True
    assert table.match(**wanted) is None and table.match(**wanted, any_state=True) is exp
    of.dying, of.in_table = False, False
    assert table.match(**wanted) is None


def test_expiry_in_order_and_refresh() -> None:
    told = Told()
    table = Expectations(told, 9)
    late, soon, moved = expected(src=1), expected(src=2), expected(src=3, flags=INACTIVE)
    for exp, seconds in ((late, 30), (soon, 10), (moved, 20)):
        table.add(exp, 0, 1, 0, seconds)
    assert table.next_expiry == 10 * SECOND and table.ports[9] == 3
    table.refresh(moved, 5 * SECOND, 2, 40)
    assert moved.flags == 0 and told.rows[-1] == ("refresh", 3, 5, 2, "")
    assert list(table.expired(10 * SECOND - 1)) == []
    assert list(table.expired(10 * SECOND)) == [soon] and table.next_expiry == 30 * SECOND
    assert list(table.expired(44 * SECOND)) == [late] and table.next_expiry == 45 * SECOND
    assert told.rows[-2:] == [("end", 2, 10, 0, "timeout"), ("end", 1, 30, 0, "timeout")]
    table.master_gone(ONE, 44 * SECOND, 3)
    table.remove(moved, 44 * SECOND, 4, "twice")
    assert told.rows[-1] == ("end", 3, 44, 3, "master_gone")
    assert list(table.expired(99 * SECOND)) == [] and table.next_expiry == 0x7FFFFFFFFFFFFFFF
    assert table.count == 0 and not table.chains and not table.by_master and table.ports[9] == 0
