"""SCTP: every cell of the transition table and every rule of the spec's section 4.4."""

from __future__ import annotations

import struct

import pytest

from ctreplay.tracker.entry import Entry
from tests.traffic import build as b

from .machine import ASSURED, REPLIED, UNREPLIED, A, B, Machine, Verdict, live_counts, poke

STATES = ["NO", "CL", "CW", "CE", "ES", "SS", "SR", "SA", "HS"]
CHUNKS = {
    "DATA": 0, "INIT": 1, "INIT_ACK": 2, "SACK": 3, "HEARTBEAT": 4, "HEARTBEAT_ACK": 5, "ABORT": 6, "SHUTDOWN": 7,
    "SHUTDOWN_ACK": 8, "ERROR": 9, "COOKIE_ECHO": 10, "COOKIE_ACK": 11, "SHUTDOWN_COMPLETE": 14, "AUTH": 15,
    "ASCONF": 0xC1,
}  # fmt: skip
ORIGINAL = """
INIT              CL CL CW CE ES CL CL SA CW
INIT_ACK          CL CL CW CE ES SS SR SA CL
ABORT             CL CL CL CL CL CL CL CL CL
SHUTDOWN          CL CL CW CE SS SS SR SA CL
SHUTDOWN_ACK      SA CL CW CE ES SA SA SA SA
ERROR             CL CL CW CE ES SS SR SA CL
COOKIE_ECHO       CL CL CE CE ES SS SR SA CL
COOKIE_ACK        CL CL CW ES ES SS SR SA CL
SHUTDOWN_COMPLETE CL CL CW CE ES SS SR CL CL
HEARTBEAT         HS CL CW CE ES SS SR SA HS
HEARTBEAT_ACK     CL CL CW CE ES SS SR SA HS
DATA              NO CL CW CE ES SS SR SA HS
SACK              NO CL CW CE ES SS SR SA HS
AUTH              NO CL CW CE ES SS SR SA HS
ASCONF            NO CL CW CE ES SS SR SA HS
"""
REPLY = """
INIT              iv CL CW CE ES SS SR SA iv
INIT_ACK          iv CW CW CE ES SS SR SA iv
ABORT             iv CL CL CL CL CL CL CL iv
SHUTDOWN          iv CL CW CE SR SS SR SA iv
SHUTDOWN_ACK      iv CL CW CE ES SA SA SA iv
ERROR             iv CL CW CL ES SS SR SA iv
COOKIE_ECHO       iv CL CE CE ES SS SR SA iv
COOKIE_ACK        iv CL CW ES ES SS SR SA iv
SHUTDOWN_COMPLETE iv CL CW CE ES SS SR CL iv
HEARTBEAT         iv CL CW CE ES SS SR SA HS
HEARTBEAT_ACK     iv CL CW CE ES SS SR SA ES
DATA              NO CL CW CE ES SS SR SA HS
SACK              NO CL CW CE ES SS SR SA HS
AUTH              NO CL CW CE ES SS SR SA HS
ASCONF            NO CL CW CE ES SS SR SA HS
"""
TIMEOUTS = {"CL": 10, "CW": 3, "CE": 3, "ES": 210, "SS": 3, "SR": 3, "SA": 3, "HS": 30}
NAMES = dict(
    zip(
        STATES[1:],
        [
            "closed",
            "cookie_wait",
            "cookie_echoed",
            "established",
            "shutdown_sent",
            "shutdown_recd",
            "shutdown_ack_sent",
            "heartbeat_sent",
        ],
        strict=True,
    )
)
TAG = 0x1234


def chunk(name: str, flags: int = 0, announced: int = TAG) -> bytes:
    body = struct.pack("!IIHHI", announced, 1000, 1, 1, 5) if name in ("INIT", "INIT_ACK") else bytes(12)
    return b.chunk(CHUNKS[name], flags, body)


def send(
    machine: Machine, direction: int, tag: int, *chunks: bytes, port: int = 5000, after: float = 0.001, **more: int
) -> Verdict:
    ports = (port, 6000) if direction == 0 else (6000, port)
    ends = (A, B) if direction == 0 else (B, A)
    return machine.send(b.ip(*ends, 132, b.with_checksum(*ends, 132, b.sctp(*ports, tag, chunks), **more)), after)


def association(machine: Machine, port: int = 5000, **fields: int) -> Entry:
    entry = send(machine, 0, 0, chunk("INIT"), port=port).entry
    assert entry is not None
    return poke(entry, **({"state": 4, "status": REPLIED, "end0": TAG, "end1": TAG, "last_flags": 0} | fields))


