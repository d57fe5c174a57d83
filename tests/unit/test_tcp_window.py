"""The window check of the spec's section 3.7: each bound from both sides, at ordinary numbers and over the wrap."""

from __future__ import annotations

import struct

import pytest

from ctreplay.tracker.entry import Entry
from tests.traffic import build as b

from .machine import (
    ACK,
    ASSURED,
    FIN,
    LIBERAL,
    MAXACK,
    REPLIED,
    RST,
    RSTACK,
    SACK_PERM,
    SYN,
    SYNACK,
    UNACKED,
    WSCALE,
    Machine,
    Verdict,
)

U32 = 0xFFFFFFFF
# where the two sides' sequence numbers stand: far from the wrap, and so that each bound crosses it
BASES = [(1_000_000, 2_000_000), (50, 70), (U32 - 20, U32 - 10), (0x7FFFFFF0, 0x80000010), (0, 0)]
WINDOW = 3000
RIGHT = 500


def established(machine: Machine, base: tuple[int, int], **more: int) -> Entry:
    """`base`: end of either side; the original side may send `RIGHT` more bytes, the reply side took `WINDOW`."""
    fields = {
        "state": 3, "status": ASSURED, "end0": base[0], "maxend0": base[0] + RIGHT & U32, "maxwin0": WINDOW,
        "end1": base[1], "maxend1": base[1] + RIGHT & U32, "maxwin1": WINDOW, "last_index": 0, "last_win": 1,
    }  # fmt: skip
    return machine.tcp_entry(**(fields | more))


def probe(base: tuple[int, int], seq: int, ack: int, length: int = 0, flags: int = ACK, **more: int) -> Verdict:
    """A segment of the original side; `seq` and `ack` relative to the ends."""
    machine = Machine()
    established(machine, base, **more)
    return machine.tcp(0, flags, base[0] + seq, base[1] + ack, 1000, data=bytes(length))


OK = ("ESTABLISHED", "")
EDGE = ("ESTABLISHED", "tcp_seq_beyond_window_edge")
OVER = ("INVALID", "tcp_seq_over_upper_bound")
ACK_OVER = ("INVALID", "tcp_ack_over_upper_bound")
OLD = ("ESTABLISHED", "tcp_seq_under_lower_bound")
ACK_OLD = ("ESTABLISHED", "tcp_ack_under_lower_bound")


@pytest.mark.parametrize("base", BASES, ids=str)
@pytest.mark.parametrize(
    ("seq", "ack", "length", "wanted", "margin"),
    [
        # I: seq at most maxend
        (RIGHT, 0, 0, OK, 0),
        (RIGHT, 0, 5000, OK, 0),
        (RIGHT + 1, 0, 0, EDGE, 1),
        # end - maxend + 1 at most the receiver's largest window
        (RIGHT + 1, 0, WINDOW - 2, EDGE, 1),
        (RIGHT + 1, 0, WINDOW - 1, OVER, 1),
        (RIGHT + WINDOW - 1, 0, 0, EDGE, WINDOW - 1),
        (RIGHT + WINDOW, 0, 0, OVER, WINDOW),
        # beyond the edge, the ack must be in bounds
        (RIGHT + 1, 1, 0, OVER, 1),
        (RIGHT + 1, -66000, 0, EDGE, 1),
        (RIGHT + 1, -66001, 0, OVER, 1),
        (2**31 - 1, 0, 0, OVER, 2**31 - 1 - RIGHT),
        # III: ack at most the other side's end
        (0, 0, 0, OK, 0),
        (0, 1, 0, ACK_OVER, 1),
        # II: end at least the own end less the receiver's largest window
        (-WINDOW, 0, 0, OK, 0),
        (-WINDOW - 1, 0, 0, OLD, 1),
        (-WINDOW - 101, 0, 100, OLD, 1),
        (-WINDOW - 100, 0, 100, OK, 0),
        # III comes before II, II before IV
        (-WINDOW - 1, 1, 0, ACK_OVER, 1),
        (-WINDOW - 7, -66001, 0, OLD, 7),
        # IV: ack at least the other side's end less max(own largest window, 66000)
        (0, -66000, 0, OK, 0),
        (0, -66001, 0, ACK_OLD, 1),
    ],
)
def test_bounds(base: tuple[int, int], seq: int, ack: int, length: int, wanted: tuple[str, str], margin: int) -> None:
    verdict = probe(base, seq, ack, length)
    assert verdict.short == wanted
    assert verdict.refreshed == (wanted == OK)
    if wanted != OK:
        lowest_ack = base[1] - 66000
        right = base[0] + RIGHT
        assert verdict.bounds == (base[0] - WINDOW & U32, right & U32, lowest_ack & U32, base[1] & U32)
        assert verdict.margin == margin


