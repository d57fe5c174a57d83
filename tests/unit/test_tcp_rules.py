"""TCP beyond the table: RST validation, ignored packets, after acceptance, each timeout (spec 3.5, 3.6, 3.8, 3.9)."""

from __future__ import annotations

import pytest

from ctreplay.tracker.entry import Entry
from tests.traffic import build as b

from .machine import (
    ACK,
    ASSURED,
    CHALLENGE,
    CLOSE_INIT,
    FIN,
    LIBERAL,
    MAXACK,
    REPLIED,
    RST,
    RSTACK,
    SACK_PERM,
    SECOND,
    SIMULTANEOUS,
    SYN,
    SYNACK,
    UNACKED,
    UNREPLIED,
    WSCALE,
    A,
    B,
    Machine,
    poke,
)

NO, SS, SR, ES, FW, CW, LA, TW, CL, S2 = range(10)
C_SYN, C_SYNACK, C_FIN, C_ACK, C_RST = range(1, 6)
OK = ("ESTABLISHED", "")


def wide(machine: Machine, **more: int) -> Entry:
    """An entry whose window check accepts seq and ack around 5000."""
    fields = {
        "state": ES, "status": ASSURED, "end0": 5000, "maxend0": 65000, "maxwin0": 4000, "end1": 5000, "maxend1": 65000,
        "maxwin1": 4000, "last_index": 0, "last_dir": 0, "last_win": 1,
    }  # fmt: skip
    return machine.tcp_entry(**(fields | more))