def cells() -> list[tuple[int, str, str, str]]:
    found = []
    for direction, text in enumerate((ORIGINAL, REPLY)):
        for line in text.split("\n")[1:-1]:
            name, *row = line.split()
            found += [(direction, name, state, cell) for state, cell in zip(STATES, row, strict=True)]
    return found


@pytest.fixture(scope="module")
def bench() -> Machine:
    return Machine()


@pytest.mark.parametrize(
    "port, cell", list(enumerate(cells(), 1000)), ids=lambda v: "-".join(map(str, v)) if isinstance(v, tuple) else ""
)
def test_cell(bench: Machine, port: int, cell: tuple[int, str, str, str]) -> None:
    direction, name, state, wanted = cell
    entry = association(bench, port, state=STATES.index(state))
    verdict = send(bench, direction, 0 if name == "INIT" else TAG, chunk(name), port=port)
    if wanted == "iv":
        assert verdict.short == ("INVALID", "sctp_bad_transition") and entry.state == STATES.index(state)
        return
    assert verdict.ctstate == "ESTABLISHED" and STATES[entry.state] == wanted
    if name == "INIT" and state == "CL":
        assert verdict.reason == "sctp_not_refreshed" and not verdict.refreshed
        return
    assert verdict.reason == "" and verdict.refreshed
    assert verdict.timeout_s == (TIMEOUTS[wanted] if wanted != "NO" else 0)
    changed = {"state"} if wanted != state else set()
    if wanted == "ES" and state != "ES":
        changed.add("assured")
    assert {name for event in verdict.events for name in event.changes} == changed
    assert entry.status == (ASSURED if "assured" in changed else REPLIED)


@pytest.mark.parametrize("state", STATES[1:])
def test_each_timeout_sysctl(state: str) -> None:
    machine = Machine(**{f"sctp_timeout_{NAMES[state]}": 77})
    association(machine, state=STATES.index(state))
    assert send(machine, 0, TAG, chunk("DATA")).timeout_s == 77


class TestOpening:
    """Rule 3: what may open an association."""

    @pytest.mark.parametrize(
        ("name", "tag", "state", "reason"),
        [
            ("INIT", 0, "CL", ""), ("INIT", 1, None, "sctp_vtag"),
            ("INIT_ACK", 0, "CL", ""), ("INIT_ACK", TAG, None, "sctp_vtag"),
            ("ABORT", TAG, None, "sctp_not_opening"), ("ABORT", 0, None, "sctp_not_opening"),
            ("SHUTDOWN", 0, "CL", ""), ("SHUTDOWN", TAG, None, "sctp_vtag"),
            ("SHUTDOWN_ACK", TAG, "SA", ""), ("ERROR", TAG, None, "sctp_vtag"), ("COOKIE_ECHO", TAG, None, "sctp_vtag"),
            ("COOKIE_ACK", TAG, None, "sctp_not_opening"), ("SHUTDOWN_COMPLETE", TAG, None, "sctp_not_opening"),
            ("HEARTBEAT", TAG, "HS", ""), ("HEARTBEAT_ACK", 0, "CL", ""),
            ("DATA", TAG, None, "sctp_not_opening"), ("SACK", 0, None, "sctp_not_opening"),
            ("ASCONF", 0, None, "sctp_not_opening"),
        ],
    )  # fmt: skip
    def test_first_chunk(self, name: str, tag: int, state: str | None, reason: str) -> None:
        machine = Machine()
        verdict = send(machine, 0, tag, chunk(name))
        if state is None:
            assert verdict.short == ("INVALID", reason) and not machine.entries()
        else:
            assert verdict.short == ("NEW", "") and STATES[verdict.state] == state

    @pytest.mark.parametrize(
        ("name", "tag", "tags"),
        [("INIT", 0, (0, 7)), ("HEARTBEAT", 9, (9, 0)), ("SHUTDOWN_ACK", 9, (0, 9))],
    )
    def test_tags_learned(self, name: str, tag: int, tags: tuple[int, int]) -> None:
        entry = send(Machine(), 0, tag, chunk(name, announced=7)).entry
        assert entry is not None and (entry.end0, entry.end1) == tags

    def test_init_header_cut(self) -> None:
        assert send(Machine(), 0, 0, b.chunk(1, 0, bytes(15), 19)).short == ("NEW", "")
        assert send(Machine(), 0, 0, b.chunk(1, 0, bytes(12))).ctstate == "INVALID"

    def test_every_chunk_must_be_able_to_open(self) -> None:
        assert send(Machine(), 0, TAG, chunk("HEARTBEAT"), chunk("DATA")).reason == "sctp_not_opening"