@pytest.mark.parametrize(("ack", "wanted"), [(-70000, OK), (-70001, ACK_OLD)])
def test_lower_ack_bound_follows_a_window_above_66000(ack: int, wanted: tuple[str, str]) -> None:
    assert probe((10**6, 10**6), 0, ack, maxwin0=70000).short == wanted


@pytest.mark.parametrize(("seq", "wanted"), [(RIGHT, OK), (RIGHT + 1, OVER), (-(10**6), OK)])
def test_without_a_known_receiver_window(seq: int, wanted: tuple[str, str]) -> None:
    """maxwin 0, nothing was seen from there: no lower bound, and nothing counts as just over the edge."""
    assert probe((5 * 10**6, 10**6), seq, 0, maxwin1=0).short == wanted


def test_over_the_edge_within_the_window_moves_the_end() -> None:
    """Spec 3.7 C I: ignored, but td_end follows and the data counts as unacknowledged."""
    machine = Machine()
    entry = established(machine, (1000, 2000))
    packets, deadline = entry.orig_packets, entry.deadline
    assert machine.tcp(0, ACK, 1000 + RIGHT + 1, 2000, data=bytes(10)).short == EDGE
    assert entry.end0 == 1000 + RIGHT + 11 and entry.tflags0 & UNACKED
    assert (entry.maxend0, entry.last_index, entry.orig_packets, entry.deadline) == (1500, 0, packets, deadline)


@pytest.mark.parametrize(("by", "value"), [("side", 0), ("sysctl", 1)])
@pytest.mark.parametrize(("seq", "ack"), [(RIGHT + 1, 0), (RIGHT + WINDOW, 0), (0, 1), (-WINDOW - 1, 0), (0, -66001)])
def test_liberal_accepts_without_updating(by: str, value: int, seq: int, ack: int) -> None:
    machine = Machine(tcp_be_liberal=value)
    base = (10**6, 2 * 10**6)
    more = {"tflags0": LIBERAL} if by == "side" else {}
    entry = established(machine, base, **more)
    before = (entry.maxend0, entry.maxwin0, entry.end1, entry.maxend1, entry.maxwin1, entry.maxack0, entry.retrans)
    verdict = machine.tcp(0, ACK, base[0] + seq, base[1] + ack, 50000)
    assert verdict.short == OK and verdict.note == "tcp_liberal" and verdict.refreshed
    after = (entry.maxend0, entry.maxwin0, entry.end1, entry.maxend1, entry.maxwin1, entry.maxack0, entry.retrans)
    assert after == before
    assert entry.last_win == 1 and not entry.tflags0 & MAXACK


def test_liberal_is_judged_on_the_sender_only() -> None:
    assert probe((10**6, 10**6), RIGHT + WINDOW, 0, tflags1=LIBERAL).short == OVER


