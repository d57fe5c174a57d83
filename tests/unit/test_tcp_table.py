"""Every cell of the TCP transition table, driven through the tracker, against the table as the spec prints it."""

from __future__ import annotations

import pytest

from .machine import ACK, ASSURED, CLOSE_INIT, FIN, REPLIED, RST, RSTACK, SYN, SYNACK, UNREPLIED, Machine, poke

STATES = [
    "NONE", "SYN_SENT", "SYN_RECV", "ESTAB", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
]  # fmt: skip
# spec section 3.4
ORIGINAL = """
SYN    SYN_SENT SYN_SENT ign      ign      ign        ign        ign       SYN_SENT  SYN_SENT SYN_SENT2
SYNACK inv      inv      SYN_RECV inv      inv        inv        inv       inv       inv      SYN_RECV
FIN    inv      inv      FIN_WAIT FIN_WAIT LAST_ACK   LAST_ACK   LAST_ACK  TIME_WAIT CLOSE    inv
ACK    ESTAB    inv      ESTAB    ESTAB    CLOSE_WAIT CLOSE_WAIT TIME_WAIT TIME_WAIT CLOSE    inv
RST    inv      CLOSE    CLOSE    CLOSE    CLOSE      CLOSE      CLOSE     CLOSE     CLOSE    CLOSE
"""
REPLY = """
SYN    inv      SYN_SENT2 inv      inv      inv        inv        inv       SYN_SENT  inv      SYN_SENT2
SYNACK inv      SYN_RECV  ign      ign      ign        ign        ign       ign       ign      SYN_RECV
FIN    inv      inv       FIN_WAIT FIN_WAIT LAST_ACK   LAST_ACK   LAST_ACK  TIME_WAIT CLOSE    inv
ACK    inv      ign       SYN_RECV ESTAB    CLOSE_WAIT CLOSE_WAIT TIME_WAIT TIME_WAIT CLOSE    ign
RST    inv      CLOSE     CLOSE    CLOSE    CLOSE      CLOSE      CLOSE     CLOSE     CLOSE    CLOSE
"""
FLAGS = {"SYN": SYN, "SYNACK": SYNACK, "FIN": FIN, "ACK": ACK, "RST": RST}
# spec section 6; SYN_SENT2 has no sysctl
TIMEOUTS = {
    "SYN_SENT": 120, "SYN_RECV": 60, "ESTAB": 432000, "FIN_WAIT": 120, "CLOSE_WAIT": 60, "LAST_ACK": 30,
    "TIME_WAIT": 120, "CLOSE": 10, "SYN_SENT2": 120,
}  # fmt: skip


def cells() -> list[tuple[int, str, str, str]]:
    found = []
    for direction, text in enumerate((ORIGINAL, REPLY)):
        for line in text.split("\n")[1:-1]:
            name, *row = line.split()
            assert len(row) == len(STATES)
            found += [(direction, name, state, cell) for state, cell in zip(STATES, row, strict=True)]
    return found


@pytest.fixture(scope="module")
def bench() -> Machine:
    return Machine()