class TestRst:
    """Spec 3.6."""

    @pytest.mark.parametrize("state", range(1, 10))
    @pytest.mark.parametrize("direction", [0, 1])
    def test_1_closing_states_take_any_sequence_number(self, state: int, direction: int) -> None:
        machine = Machine()
        entry = wide(machine, state=state, tflags0=MAXACK, tflags1=MAXACK, maxack0=4000, maxack1=4000)
        verdict = machine.tcp(direction, RST, 777_777_777, 3)
        if FW <= state <= CL:
            assert verdict.short == OK and entry.state == CL and verdict.timeout_s == 10
        else:
            assert verdict.ctstate == "INVALID" and entry.state == state

    def test_1_table_and_simultaneous_open_are_no_closing_states(self) -> None:
        machine = Machine()
        wide(machine, state=S2)
        assert machine.tcp(1, RST, 777_777_777).ctstate == "INVALID"

    def test_2_needs_an_ack_of_the_peer(self) -> None:
        machine = Machine()
        entry = wide(machine, maxack1=4990)
        assert machine.tcp(0, RST, 4980).short == OK
        assert entry.state == CL, "without MAXACK the window check alone decides"

    def test_2_not_after_a_syn(self) -> None:
        machine = Machine()
        entry = wide(machine, tflags1=MAXACK, maxack1=4990, last_index=C_SYN)
        machine.tcp(0, RST, 4980)
        assert entry.state == CL

    @pytest.mark.parametrize(("status", "state", "ends"), [(REPLIED, ES, CL), (REPLIED, SR, CL), (ASSURED, ES, None)])
    def test_2a_sequence_zero_before_established(self, status: int, state: int, ends: int | None) -> None:
        machine = Machine()
        # zero lies in the window and below the peer's highest ACK
        side = {"end0": 10, "maxend0": 100, "end1": 20, "tflags1": MAXACK, "maxack1": 10}
        entry = wide(machine, state=state, status=status, **side)
        verdict = machine.tcp(0, RST, 0)
        if ends is None:
            assert verdict.short == ("INVALID", "tcp_rst_below_max_ack") and entry.state == state
        else:
            assert verdict.short == OK and entry.state == ends

    @pytest.mark.parametrize(("seq", "invalid"), [(4989, True), (4990, False), (4991, False), (4990 - 2**31, True)])
    @pytest.mark.parametrize("ignore", [0, 1])
    def test_2b_below_the_highest_ack(self, seq: int, invalid: bool, ignore: int) -> None:
        machine = Machine(tcp_ignore_invalid_rst=ignore)
        entry = wide(machine, tflags1=MAXACK, maxack1=4990, status=ASSURED)
        verdict = machine.tcp(0, RST, seq)
        if invalid and not ignore:
            assert verdict.short == ("INVALID", "tcp_rst_below_max_ack")
            assert verdict.bounds is not None and verdict.bounds[0] == 4990
            assert verdict.margin == (4990 - seq) & 0xFFFFFFFF
            assert entry.last_index == 0
        elif seq in (4989, 4991):
            assert verdict.short == OK and entry.state == ES and verdict.note == "tcp_rst_not_exact"
            assert verdict.timeout_s == 10
        elif seq == 4990:
            assert entry.state == CL

    @pytest.mark.parametrize(("state", "status"), [(ES, REPLIED), (SR, REPLIED), (SR, ASSURED), (SS, REPLIED)])
    def test_2c_not_established_needs_no_exact_number(self, state: int, status: int) -> None:
        machine = Machine()
        entry = wide(machine, state=state, status=status, tflags1=MAXACK, maxack1=4990)
        assert machine.tcp(0, RST, 4995).short == OK
        assert entry.state == CL

    @pytest.mark.parametrize(("seq", "state"), [(4990, CL), (4991, ES), (5000, ES), (5020, ES)])
    def test_2c_exact_in_established(self, seq: int, state: int) -> None:
        machine = Machine()
        entry = wide(machine, tflags1=MAXACK, maxack1=4990)
        verdict = machine.tcp(0, RST, seq)
        assert verdict.short == OK and entry.state == state and verdict.timeout_s == 10
        assert bool(verdict.changes()) == (state == CL)

    @pytest.mark.parametrize(
        ("last_index", "last_dir", "seq", "state"),
        [
            (C_ACK, 0, 5020, CL), (C_ACK, 0, 5019, ES), (C_ACK, 0, 5021, ES), (C_ACK, 1, 5020, ES),
            (C_FIN, 0, 5020, ES), (C_RST, 0, 5020, ES),
        ],
    )  # fmt: skip
    def test_2d_right_behind_own_data(self, last_index: int, last_dir: int, seq: int, state: int) -> None:
        machine = Machine()
        entry = wide(
            machine, tflags1=MAXACK, maxack1=4990, last_index=last_index, last_dir=last_dir, last_end=5020, last_ack=1
        )
        machine.tcp(0, RST, seq, 7)
        assert entry.state == state

    @pytest.mark.parametrize(
        ("fields", "ack", "skips"),
        [
            ({"status": ASSURED, "last_index": C_SYN, "last_dir": 1}, 8888, True),
            ({"status": ASSURED, "last_index": C_SYN, "last_dir": 1}, 8887, False),
            ({"status": ASSURED, "last_index": C_SYN, "last_dir": 0}, 8888, False),
            ({"status": ASSURED, "last_index": C_SYNACK, "last_dir": 1}, 8888, False),
            ({"status": UNREPLIED, "last_index": C_SYN, "last_dir": 1}, 8888, False),
            ({"status": REPLIED, "last_index": C_ACK, "last_dir": 0}, 8888, True),
            ({"status": REPLIED, "last_index": C_ACK, "last_dir": 1}, 8888, True),
            ({"status": UNREPLIED, "last_index": C_ACK, "last_dir": 1}, 8888, True),
            ({"status": ASSURED, "last_index": C_ACK, "last_dir": 1}, 8888, False),
            ({"status": REPLIED, "last_index": C_FIN, "last_dir": 1}, 8888, False),
        ],
    )
    @pytest.mark.parametrize("flags", [RST, RSTACK])
    def test_3_answer_to_an_ignored_packet(self, fields: dict[str, int], ack: int, skips: bool, flags: int) -> None:
        """Skips the window check; the ACK field is read whether or not the flag is set."""
        machine = Machine()
        entry = wide(machine, last_end=8888, **fields)
        verdict = machine.tcp(0, flags, 2_000_000_000, ack)
        if skips:
            assert verdict.reason == "" and entry.state == CL
        else:
            assert verdict.ctstate == "INVALID" and entry.state == ES

    @pytest.mark.parametrize(
        ("state", "last_index", "last_dir", "seq", "skips"),
        [
            (SS, C_ACK, 1, 900_000_000, True), (SS, C_ACK, 1, 900_000_001, False), (SS, C_ACK, 0, 900_000_000, False),
            (SS, C_SYN, 1, 900_000_000, False), (ES, C_ACK, 1, 900_000_000, False), (SR, C_ACK, 1, 900_000_000, False),
        ],
    )  # fmt: skip
    def test_4_answer_to_a_challenge_ack(
        self, state: int, last_index: int, last_dir: int, seq: int, skips: bool
    ) -> None:
        machine = Machine()
        entry = wide(
            machine, state=state, status=ASSURED, last_index=last_index, last_dir=last_dir, last_ack=900_000_000
        )
        verdict = machine.tcp(0, RST, seq, 3)
        assert (verdict.short == OK and entry.state == CL) == skips
        assert (verdict.ctstate == "INVALID") == (not skips)

    @pytest.mark.parametrize("direction", [0, 1])
    def test_unreplied_entry_goes_at_once(self, direction: int) -> None:
        """Spec 3.9: counted, not refreshed, DESTROY with what was left, no UPDATE."""
        machine = Machine()
        entry = machine.tcp(0, SYN, 1000).entry
        assert entry is not None
        deadline = entry.deadline
        verdict = machine.tcp(direction, RSTACK if direction else RST, 0 if direction else 1001, 1001, after=20)
        assert [(e.event, e.why, e.new_state, e.timeout) for e in verdict.events] == [
            ("DESTROY", "reset", CL, 100 * SECOND)
        ]
        assert not machine.entries() and entry.deadline == deadline
        assert (entry.orig_packets, entry.reply_packets) == ((1, 1) if direction else (2, 0))
        assert verdict.ctstate == ("ESTABLISHED" if direction else "NEW")


