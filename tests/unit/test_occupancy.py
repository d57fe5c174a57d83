"""How full the table is, second by second."""

from __future__ import annotations

import struct

import pytest

from tests.traffic import build as b

from .machine import FIN, RST, SYN, A, B, Machine, live_counts

INIT = b.chunk(1, 0, struct.pack("!IIHHI", 7, 1, 1, 1, 1))


def counts(machine: Machine) -> dict[str, int]:
    o = machine.engine.tracker.occupancy
    names = "tcp udp icmp icmpv6 sctp gre udplite other".split()  # noqa: SIM905
    return {
        "entries": o.entries, "assured": o.assured, "unreplied": o.unreplied,
        **{name: n for name, n in zip(names, live_counts(o), strict=False) if n},
        **{f"tcp state {n}": count for n, count in enumerate(live_counts(o)[8:18]) if count},
        **{f"sctp state {n}": count for n, count in enumerate(live_counts(o)[18:]) if count},
    }  # fmt: skip


def test_marks_and_states_follow_the_entry() -> None:
    machine = Machine()
    machine.tcp(0, SYN, 1000)
    assert counts(machine) == {"entries": 1, "assured": 0, "unreplied": 1, "tcp": 1, "tcp state 1": 1}
    machine.tcp(1, SYN | 0x10, 5000, 1001, 1000)
    assert counts(machine) == {"entries": 1, "assured": 0, "unreplied": 0, "tcp": 1, "tcp state 2": 1}
    machine.tcp(0, 0x10, 1001, 5001)
    assert counts(machine) == {"entries": 1, "assured": 1, "unreplied": 0, "tcp": 1, "tcp state 3": 1}
    machine.udp(0)
    machine.tcp(0, FIN, 1001, 5001)
    assert counts(machine) == {
        "entries": 2, "assured": 1, "unreplied": 1, "tcp": 1, "udp": 1, "tcp state 4": 1,
    }  # fmt: skip
    machine.wait(1000)
    assert counts(machine) == {"entries": 0, "assured": 0, "unreplied": 0}


def test_an_unreplied_entry_that_a_reset_ends() -> None:
    machine = Machine()
    machine.tcp(0, SYN, 1000)
    machine.tcp(0, RST, 1001)
    assert counts(machine) == {"entries": 0, "assured": 0, "unreplied": 0}


@pytest.mark.parametrize(
    ("proto", "data", "names"),
    [
        (136, b.with_checksum(A, B, 136, b.udp(1, 2)), {"udplite"}),
        (2, bytes(8), {"other"}),
        (132, b.sctp(1, 2, 0, [INIT]), {"sctp", "sctp state 1"}),
    ],
    ids=["udplite", "other", "sctp"],
)
def test_rare_protocols_come_and_go(proto: int, data: bytes, names: set[str]) -> None:
    machine = Machine()
    machine.send(b.ipv4(A, B, proto, data))
    assert counts(machine) == {"entries": 1, "assured": 0, "unreplied": 1, **dict.fromkeys(names, 1)}
    machine.wait(1000)
    assert counts(machine) == {"entries": 0, "assured": 0, "unreplied": 0}


def test_rows() -> None:
    """One a second in which something happened; expiry falls into its own second; the peak is within it."""
    machine = Machine()
    machine.udp(0)
    machine.tcp(0, SYN, 1, after=0.5)
    machine.tcp(0, RST, 2, after=0.1)
    machine.udp(0, after=3)
    machine.wait(100)
    machine.engine.tracker.finish()
    assert [
        (
            row["second"] - 1_700_000_000 * 10**9,
            row["packets"],
            row["inserts"],
            row["destroys"],
            row["entries"],
            row["peak"],
        )
        for row in machine.sink.occupancy
    ] == [(0, 3, 2, 1, 1, 2), (3 * 10**9, 1, 0, 0, 1, 1), (33 * 10**9, 0, 0, 1, 0, 1)]
    o = machine.engine.tracker.occupancy
    assert (o.peak_ever, o.peak_ts) == (2, 1_700_000_000 * 10**9 + 501 * 10**6)
