"""Whatever a capture holds: no exception, no read outside a frame, and everything is counted."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.pure import run_pure
from tests.unit.machine import SECOND, A, B, Machine, live_counts
from tests.unit.test_link import WRAPS

from . import strict

LINKTYPES = sorted({row[0] for row in WRAPS.values()} | {147, 65535})
CLASSES = {"", "NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"}


def check(machine: Machine, frames: int) -> None:
    """One verdict a frame; entries add up; occupancy follows."""
    sink, tracker = machine.sink, machine.engine.tracker
    assert len(sink.verdicts) == frames
    assert all(verdict.ctstate in CLASSES for verdict in sink.verdicts)
    assert all(verdict.reason for verdict in sink.verdicts if verdict.ctstate in ("", "INVALID"))
    new = [event.conn_id for event in sink.events if event.event == "NEW"]
    gone = [event.conn_id for event in sink.events if event.event == "DESTROY"]
    live = machine.entries()
    assert len(set(new)) == len(new) and len(set(gone)) == len(gone)
    assert set(new) - set(gone) == {entry.conn_id for entry in live} and set(gone) <= set(new)
    assert all(event.conn_id == event.packet for event in sink.events if event.event == "NEW")
    counts = live_counts(tracker.occupancy)
    assert tracker.occupancy.entries == tracker.table.count == len(live) == sum(counts[:8])
    assert min(counts) >= 0 and sum(counts[8:18]) == counts[0] and sum(counts[18:]) == counts[4]
    for n in range(10):
        assert counts[8 + n] == sum(e.proto == 6 and e.state == n for e in live), n
    assert tracker.occupancy.assured == sum(bool(e.status & 4) for e in live)
    assert tracker.occupancy.unreplied == sum(not e.status & 2 for e in live)
    tracker.finish()
    ended = [end.conn_id for end in sink.ends]
    assert sorted(ended) == sorted(new)
    assert sum(row["inserts"] for row in sink.occupancy) == len(new)
    assert sum(row["destroys"] for row in sink.occupancy) == len(gone)
    assert [row["second"] for row in sink.occupancy] == sorted({row["second"] for row in sink.occupancy})


frames = st.tuples(
    st.sampled_from(LINKTYPES), st.binary(max_size=120), st.integers(0, 70000), st.sampled_from([0, 1, SECOND, 10**15])
)


@given(st.lists(frames, max_size=30))
@example([(linktype, b"", 0, 0) for linktype in LINKTYPES])
@example([(linktype, b"\x45" + bytes(60), 61, 0) for linktype in LINKTYPES])
@example([(linktype, b"\xff" * 100, 100, 0) for linktype in LINKTYPES])
@settings(max_examples=120, deadline=None)
def test_any_bytes(rows: list[tuple[int, bytes, int, int]]) -> None:
    machine = Machine(checksum=1)
    for linktype, data, wire, ns in rows:
        machine.send(data, ns=ns, linktype=linktype, wirelen=max(wire, len(data)))
    check(machine, len(rows))


@given(st.integers(6, 255), st.lists(st.tuples(st.booleans(), st.binary(max_size=80)), max_size=12))
@settings(max_examples=120, deadline=None)
def test_any_payload_of_any_protocol(proto: int, rows: list[tuple[bool, bytes]]) -> None:
    from tests.traffic import build as b

    machine = Machine()
    for back, data in rows:
        machine.send(b.ipv4(*((B, A) if back else (A, B)), proto, data))
    check(machine, len(rows))


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_frames(seed: int) -> None:
    rng = random.Random(seed)
    machine = Machine(checksum=seed % 2, max=(0, 20)[seed // 2], buckets=16)
    for _ in range(1500):
        linktype, data, wire = strict.frame(rng)
        machine.send(data, linktype=linktype, wirelen=wire, after=rng.choice([0, 0.1, 40]))
    check(machine, 1500)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_read_outside_a_frame(seed: int) -> None:
    """Uncompiled, over a buffer that watches each index (see `strict`)."""
    code = f"import sys; sys.path.insert(0, ROOT)\nfrom tests.property.strict import main\nmain({seed}, 4000)"
    assert run_pure(code) == "4000 4000\n"