class TestStructure:
    """Rules 1 and 2."""

    @pytest.mark.parametrize("length", range(16))
    def test_cut(self, length: int) -> None:
        frame = b.ipv4(A, B, 132, b.sctp(1, 2, TAG, [chunk("HEARTBEAT")])[:length])
        reason = "tuple_missing" if length < 4 else "sctp_short" if length < 12 else "sctp_chunks"
        assert Machine().send(frame).short == ("INVALID", reason)

    @pytest.mark.parametrize(("size", "ok"), [(16, True), (15, False), (17, True)])
    def test_chunk_header_needs_four_bytes(self, size: int, ok: bool) -> None:
        frame = b.ipv4(A, B, 132, b.sctp(1, 2, TAG, [chunk("HEARTBEAT")])[:size])
        assert (Machine().send(frame).reason == "") == ok

    def test_chunks_are_rounded_to_four_bytes(self) -> None:
        for size, ok in ((5, True), (8, True), (9, False)):
            machine = Machine()
            association(machine, state=3)
            first = struct.pack("!BBH", 3, 0, size) + bytes(4)
            verdict = send(machine, 1, TAG, first, chunk("ERROR"))
            assert (verdict.state == 1) == ok, size

    @pytest.mark.parametrize(
        ("names", "ok"),
        [
            ("DATA DATA", True), ("DATA SACK HEARTBEAT", True), ("COOKIE_ACK DATA", True), ("DATA COOKIE_ACK", False),
            ("COOKIE_ECHO DATA", True), ("DATA COOKIE_ECHO", False), ("INIT DATA", False), ("DATA INIT", False),
            ("INIT_ACK DATA", False), ("DATA INIT_ACK", False), ("SHUTDOWN_COMPLETE DATA", False),
            ("DATA SHUTDOWN_COMPLETE", False), ("DATA SHUTDOWN_ACK", True), ("INIT ASCONF", False),
            ("ASCONF DATA", True), ("ASCONF INIT", False), ("DATA ASCONF", True), ("ASCONF COOKIE_ACK", False),
        ],
    )  # fmt: skip
    def test_bundles(self, names: str, ok: bool) -> None:
        machine = Machine()
        association(machine)
        tag = 0 if names.startswith("INIT ") else TAG
        verdict = send(machine, 0, tag, *(chunk(name) for name in names.split()))
        assert verdict.short == (("ESTABLISHED", "") if ok else ("INVALID", "sctp_chunks"))

    def test_chunk_of_length_zero(self) -> None:
        machine = Machine()
        association(machine)
        assert send(machine, 0, TAG, chunk("DATA"), bytes(4)).short == ("INVALID", "sctp_chunks")
        assert send(machine, 0, TAG, chunk("DATA"), bytes(3)).short == ("ESTABLISHED", "")

    def test_no_chunk(self) -> None:
        machine = Machine()
        association(machine)
        assert send(machine, 0, TAG).short == ("INVALID", "sctp_chunks")

    @pytest.mark.parametrize("check", [0, 1])
    @pytest.mark.parametrize("error", [0, 1])
    def test_crc(self, check: int, error: int) -> None:
        verdict = send(Machine(checksum=check), 0, 0, chunk("INIT"), error=error)
        assert verdict.reason == ("sctp_checksum" if check and error else "")