class TestIgnored:
    """Spec 3.5."""

    OPTIONS = b"\x04\x02\x03\x03\x09\x00\x00\x00"

    def test_syn_of_the_original_side_is_remembered_with_its_options(self) -> None:
        machine = Machine()
        entry = wide(machine, last_flags=SIMULTANEOUS, last_wscale=3)
        machine.tcp(0, SYN, 70000, 4711, 333, self.OPTIONS, data=bytes(9))
        assert (entry.last_index, entry.last_dir, entry.last_seq, entry.last_end) == (C_SYN, 0, 70000, 70010)
        assert (entry.last_win, entry.last_wscale, entry.last_flags) == (333, 9, WSCALE | SACK_PERM)
        assert entry.last_ack == 0

    def test_a_syn_without_options_clears_what_was_remembered(self) -> None:
        machine = Machine()
        entry = wide(machine, last_flags=WSCALE | SACK_PERM | CHALLENGE, last_wscale=3)
        machine.tcp(0, SYN, 70000)
        assert (entry.last_flags, entry.last_wscale) == (0, 0)

    def test_options_of_a_reply_syn_are_not_kept(self) -> None:
        machine = Machine()
        entry = wide(machine, state=TW, last_wscale=3, last_flags=WSCALE)
        assert machine.tcp(1, SYN, 70000, 0, 333, self.OPTIONS).reason == "tcp_ignored_in_state"
        assert (entry.last_win, entry.last_wscale, entry.last_flags) == (333, 3, WSCALE)

    @pytest.mark.parametrize(("state", "mark"), [(LA, CHALLENGE), (CW, 0), (ES, 0)])
    def test_in_last_ack_a_challenge_is_expected(self, state: int, mark: int) -> None:
        machine = Machine()
        entry = wide(machine, state=state)
        machine.tcp(0, SYN, 70000)
        assert entry.last_flags == mark

    @pytest.mark.parametrize(("state", "kept"), [(SS, 900), (S2, 0)])
    def test_ack_in_syn_sent_is_remembered(self, state: int, kept: int) -> None:
        machine = Machine()
        entry = wide(machine, state=state, status=UNREPLIED)
        verdict = machine.tcp(1, ACK, 5000, 900)
        assert verdict.short == ("ESTABLISHED", "tcp_ignored_in_state")
        assert entry.last_ack == kept
        assert verdict.changes() == [("UPDATE", ("seen_reply",))], "an ignored reply is a reply"
        assert verdict.events[0].new_state == -1

    @pytest.mark.parametrize(
        ("last_index", "last_dir", "ack", "believed"),
        [(C_SYN, 0, 70001, True), (C_SYN, 0, 70000, False), (C_SYN, 1, 70001, False), (C_ACK, 0, 70001, False)],
    )
    def test_synack_answering_an_ignored_syn(self, last_index: int, last_dir: int, ack: int, believed: bool) -> None:
        machine = Machine()
        entry = wide(
            machine, last_index=last_index, last_dir=last_dir, last_end=70001, last_win=333, last_wscale=9,
            last_flags=WSCALE | SACK_PERM | CHALLENGE, tflags1=LIBERAL | MAXACK | UNACKED, scale1=2, maxack1=1,
        )  # fmt: skip
        verdict = machine.tcp(1, SYNACK, 90000, ack, 100, b"\x03\x03\x04")
        if not believed:
            assert verdict.short == ("ESTABLISHED", "tcp_ignored_in_state") and entry.state == ES
            return
        assert verdict.short == OK and verdict.note == "tcp_resync" and verdict.events[0].why == "resync"
        assert (entry.state, entry.status, verdict.timeout_s) == (SR, ASSURED, 60)
        assert (entry.end0, entry.maxwin0, entry.scale0) == (70001, 333, 9)
        assert entry.maxend0 == 70001 + 100, "the SYN/ACK's window from its ACK on"
        assert entry.tflags0 & (WSCALE | SACK_PERM | CHALLENGE) == WSCALE | SACK_PERM
        assert (entry.end1, entry.maxwin1, entry.scale1) == (90001, 100, 4)
        assert entry.tflags1 & LIBERAL and entry.maxack1 == 70001
        assert not entry.last_flags & CHALLENGE

    def test_resync_with_a_zero_window(self) -> None:
        machine = Machine()
        entry = wide(machine, last_index=C_SYN, last_dir=0, last_end=70001, last_win=0)
        machine.tcp(1, SYNACK, 90000, 70001, 0)
        assert entry.maxwin0 == 1

    def test_resync_tells_of_an_update_although_the_state_stays(self) -> None:
        """Spec 12, 21: SYN, SYN/ACK, SYN again, SYN/ACK again."""
        machine = Machine()
        machine.tcp(0, SYN, 1000)
        machine.tcp(1, SYNACK, 5000, 1001)
        assert machine.tcp(0, SYN, 1000).short == ("ESTABLISHED", "tcp_ignored_in_state")
        verdict = machine.tcp(1, SYNACK, 5000, 1001)
        assert verdict.changes() == [("UPDATE", ("state",))] and verdict.events[0].new_state == SR

    @pytest.mark.parametrize(
        ("fields", "direction", "swallowed"),
        [
            ({"last_index": C_SYN, "last_dir": 0, "last_flags": CHALLENGE}, 1, True),
            ({"last_index": C_SYN, "last_dir": 0, "last_flags": CHALLENGE}, 0, False),
            ({"last_index": C_ACK, "last_dir": 0, "last_flags": CHALLENGE}, 1, False),
            ({"last_index": C_SYN, "last_dir": 0, "last_flags": 0}, 1, False),
            ({"last_index": C_SYN, "last_dir": 0, "last_flags": CHALLENGE, "state": TW}, 1, False),
        ],
    )
    def test_challenge_ack_in_last_ack(self, fields: dict[str, int], direction: int, swallowed: bool) -> None:
        machine = Machine()
        entry = wide(machine, **({"state": LA} | fields))
        deadline = entry.deadline
        verdict = machine.tcp(direction, ACK, 5000, 5000)
        assert (verdict.reason == "tcp_challenge_ack") == swallowed
        assert entry.state == (LA if swallowed else TW)
        if swallowed:
            assert entry.deadline == deadline and not entry.last_flags & CHALLENGE
            assert machine.tcp(direction, ACK, 5000, 5000).state == TW

    def test_a_fin_in_last_ack_is_no_challenge_ack(self) -> None:
        machine = Machine()
        entry = wide(machine, state=TW, last_index=C_SYN, last_dir=0, last_flags=CHALLENGE)
        assert machine.tcp(1, FIN, 5000, 5000).reason == "" and entry.state == TW