# one connection for each cell, by its port
@pytest.mark.parametrize(
    ("port", "cell"),
    list(enumerate(cells(), 1000)),
    ids=[f"{'reply' if d else 'original'}-{n}-{s}" for d, n, s, _ in cells()],
)
def test_cell(bench: Machine, port: int, cell: tuple[int, str, str, str]) -> None:
    direction, name, state, wanted = cell
    entry = bench.tcp(0, SYN, 0, port=port).entry
    assert entry is not None and entry.state == 1
    poke(
        entry, state=STATES.index(state), status=REPLIED, deadline=bench.now + 7 * 10**9,
        end0=5000, maxend0=65000, maxwin0=60000, end1=5000, maxend1=65000, maxwin1=60000, last_index=0, last_dir=0,
    )  # fmt: skip
    reopens = wanted == "SYN_SENT" and state in ("TIME_WAIT", "CLOSE")
    if reopens:
        entry.tflags1 = CLOSE_INIT
    number = bench.source.count + 1
    verdict = bench.tcp(direction, FLAGS[name], 5000, 5000, port=port)
    if wanted == "inv":
        assert verdict.short == ("INVALID", "tcp_bad_transition")
        assert verdict.entry is None and verdict.tuple_entry == entry.conn_id
        assert entry.state == STATES.index(state) and entry.last_index == 0
    elif wanted == "ign":
        assert verdict.short == ("ESTABLISHED", "tcp_ignored_in_state")
        assert entry.state == STATES.index(state)
        assert not verdict.refreshed and verdict.timeout_s == pytest.approx(7 - 0.001)
        assert entry.last_index == list(FLAGS).index(name) + 1 and entry.last_dir == direction
    elif reopens:
        assert verdict.entry is not entry and verdict.note == "tcp_reopened"
        assert [(e.event, e.why, e.conn_id) for e in verdict.events] == [
            ("DESTROY", "reopened", entry.conn_id),
            ("NEW", "reopened", number),
        ]
        assert verdict.state == 1 and verdict.ctstate == "NEW" and verdict.timeout_s == 120
    else:
        assert verdict.short == ("ESTABLISHED", "")
        assert STATES[entry.state] == wanted
        assert verdict.refreshed
        assert verdict.timeout_s == (10 if name == "RST" else min(TIMEOUTS[wanted], 300 if name != "ACK" else 10**9))
        assert any("state" in e.changes for e in verdict.events) == (wanted != state)
    if entry.in_table:
        bench.engine.tracker.destroy(entry, bench.now, 6, 0, -1)


@pytest.mark.parametrize("state", ["TIME_WAIT", "CLOSE"])
@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("mark", ["fin0", "fin1", "rst_same", "rst_other", "none", "fin_last"])
def test_syn_on_a_closed_tuple(bench: Machine, state: str, direction: int, mark: str) -> None:
    """Spec 3.5: it reopens after a FIN of either side or the sender's own RST last; otherwise it is ignored."""
    entry = bench.tcp(0, SYN, 0, port=900).entry
    assert entry is not None
    poke(entry, state=STATES.index(state), status=ASSURED, last_index=0, last_dir=0)
    if mark.startswith("rst"):
        poke(entry, last_index=5, last_dir=direction if mark == "rst_same" else 1 - direction)
    elif mark == "fin_last":
        poke(entry, last_index=3, last_dir=direction)
    elif mark != "none":
        poke(entry, **{f"tflags{mark[-1]}": CLOSE_INIT})
    verdict = bench.tcp(direction, SYN, 1, port=900)
    if direction == 1 and state == "CLOSE":
        assert verdict.short == ("INVALID", "tcp_bad_transition")
    elif mark in ("fin0", "fin1", "rst_same"):
        assert [e.event for e in verdict.events] == ["DESTROY", "NEW"]
        assert verdict.entry is not None and (verdict.entry.sport, verdict.direction) == ((900, 80)[direction], 0)
        bench.engine.tracker.destroy(verdict.entry, bench.now, 6, 0, -1)
    else:
        assert verdict.short == ("ESTABLISHED", "tcp_ignored_in_state")
        assert entry.state == STATES.index(state)
    if entry.in_table:
        bench.engine.tracker.destroy(entry, bench.now, 6, 0, -1)


# spec section 3.2
LEGAL = {"S", "SU", "SA", "R", "RA", "FA", "FAU", "A", "AU"}


def test_flags_of_a_packet_in_established(bench: Machine) -> None:
    """PSH, ECE and CWR are not looked at; of the rest, nine sets are legal; the class decides the cell."""
    for flags in range(256):
        check_flags(bench, flags)