class TestTags:
    """Rules 4 and 5."""

    @pytest.mark.parametrize("name", ["DATA", "SACK", "SHUTDOWN", "ERROR", "COOKIE_ACK", "INIT_ACK"])
    @pytest.mark.parametrize("direction", [0, 1])
    def test_the_tag_must_be_the_directions(self, name: str, direction: int) -> None:
        for tag, ok in ((7, True), (8, False), (0, False)):
            machine = Machine()
            association(machine, end0=(7, 8)[direction], end1=(8, 7)[direction])
            assert (send(machine, direction, tag, chunk(name, announced=8)).ctstate != "INVALID") == ok

    def test_a_free_chunk_frees_the_whole_packet(self) -> None:
        machine = Machine()
        association(machine)
        assert send(machine, 0, 99, chunk("DATA"), chunk("SHUTDOWN_ACK")).ctstate == "ESTABLISHED"

    @pytest.mark.parametrize(("tag", "ok"), [(0, True), (TAG, False)])
    def test_init_wants_tag_zero(self, tag: int, ok: bool) -> None:
        machine = Machine()
        association(machine)
        assert (send(machine, 0, tag, chunk("INIT")).ctstate != "INVALID") == ok

    @pytest.mark.parametrize("name", ["ABORT", "SHUTDOWN_COMPLETE"])
    @pytest.mark.parametrize("direction", [0, 1])
    @pytest.mark.parametrize(("flags", "which"), [(0, 0), (1, 1)])
    def test_t_bit_says_whose_tag(self, name: str, direction: int, flags: int, which: int) -> None:
        for tag, mine in ((11, 0), (22, 1), (33, 2)):
            machine = Machine()
            association(machine, end0=11, end1=22)
            wanted = direction if which == 0 else 1 - direction
            verdict = send(machine, direction, tag, chunk(name, flags))
            assert (verdict.short == ("INVALID", "sctp_vtag")) == (mine != wanted)

    def test_cookie_echo(self) -> None:
        for tag, ok in ((11, True), (22, False)):
            machine = Machine()
            association(machine, end0=11, end1=22, state=2)
            assert (send(machine, 0, tag, chunk("COOKIE_ECHO")).ctstate != "INVALID") == ok

    def test_cookie_ack_forgets_the_inits(self) -> None:
        machine = Machine()
        entry = association(machine, last_flags=7)
        send(machine, 0, TAG, chunk("COOKIE_ACK"))
        assert entry.last_flags == 4

    def test_init_learns_the_tag_and_marks_its_direction(self) -> None:
        for direction in (0, 1):
            machine = Machine()
            entry = association(machine, end0=1, end1=1)
            send(machine, direction, 0, chunk("INIT", announced=55))
            assert (entry.end0, entry.end1) == ((1, 55) if direction == 0 else (55, 1))
            assert entry.last_flags == 1 << direction

    def test_init_with_the_known_tag_leaves_no_mark(self) -> None:
        machine = Machine()
        entry = association(machine, end1=55)
        send(machine, 0, 0, chunk("INIT", announced=55))
        assert entry.last_flags == 0
        poke(entry, state=0)
        send(machine, 0, 0, chunk("INIT", announced=55))
        assert entry.last_flags == 1

    def test_a_third_init_forgets_the_other_side(self) -> None:
        machine = Machine()
        entry = association(machine, last_flags=3)
        send(machine, 1, 0, chunk("INIT", announced=66))
        assert entry.last_flags == 2

    @pytest.mark.parametrize(
        ("marks", "known", "announced", "ok"),
        [
            (0, 0, 5, True), (0, 5, 5, True), (0, 6, 5, False), (1, 6, 5, True), (2, 6, 5, False), (3, 6, 5, False),
            (3, 5, 5, True), (3, 0, 5, False), (1, 0, 5, True),
        ],
    )  # fmt: skip
    def test_init_ack(self, marks: int, known: int, announced: int, ok: bool) -> None:
        """In reply direction: the other side is the original one (mark 1), whose expected tag is end0."""
        machine = Machine()
        entry = association(machine, state=1, last_flags=marks, end0=known, end1=9)
        verdict = send(machine, 1, 9, chunk("INIT_ACK", announced=announced))
        assert (verdict.ctstate != "INVALID") == ok
        assert entry.end0 == (announced if ok else known)

    def test_init_ack_cut(self) -> None:
        machine = Machine()
        association(machine, state=1)
        assert send(machine, 1, TAG, b.chunk(2, 0, bytes(12))).ctstate == "INVALID"