class TestSimultaneousOpen:
    def test_the_way_over_two_syns(self) -> None:
        """Spec 12, 20b."""
        machine = Machine()
        machine.tcp(0, SYN, 1000)
        verdict = machine.tcp(1, SYN, 5000, after=1)
        assert verdict.state == S2 and verdict.timeout_s == 119 and not verdict.refreshed
        assert verdict.reason == "tcp_syn_retransmitted"
        assert verdict.changes() == [("UPDATE", ("seen_reply", "state"))]
        assert verdict.events[0].why == "simultaneous_open"
        assert machine.tcp(1, SYNACK, 5000, 1001).state == SR
        verdict = machine.tcp(1, ACK, 5001, 1001)
        assert verdict.state == ES and verdict.entry is not None and verdict.entry.status == ASSURED

    @pytest.mark.parametrize(
        ("direction", "flags", "mark", "state"),
        [(1, ACK, SIMULTANEOUS, ES), (1, ACK, 0, SR), (1, SYNACK, SIMULTANEOUS, SR), (0, SYNACK, SIMULTANEOUS, SR)],
    )
    def test_reply_ack_completes_only_then(self, direction: int, flags: int, mark: int, state: int) -> None:
        machine = Machine()
        entry = wide(machine, state=SR if flags == ACK or direction == 0 else S2, status=REPLIED, last_flags=mark)
        machine.tcp(direction, flags, 5000, 5000)
        assert entry.state == state