class TestUpdate:
    """Spec 3.7 D."""

    def test_plain_data(self) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), scale0=2)
        machine.tcp(0, ACK, 1000, 1990, 1000, data=bytes(100))
        assert (entry.end0, entry.tflags0 & UNACKED) == (1100, UNACKED)
        assert entry.maxwin0 == 4000
        assert (entry.maxack0, entry.tflags0 & MAXACK) == (1990, MAXACK)
        assert entry.maxend1 == 1990 + 4000
        assert (entry.maxend0, entry.maxwin1) == (1500, WINDOW)
        assert (entry.last_seq, entry.last_ack, entry.last_end, entry.last_win) == (1000, 1990, 1100, 1000)
        assert (entry.last_index, entry.last_dir, entry.retrans) == (4, 0, 0)

    def test_smaller_values_do_not_go_back(self) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), tflags0=MAXACK, maxack0=1999, maxwin0=5000, maxend1=2500)
        machine.tcp(0, ACK, 900, 1980, 10, data=bytes(50))
        assert (entry.end0, entry.maxwin0, entry.maxack0, entry.maxend1) == (1000, 5000, 1999, 2500)
        assert not entry.tflags0 & UNACKED

    @pytest.mark.parametrize(("ack", "kept"), [(1998, 1999), (1999, 1999), (2000, 2000)])
    def test_highest_ack(self, ack: int, kept: int) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), tflags0=MAXACK, maxack0=1999)
        machine.tcp(0, ACK, 1000, ack)
        assert entry.maxack0 == kept

    def test_first_ack_counts_whatever_stood_there(self) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), maxack0=1999)
        machine.tcp(0, ACK, 1000, 1500)
        assert entry.maxack0 == 1500 and entry.tflags0 & MAXACK

    @pytest.mark.parametrize(("length", "window"), [(RIGHT, WINDOW), (RIGHT + 1, WINDOW + 1), (RIGHT + 9, WINDOW + 9)])
    def test_data_beyond_the_edge_widens_the_receivers_window(self, length: int, window: int) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000))
        machine.tcp(0, ACK, 1000, 2000, data=bytes(length))
        assert entry.maxwin1 == window

    def test_an_unknown_receiver_window_stays_unknown(self) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), maxwin1=0)
        machine.tcp(0, ACK, 1000, 2000, data=bytes(RIGHT + 9))
        assert entry.maxwin1 == 0

    @pytest.mark.parametrize(("win", "edge"), [(499, 2500), (500, 2500), (501, 2501)])
    def test_right_edge_of_the_other_side(self, win: int, edge: int) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000))
        machine.tcp(0, ACK, 1000, 2000, win)
        assert entry.maxend1 == edge

    @pytest.mark.parametrize(("edge", "wanted"), [(1999, 2001), (2000, 2001), (2001, 2001), (2002, 2002)])
    def test_zero_window_leaves_room_for_a_probe(self, edge: int, wanted: int) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), maxend1=edge)
        machine.tcp(0, ACK, 1000, 2000, 0)
        assert entry.maxend1 == wanted

    @pytest.mark.parametrize(("ack", "cleared"), [(1999, False), (2000, True)])
    def test_only_the_exact_ack_clears_unacknowledged(self, ack: int, cleared: bool) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), tflags1=UNACKED)
        machine.tcp(0, ACK, 1000, ack)
        assert bool(entry.tflags1 & UNACKED) != cleared

    def test_window_of_a_syn_is_not_scaled(self) -> None:
        machine = Machine()
        entry = machine.tcp_entry(state=1, status=REPLIED, end0=1000, maxend0=1000, maxwin0=10, scale0=4, maxwin1=1)
        machine.tcp(0, SYN, 998, 0, 3)
        assert entry.maxwin0 == 10
        machine.tcp(0, SYN, 998, 0, 300)
        assert entry.maxwin0 == 300

    def test_duplicates_are_counted_and_any_difference_resets(self) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000))
        base = {"flags": ACK, "seq": 1000, "ack": 2000, "win": 100}
        machine.tcp(0, **base)
        for n in (1, 2, 3, 4):
            machine.tcp(0, **base)
            assert entry.retrans == n
        machine.tcp(0, FIN | 0, 990, 2000, 100, data=bytes(5))
        assert entry.retrans == 4
        for change in ({"seq": 999}, {"ack": 1999}, {"win": 101}, {"data": b"x"}):
            poked = entry
            poked.state = 3
            machine.tcp(0, **base)
            machine.tcp(0, **base)
            assert entry.retrans >= 1
            machine.tcp(0, **(base | change))
            assert entry.retrans == 0, change
        entry.end0 = 1000
        machine.tcp(0, **base)
        machine.tcp(0, **base)
        assert entry.retrans == 1
        machine.tcp(1, ACK, 2000, 1000, 100)
        machine.tcp(0, **base)
        assert entry.retrans == 0, "the other direction in between"