def check_flags(bench: Machine, flags: int) -> None:
    entry = bench.tcp(0, SYN, 0, port=901).entry
    assert entry is not None
    side = {"end0": 5000, "maxend0": 65000, "maxwin0": 60000, "end1": 5000, "maxend1": 65000, "maxwin1": 60000}
    poke(entry, state=3, status=REPLIED, last_index=0, **side)
    verdict = bench.tcp(0, flags, 5000, 5000, port=901)
    names = "".join(letter for letter, bit in (("S", 2), ("R", 4), ("F", 1), ("A", 16), ("U", 32)) if flags & bit)
    if names not in LEGAL:
        assert verdict.short == ("INVALID", "tcp_flags")
    elif "R" in names:
        assert entry.state == 8
    elif "S" in names:
        assert verdict.short == (
            ("INVALID", "tcp_bad_transition") if "A" in names else ("ESTABLISHED", "tcp_ignored_in_state")
        )
    else:
        assert verdict.short == ("ESTABLISHED", "") and entry.state == (4 if "F" in names else 3)
    bench.engine.tracker.destroy(entry, bench.now, 6, 0, -1)


@pytest.mark.parametrize(
    ("flags", "state", "reason"),
    [
        (SYN, 1, ""), (SYN | 0x20, 1, ""), (SYN | 0x08, 1, ""), (SYN | 0xC0, 1, ""), (ACK, 3, ""), (ACK | 0x20, 3, ""),
        (SYNACK, None, "tcp_not_opening"), (FIN, None, "tcp_not_opening"), (RST, None, "tcp_not_opening"),
        (RSTACK, None, "tcp_not_opening"), (0x01, None, "tcp_flags"), (0, None, "tcp_flags"), (0x03, None, "tcp_flags"),
        (0x06, None, "tcp_flags"), (0x24, None, "tcp_flags"), (0x32, None, "tcp_flags"),
    ],
)  # fmt: skip
def test_first_packet(flags: int, state: int | None, reason: str) -> None:
    """Spec 3.3: a SYN opens, an ACK is picked up, nothing else leaves an entry."""
    machine = Machine()
    verdict = machine.tcp(0, flags, 100, 200)
    if state is None:
        assert verdict.short == ("INVALID", reason) and not machine.entries() and not verdict.events
    else:
        assert verdict.ctstate == "NEW" and verdict.state == state
        assert verdict.timeout_s == {1: 120, 3: 300}[state]
        entry = verdict.entry
        assert entry is not None and entry.status == UNREPLIED and entry.midstream == (state == 3)
        picked = LIB if state == 3 else 0
        assert (entry.tflags0, entry.tflags1) == (picked, picked)
        assert entry.end0 == (100 if state == 3 else 101) and entry.maxwin0 == 1000
        assert entry.maxend0 == entry.end0 + (1000 if state == 3 else 0)
        assert verdict.note == ("tcp_midstream" if state == 3 else "")


LIB = 0x0A


def test_first_ack_with_loose_off() -> None:
    assert Machine(tcp_loose=0).tcp(0, ACK, 1, 1).short == ("INVALID", "tcp_loose_off")
    assert Machine(tcp_loose=0).tcp(0, SYN, 1, 1).short == ("NEW", "")


@pytest.mark.parametrize(("win", "kept"), [(0, 1), (1, 1), (65535, 65535)])
def test_window_of_the_first_packet_is_at_least_one(win: int, kept: int) -> None:
    for flags in (SYN, ACK):
        entry = Machine().tcp(0, flags, 100, 200, win=win).entry
        assert entry is not None and entry.maxwin0 == kept
        assert entry.maxend0 == entry.end0 + (kept if flags == ACK else 0)


def test_data_in_the_syn_counts() -> None:
    machine = Machine()
    entry = machine.tcp(0, SYN, 1000, data=bytes(50)).entry
    assert entry is not None and entry.end0 == 1051
    assert machine.tcp(1, SYNACK, 5000, 1051).state == 2
    assert machine.tcp(0, ACK, 1051, 5001).state == 3