class TestAfterAcceptance:
    """Spec 3.9."""

    def test_last_index_and_direction(self) -> None:
        machine = Machine()
        for flags, index in ((ACK, C_ACK), (FIN, C_FIN)):
            for direction in (0, 1):
                entry = wide(machine)
                machine.tcp(direction, flags, 5000, 5000)
                assert (entry.last_index, entry.last_dir) == (index, direction)
                machine.engine.tracker.destroy(entry, machine.now, 6, 0, -1)

    @pytest.mark.parametrize("direction", [0, 1])
    @pytest.mark.parametrize(("state", "marked"), [(ES, True), (SR, True), (FW, False), (TW, False)])
    def test_the_first_fin_marks_its_side(self, direction: int, state: int, marked: bool) -> None:
        machine = Machine()
        entry = wide(machine, state=state)
        machine.tcp(direction, FIN, 5000, 5000)
        flags = (entry.tflags0, entry.tflags1)
        assert bool(flags[direction] & CLOSE_INIT) == marked and not flags[1 - direction] & CLOSE_INIT

    @pytest.mark.parametrize(
        ("fields", "flags", "win", "timeout"),
        [
            ({}, ACK, 100, 432000),
            # duplicates
            ({"retrans": 1}, ACK, 100, 432000),
            ({"retrans": 2}, ACK, 100, 300),
            ({"retrans": 2, "state": CW}, ACK, 100, 60),
            # a RST before unacknowledged data and zero window, behind duplicates only above 300 s
            ({"tflags1": MAXACK, "maxack1": 4990}, RST, 100, 10),
            ({"tflags1": MAXACK, "maxack1": 4990, "retrans": 9}, RST, 100, 300),
            ({"state": FW, "retrans": 9}, RST, 100, 10),
            # unacknowledged, of either side
            ({"tflags0": UNACKED}, ACK, 100, 300),
            ({"tflags1": UNACKED, "end1": 5001}, ACK, 100, 300),
            ({"tflags1": UNACKED}, ACK, 100, 432000),
            ({"tflags0": UNACKED, "state": TW}, ACK, 100, 120),
            # zero window
            ({}, ACK, 0, 300),
            ({"state": CW}, ACK, 0, 60),
        ],
    )
    def test_timeout(self, fields: dict[str, int], flags: int, win: int, timeout: int) -> None:
        machine = Machine()
        same = {"last_dir": 0, "last_seq": 5000, "last_ack": 5000, "last_end": 5000, "last_win": win}
        wide(machine, **(same | fields))
        verdict = machine.tcp(0, flags, 5000, 5000, win)
        assert verdict.refreshed and verdict.timeout_s == timeout

    @pytest.mark.parametrize(
        ("limit", "duplicates", "timeout"), [(3, 2, 432000), (3, 3, 300), (1, 1, 300), (0, 0, 300)]
    )
    def test_max_retrans_sysctl(self, limit: int, duplicates: int, timeout: int) -> None:
        machine = Machine(tcp_max_retrans=limit)
        machine.handshake()
        for _ in range(duplicates + 1):
            verdict = machine.tcp(1, ACK, 5001, 1001, 500)
        assert verdict.timeout_s == timeout

    @pytest.mark.parametrize("first", [ACK])
    def test_pick_up_stays_at_unacknowledged_until_assured(self, first: int) -> None:
        """Spec 12, 12."""
        machine = Machine(tcp_timeout_unacknowledged=200, tcp_timeout_max_retrans=400)
        assert machine.tcp(0, first, 100, 200).timeout_s == 200
        verdict = machine.tcp(1, ACK, 200, 100)
        assert verdict.timeout_s == 200 and verdict.changes() == [("UPDATE", ("seen_reply",))]
        verdict = machine.tcp(0, ACK, 100, 200)
        assert verdict.timeout_s == 432000 and verdict.changes() == [("UPDATE", ("assured",))]

    @pytest.mark.parametrize(
        ("state", "status", "flags", "assured"),
        [
            (SR, REPLIED, ACK, True), (ES, REPLIED, ACK, True), (ES, UNREPLIED, ACK, False), (SR, REPLIED, FIN, False),
            (FW, REPLIED, ACK, False), (ES, REPLIED, FIN, False),
        ],
    )  # fmt: skip
    def test_assured(self, state: int, status: int, flags: int, assured: bool) -> None:
        machine = Machine()
        entry = wide(machine, state=state, status=status)
        verdict = machine.tcp(0, flags, 5000, 5000)
        assert bool(entry.status & 4) == assured
        assert any("assured" in names for _, names in verdict.changes()) == assured

    def test_assured_is_told_once(self) -> None:
        machine = Machine()
        machine.handshake()
        assert machine.tcp(0, ACK, 1001, 5001).changes() == []

    def test_retransmitted_syn_neither_refreshes_nor_counts(self) -> None:
        machine = Machine()
        entry = machine.tcp(0, SYN, 1000).entry
        verdict = machine.tcp(0, SYN, 1000, after=5)
        assert verdict.short == ("NEW", "tcp_syn_retransmitted") and verdict.timeout_s == 115
        assert entry is not None and entry.orig_packets == 1 and not verdict.events

    def test_accounting_is_by_ip_length_and_direction(self) -> None:
        machine = Machine()
        entry = machine.handshake()
        assert (entry.orig_packets, entry.orig_bytes, entry.reply_packets, entry.reply_bytes) == (2, 80, 1, 40)
        machine.tcp(1, ACK, 5001, 1001, data=bytes(11))
        assert (entry.reply_packets, entry.reply_bytes) == (2, 91)
        machine.tcp(0, ACK, 1001, 99999)
        assert entry.orig_packets == 2, "an INVALID packet is not counted"