class TestFirstOfASide:
    """Spec 3.7 A."""

    def test_synack_starts_its_side(self) -> None:
        machine = Machine()
        entry = machine.tcp(0, SYN, 1000).entry
        assert entry is not None
        machine.tcp(1, SYNACK, 5000, 1001, 0)
        assert (entry.end1, entry.maxend1, entry.maxwin1) == (5001, 5001, 1)
        assert entry.maxend0 == 1002, "zero window of the SYN/ACK: one byte"

    def test_pick_up_of_the_second_side(self) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), maxwin1=0, scale1=3)
        machine.tcp(1, ACK, 7000, 990, 100, data=bytes(10))
        assert (entry.end1, entry.maxwin1, entry.maxend1) == (7010, 800, 7810)
        assert (entry.end0, entry.maxend0) == (1000, 990 + 800)

    def test_pick_up_with_a_zero_window(self) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), maxwin1=0)
        machine.tcp(1, ACK, 7000, 1000, 0)
        assert (entry.maxwin1, entry.maxend1) == (1, 7001)

    def test_answer_to_a_keep_alive_moves_the_end_by_one(self) -> None:
        for ack, end in ((1000, 1000), (1001, 1001)):
            machine = Machine()
            entry = established(machine, (1000, 2000), maxwin1=0)
            assert machine.tcp(1, ACK, 7000, ack).short == OK
            assert entry.end0 == end
        machine = Machine()
        established(machine, (1000, 2000), maxwin1=0)
        assert machine.tcp(1, ACK, 7000, 1002).short == ACK_OVER

    def test_neither_side_known(self) -> None:
        machine = Machine()
        entry = established(machine, (1000, 2000), maxwin0=0, maxwin1=0)
        machine.tcp(1, ACK, 7000, 4444, 0)
        assert (entry.end0, entry.maxend0) == (4444, 4445)

    @pytest.mark.parametrize("state", range(1, 10))
    @pytest.mark.parametrize(("seq", "restarts"), [(999, False), (1000, True), (0x80000500, False)])
    def test_a_higher_syn_starts_its_side_afresh(self, state: int, seq: int, restarts: bool) -> None:
        """Only in SYN_SENT and SYN_RECV; its end must lie after the one known."""
        if state not in (1, 2, 9):
            return
        machine = Machine()
        entry = machine.tcp_entry(
            state=state, status=REPLIED, end0=1000, maxend0=9000, maxwin0=50, end1=0, maxwin1=9000, scale0=3
        )
        verdict = machine.tcp(0, SYNACK if state == 2 else SYN, seq, 0, 20, b"\x03\x03\x05")
        fresh = restarts and state in (1, 2)
        assert entry.scale0 == (5 if fresh else 3), verdict
        assert (entry.maxend0 == seq + 1) == fresh
        assert (entry.maxwin0 == 20) == fresh

    def test_simultaneous_syn_is_accepted_unseen(self) -> None:
        """A bare SYN that starts its side ends the check: nothing of part D happens."""
        machine = Machine()
        entry = machine.tcp(0, SYN, 1000).entry
        assert entry is not None
        assert machine.tcp(1, SYN, 5000, 999_999_999, 77).state == 9
        assert (entry.end1, entry.maxend1, entry.maxwin1, entry.maxend0) == (5001, 5001, 77, 1001)

    def test_a_second_higher_reply_syn_is_accepted_unseen(self) -> None:
        machine = Machine()
        entry = machine.tcp_entry(state=1, status=REPLIED, end0=1000, maxend0=1000, end1=2000, maxwin1=9, maxend1=2000)
        machine.tcp(1, SYN, 5000, 0, 777)
        assert (entry.end1, entry.maxwin1, entry.maxend0) == (5001, 777, 1000)