class TestHeartbeat:
    @pytest.mark.parametrize("name", ["HEARTBEAT", "HEARTBEAT_ACK"])
    def test_learns_a_missing_tag(self, name: str) -> None:
        machine = Machine()
        entry = association(machine, end1=0)
        assert send(machine, 1, 77, chunk(name)).short == ("ESTABLISHED", "")
        assert (entry.end0, entry.end1) == (TAG, 77)

    @pytest.mark.parametrize("name", ["HEARTBEAT", "HEARTBEAT_ACK"])
    def test_the_right_tag_clears_the_mark(self, name: str) -> None:
        machine = Machine()
        entry = association(machine, last_flags=4)
        send(machine, 1, TAG, chunk(name))
        assert entry.last_flags == 0

    def test_another_tag_is_marked_and_not_refreshed(self) -> None:
        machine = Machine()
        entry = association(machine)
        packets = entry.reply_packets
        verdict = send(machine, 1, 77, chunk("HEARTBEAT"))
        assert verdict.short == ("ESTABLISHED", "sctp_not_refreshed") and not verdict.refreshed
        assert (entry.last_flags, entry.last_dir, entry.reply_packets) == (4, 1, packets)
        assert send(machine, 1, 77, chunk("HEARTBEAT"), chunk("DATA")).short == ("INVALID", "sctp_vtag")
        assert send(machine, 1, 77, chunk("HEARTBEAT"), chunk("HEARTBEAT")).short == ("INVALID", "sctp_vtag")

    @pytest.mark.parametrize(
        ("marks", "last_dir", "names", "ok"),
        [
            (4, 0, "HEARTBEAT_ACK", True), (4, 1, "HEARTBEAT_ACK", False), (0, 0, "HEARTBEAT_ACK", False),
            (4, 0, "DATA HEARTBEAT_ACK", False), (4, 0, "HEARTBEAT HEARTBEAT_ACK", False),
        ],
    )  # fmt: skip
    def test_answer_with_another_tag(self, marks: int, last_dir: int, names: str, ok: bool) -> None:
        machine = Machine()
        entry = association(machine, last_flags=marks, last_dir=last_dir)
        verdict = send(machine, 1, 77, *(chunk(name) for name in names.split()))
        assert (verdict.ctstate != "INVALID") == ok
        if ok:
            assert (entry.end0, entry.end1, entry.last_flags) == (0, 77, 0)

    def test_new_path_becomes_assured_by_its_answer(self) -> None:
        machine = Machine()
        assert send(machine, 0, TAG, chunk("HEARTBEAT")).entry is not None
        verdict = send(machine, 1, TAG, chunk("HEARTBEAT_ACK"))
        assert STATES[verdict.state] == "ES" and verdict.timeout_s == 210
        assert set(verdict.events[0].changes) == {"seen_reply", "assured", "state"}


def test_life() -> None:
    machine = Machine()
    steps = [
        (0, 0, ["INIT"], "CL", 10), (1, TAG, ["INIT_ACK"], "CW", 3), (0, TAG, ["COOKIE_ECHO", "DATA"], "CE", 3),
        (1, TAG, ["COOKIE_ACK", "DATA"], "ES", 210), (0, TAG, ["SACK"], "ES", 210), (0, TAG, ["SHUTDOWN"], "SS", 3),
        (1, TAG, ["SHUTDOWN_ACK"], "SA", 3), (0, TAG, ["SHUTDOWN_COMPLETE"], "CL", 10),
    ]  # fmt: skip
    for direction, tag, names, state, timeout in steps:
        verdict = send(machine, direction, tag, *(chunk(name) for name in names))
        assert (STATES[verdict.state], verdict.timeout_s, verdict.reason) == (state, timeout, "")
    assert verdict.entry is not None and verdict.entry.status == ASSURED


def test_earlier_chunks_stay_when_a_later_one_is_refused() -> None:
    machine = Machine()
    entry = association(machine, state=3)
    verdict = send(machine, 1, TAG, chunk("ERROR"), chunk("ABORT", 0), chunk("DATA"))
    assert verdict.ctstate == "ESTABLISHED" and entry.state == 1
    poke(entry, state=3)
    before = live_counts(machine.engine.tracker.occupancy)
    verdict = send(machine, 1, 9, chunk("SHUTDOWN_ACK"), chunk("ERROR"), chunk("ABORT"))
    assert verdict.short == ("INVALID", "sctp_vtag") and entry.state == 1
    changed = [b - a for a, b in zip(before, live_counts(machine.engine.tracker.occupancy), strict=True)]
    assert changed[18:22] == [0, 1, 0, -1] and not any(changed[:18]), "occupancy follows"


def test_a_late_event_tells_of_the_state_that_was_told_before() -> None:
    machine = Machine()
    entry = association(machine, state=3, told=3)
    assert send(machine, 1, 9, chunk("SHUTDOWN_ACK"), chunk("ERROR"), chunk("ABORT")).short == ("INVALID", "sctp_vtag")
    assert entry.state != 3
    later = send(machine, 1, TAG, chunk("ERROR"))
    assert [(event.old_state, event.new_state) for event in later.events] == [(3, entry.state)]


def test_unreplied_association_has_no_state_in_its_status() -> None:
    entry = send(Machine(), 0, 0, chunk("INIT")).entry
    assert entry is not None and entry.status == UNREPLIED