TIMEOUT_SYSCTLS = [
    ("syn_sent", SS, SYN, {"state": SS, "status": REPLIED}),
    ("syn_recv", SR, SYNACK, {"state": S2}),
    ("established", ES, ACK, {"state": ES}),
    ("fin_wait", FW, FIN, {"state": ES}),
    ("close_wait", CW, ACK, {"state": FW}),
    ("last_ack", LA, FIN, {"state": CW}),
    ("time_wait", TW, ACK, {"state": LA}),
    ("close", CL, RST, {"state": LA}),
]


@pytest.mark.parametrize(
    ("name", "state", "flags", "fields"), TIMEOUT_SYSCTLS, ids=lambda v: v if isinstance(v, str) else ""
)
@pytest.mark.parametrize("value", [None, 7, 0, 200])
def test_each_timeout_sysctl(name: str, state: int, flags: int, fields: dict[str, int], value: int | None) -> None:
    defaults = {SS: 120, SR: 60, ES: 432000, FW: 120, CW: 60, LA: 30, TW: 120, CL: 10}
    machine = Machine(**({} if value is None else {f"tcp_timeout_{name}": value}))
    wide(machine, **fields)
    verdict = machine.tcp(0, flags, 5000, 5000)
    assert verdict.state == state and verdict.timeout_s == (defaults[state] if value is None else value)