class TestNormalise:
    """Spec 3.7 B."""

    def test_no_ack_flag_means_nothing_is_acknowledged(self) -> None:
        assert probe((10**6, 10**6), 0, 999, flags=RST, status=REPLIED).short == OK

    def test_rst_ack_with_ack_zero(self) -> None:
        machine = Machine()
        established(machine, (10**6, 10**6), status=REPLIED)
        assert machine.tcp(0, RSTACK, 10**6, 0).short == OK
        machine = Machine()
        established(machine, (10**6, 10**6), status=REPLIED)
        assert machine.tcp(0, RSTACK, 10**6, 1).short == ACK_OLD

    @pytest.mark.parametrize(("state", "seq", "wanted"), [(1, 0, OK), (1, 1, OLD), (9, 0, OLD)])
    def test_rst_with_seq_zero_in_syn_sent(self, state: int, seq: int, wanted: tuple[str, str]) -> None:
        assert probe((10**6, 10**6), seq - 10**6, 0, flags=RSTACK, state=state, status=REPLIED).short == wanted


@pytest.mark.parametrize("mine", [None, *range(16), 255])
@pytest.mark.parametrize("theirs", [None, 0, 7, 15])
def test_window_scales(mine: int | None, theirs: int | None) -> None:
    """At most 14; used only when both sides offer one."""

    def option(shift: int | None) -> bytes:
        return b"" if shift is None else bytes((3, 3, shift))

    machine = Machine()
    entry = machine.tcp(0, SYN, 1000, 0, 100, option(mine)).entry
    assert entry is not None
    machine.tcp(1, SYNACK, 5000, 1001, 100, option(theirs))
    both = mine is not None and theirs is not None
    assert entry.scale0 == (min(mine or 0, 14) if both else 0)
    assert entry.scale1 == (min(theirs or 0, 14) if both else 0)
    machine.tcp(0, ACK, 1001, 5001, 3)
    assert entry.maxwin0 == max(100, 3 << entry.scale0)
    assert entry.maxend1 == 5001 + (3 << entry.scale0)