def test_max_retrans_and_unacknowledged_sysctls() -> None:
    machine = Machine(tcp_timeout_max_retrans=77, tcp_timeout_unacknowledged=88)
    machine.handshake()
    assert machine.tcp(0, ACK, 1001, 5001, 0).timeout_s == 77
    machine.tcp(0, ACK, 1001, 5001, 10)
    assert machine.tcp(0, ACK, 1001, 5001, 10, data=b"x").timeout_s == 88


class TestInvalidFinOrRst:
    """Spec 3.8."""

    FAR = 900_000_000

    def test_two_sides_shorten_a_long_timeout(self) -> None:
        machine = Machine()
        entry = machine.handshake()
        assert machine.tcp(0, FIN, self.FAR, 5001).ctstate == "INVALID"
        assert (entry.last_index, entry.last_dir) == (C_FIN, 0)
        assert machine.tcp(1, FIN, self.FAR, 1001).ctstate == "INVALID"
        assert entry.deadline == machine.now + 300 * SECOND
        assert (entry.last_index, entry.last_dir) == (C_FIN, 0)
        gone = machine.wait(300)
        assert [(e.event, e.why) for e in gone] == [("DESTROY", "timeout")], "moved earlier, so queued again at once"

    @pytest.mark.parametrize(
        ("fields", "direction", "flags", "shortened"),
        [
            ({}, 1, FIN, True),
            ({}, 0, FIN, False),
            ({"last_index": C_RST}, 1, FIN, True),
            ({"last_index": C_ACK}, 1, FIN, False),
            ({"last_index": C_SYN}, 1, FIN, False),
            ({"status": REPLIED}, 1, FIN, False),
            ({}, 1, ACK, False),
        ],
    )
    def test_when(self, fields: dict[str, int], direction: int, flags: int, shortened: bool) -> None:
        machine = Machine()
        entry = wide(machine, **({"last_index": C_FIN, "last_dir": 0} | fields))
        entry.deadline = machine.now + 1000 * SECOND
        before = (entry.last_index, entry.last_dir)
        assert machine.tcp(direction, flags, self.FAR, 5000, after=0).ctstate == "INVALID"
        assert (entry.deadline == machine.now + 300 * SECOND) == shortened
        noted = not shortened and flags == FIN and "status" not in fields
        assert (entry.last_index, entry.last_dir) == ((C_FIN, direction) if noted else before)

    @pytest.mark.parametrize(
        ("left", "unacknowledged", "shortened"),
        [
            (301 * SECOND, 300, True),
            (299 * SECOND, 300, False),
            (120 * SECOND, 60, True),
            (120 * SECOND - 1, 60, False),
        ],
    )
    def test_how_much_must_be_left(self, left: int, unacknowledged: int, shortened: bool) -> None:
        machine = Machine(tcp_timeout_unacknowledged=unacknowledged)
        entry = wide(machine, last_index=C_FIN, last_dir=0)
        entry.deadline = machine.now + left
        machine.tcp(1, FIN, self.FAR, 5000, after=0)
        assert (entry.deadline == machine.now + unacknowledged * SECOND) == shortened

    def test_to_nothing_at_all(self) -> None:
        machine = Machine(tcp_timeout_unacknowledged=0)
        entry = wide(machine, last_index=C_FIN, last_dir=0)
        entry.deadline = machine.now + 1000 * SECOND
        assert machine.tcp(1, FIN, self.FAR, 5000).ctstate == "INVALID"
        assert entry.deadline == machine.now
        assert [(e.event, e.why) for e in machine.wait(0.1)] == [("DESTROY", "timeout")]

    def test_not_for_what_the_table_or_rule_2b_refuses(self) -> None:
        machine = Machine()
        entry = wide(machine, state=ES, last_index=C_FIN, last_dir=0, tflags0=MAXACK, maxack0=4990)
        deadline = entry.deadline
        assert machine.tcp(1, RST, 4980).reason == "tcp_rst_below_max_ack"
        assert entry.deadline == deadline and entry.last_dir == 0


class TestHeader:
    @pytest.mark.parametrize("length", range(21))
    def test_cut(self, length: int) -> None:
        """Fewer than 4 bytes have no tuple, fewer than 20 are no TCP header."""
        machine = Machine()
        frame = b.ipv4(A, B, 6, b.tcp(1, 2, 3, 4, SYN, 5)[:length])
        reason = "tuple_missing" if length < 4 else "tcp_short" if length < 20 else ""
        assert machine.send(frame).short == (("INVALID" if reason else "NEW"), reason)

    @pytest.mark.parametrize("words", range(16))
    @pytest.mark.parametrize("size", [20, 24, 60])
    def test_data_offset(self, words: int, size: int) -> None:
        segment = b.tcp(1, 2, 3, 4, SYN, 5, data=b"\x01" * (size - 20), data_offset=words)
        verdict = Machine().send(b.ipv4(A, B, 6, segment))
        assert verdict.reason == ("" if 5 <= words <= size // 4 else "tcp_bad_offset")

    @pytest.mark.parametrize("check", [0, 1])
    @pytest.mark.parametrize("error", [0, 1])
    @pytest.mark.parametrize("family", [4, 6])
    @pytest.mark.parametrize("size", [0, 1, 6])
    def test_checksum(self, check: int, error: int, family: int, size: int) -> None:
        src, dst = (A, B) if family == 4 else (bytes(15) + b"\2", bytes(15) + b"\3")
        segment = b.with_checksum(src, dst, 6, b.tcp(1, 2, 3, 4, SYN, 5, data=bytes(range(size))), error)
        verdict = Machine(checksum=check).send(b.ip(src, dst, 6, segment))
        assert verdict.reason == ("tcp_checksum" if check and error else "")

    def test_checks_come_in_order(self) -> None:
        segment = b.tcp(1, 2, 3, 4, 0, 5, data_offset=4)
        assert Machine(checksum=1).send(b.ipv4(A, B, 6, segment)).reason == "tcp_bad_offset"
        segment = b.tcp(1, 2, 3, 4, 0, 5)
        assert Machine(checksum=1).send(b.ipv4(A, B, 6, segment)).reason == "tcp_checksum"


def test_a_destroyed_entry_is_not_found_again() -> None:
    machine = Machine()
    first = machine.handshake()
    machine.tcp(0, RST, 1001)
    verdict = machine.tcp(0, SYN, 9000)
    assert [e.event for e in verdict.events] == ["DESTROY", "NEW"] and verdict.entry is not first
    assert len(machine.entries()) == 1 and poke(first).dying