@pytest.mark.parametrize(
    ("options", "flags", "scale"),
    [
        (b"", 0, 9),
        (b"\x00\x00\x00\x00", 0, 0),
        (b"\x04\x02", SACK_PERM, 0),
        (b"\x01\x01\x04\x02", SACK_PERM, 0),
        (b"\x03\x03\x07", WSCALE, 7),
        (b"\x02\x04\x05\xb4\x04\x02\x08\x0a" + bytes(8) + b"\x01\x03\x03\x08", SACK_PERM | WSCALE, 8),
        (b"\x00\x04\x02\x00", 0, 0),
        (b"\x04\x03\x00\x01", 0, 0),
        (b"\x03\x02\x04\x02", SACK_PERM, 0),
        (b"\x03\x04\x07\x00", 0, 0),
        (b"\x05\x01\x04\x02", 0, 0),
        (b"\x05\x00\x04\x02", 0, 0),
        (b"\x01\x01\x01\x03", 0, 0),
        (b"\x01\x01\x03\x03", 0, 0),
        (b"\x08\x05\x00\x00", 0, 0),
        (b"\x08\x04\x04\x02\x04\x02\x00\x00", SACK_PERM, 0),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else str(value),
)
def test_options_of_a_syn(options: bytes, flags: int, scale: int) -> None:
    """Cut, malformed or impossible options end the walk; without options the old values stay."""
    machine = Machine()
    entry = machine.tcp_entry(state=1, status=REPLIED, end0=1000, maxend0=1000, maxwin0=10, scale0=9, tflags0=0)
    machine.tcp(0, SYN, 5000, 0, 10, options)
    assert entry.end0 == 5001
    assert (entry.tflags0 & (SACK_PERM | WSCALE), entry.scale0) == (flags, scale)


def test_options_keep_the_liberal_mark_only() -> None:
    machine = Machine()
    fields = {"end0": 1000, "maxend0": 1000, "maxwin0": 10, "tflags0": LIBERAL | SACK_PERM | WSCALE | MAXACK}
    entry = machine.tcp_entry(state=1, status=REPLIED, **fields)
    machine.tcp(0, SYN, 5000, 0, 10, b"\x01\x01\x01\x00")
    assert entry.tflags0 & (LIBERAL | SACK_PERM | WSCALE | MAXACK) == LIBERAL


def sack(*blocks: tuple[int, int]) -> bytes:
    return bytes((5, 2 + 8 * len(blocks))) + b"".join(struct.pack("!II", *block) for block in blocks)


@pytest.mark.parametrize(
    ("options", "edge"),
    [
        (b"", 1000),
        (b"\x01\x01" + sack((1500, 1600)), 1600),
        (b"\x01\x01" + sack((1500, 1600), (1700, 1800), (1300, 1400)), 1800),
        (b"\x01\x01" + sack((100, 200)), 1000),
        (sack((1500, 1600)) + b"\x01\x01" + sack((1700, 1800)), 1600),
        (b"\x01\x01\x08\x0a" + bytes(8), 1000),
        # looked at as a timestamp at once: 12 bytes, two NOPs, kind 8, length 10
        (b"\x01\x01\x08\x0a" + bytes(8) + b"\x01\x01" + sack((1500, 1600)), 1600),
        (b"\x00" + b"\x00" * 3 + sack((1500, 1600)), 1000),
        (b"\x05\x09" + bytes(10), 1000),
        (b"\x05\x0b" + struct.pack("!II", 1500, 1600) + bytes(2), 1000),
        (b"\x05\x02" + b"\x01\x01" + sack((1500, 1600)), 1600),
        (b"\x05\x12" + struct.pack("!II", 1500, 1600) + bytes(2), 1000),
        (b"\x05\x01" + bytes(10), 1000),
        (b"\x01" * 11 + b"\x05", 1000),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else str(value),
)
@pytest.mark.parametrize("permitted", [True, False])
def test_sack_edge(options: bytes, edge: int, permitted: bool) -> None:
    """The highest right edge counts where the receiver of the packet announced SACK; shown by the window it opens."""
    machine = Machine()
    flags = {"tflags0": 0, "tflags1": SACK_PERM} if permitted else {"tflags0": SACK_PERM, "tflags1": 0}
    entry = established(machine, (9000, 2000), maxend1=0, **flags)
    machine.tcp(0, ACK, 9000, 1000, 100, options)
    wanted = edge if permitted else 1000
    assert entry.maxend1 == wanted + 100
    assert entry.maxwin0 == max(WINDOW, 100 + wanted - 1000)
    assert entry.maxack0 == 1000


def test_sack_beyond_what_was_sent_is_invalid() -> None:
    for right, wanted in ((2000, OK), (2001, ACK_OVER)):
        machine = Machine()
        established(machine, (9000, 2000), tflags1=SACK_PERM)
        assert machine.tcp(0, ACK, 9000, 1000, 100, b"\x01\x01" + sack((1500, right))).short == wanted


def test_sack_widens_the_largest_window() -> None:
    machine = Machine()
    entry = established(machine, (9000, 50000), tflags1=SACK_PERM)
    machine.tcp(0, ACK, 9000, 1000, 100, b"\x01\x01" + sack((1500, 40000)))
    assert entry.maxwin0 == 100 + 39000


def test_duplicate_tuple_of_the_expectations() -> None:
    """The packet class alone reaches duplicate counting: a repeated FIN does not."""
    machine = Machine()
    entry = established(machine, (1000, 2000))
    machine.tcp(0, FIN, 1000, 2000)
    machine.tcp(0, FIN, 1000, 2000)
    assert entry.retrans == 0 and entry.last_seq == 0


def test_segment_length_is_by_the_ip_length() -> None:
    """Ethernet padding is no payload."""
    machine = Machine()
    entry = established(machine, (1000, 2000))
    segment = b.tcp(40000, 80, 1000, 2000, ACK, 1000)
    frame = bytes(12) + b"\x08\0" + b.ipv4(bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)), 6, segment) + bytes(6)
    assert machine.send(frame, linktype=1).entry is entry and entry.end0 == 1000
