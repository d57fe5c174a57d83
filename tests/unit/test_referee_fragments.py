"""What the referee knows of the kernel's IPv6 reassembly queues, whose age it decides."""

from __future__ import annotations

import struct

import pytest

from ctreplay.verify.fragments import FragmentQueues, _Queue
from ctreplay.verify.packets import StandIns, prepare, readdress
from tests.traffic import build as b

A, B = bytes.fromhex("20010db8") + bytes(11) + b"\1", bytes.fromhex("20010db8") + bytes(11) + b"\2"


@pytest.mark.parametrize(
    ("pieces", "given_up"),
    [
        ([(0, 8), (8, 16), (0, 16)], False), ([(8, 16), (0, 8), (0, 16)], True), ([(8, 16), (0, 8), (8, 16)], False),
        ([(0, 8), (16, 24), (8, 16), (0, 24)], True), ([(16, 24), (8, 24)], True), ([(0, 16), (8, 24)], True),
        ([(0, 8), (16, 24), (24, 32), (16, 32)], False),
    ],
)  # fmt: skip
def test_a_piece_within_what_came_in_order_is_a_duplicate_any_other_overlap_the_end(
    pieces: list[tuple[int, int]], given_up: bool
) -> None:
    queue = _Queue()
    assert [queue.add(*piece, True) for piece in pieces] == [True] * (len(pieces) - 1) + [not given_up]


def test_a_whole_datagram_leaves_its_queue() -> None:
    queue = _Queue()
    assert [queue.add(16, 20, False), queue.add(0, 8, True), queue.add(8, 16, True)] == [True, True, False]


@pytest.mark.parametrize(
    ("first", "inside", "cut"),
    [
        (6, bytes(20), False), (6, bytes(19), True), (17, bytes(7), True), (58, bytes(8), False), (47, b"\0", False),
        (47, b"", True), (59, b"", False), (60, b"\6", False), (60, b"\6\0", True), (60, b"\6\0" + bytes(26), False),
        (44, b"\6\0\0", False), (44, b"\6\0\0\0", True), (44, b"\6\0\0\x08", False), (51, b"\6\1" + bytes(29), True),
        (43, b"\0\0" + bytes(6), False),
    ],
)  # fmt: skip
def test_a_first_fragment_without_its_transport_header(first: int, inside: bytes, cut: bool) -> None:
    fragment = struct.pack("!BBHI", first, 0, 1, 7) + inside
    assert FragmentQueues._cut(prepare(b.ipv6(A, B, 44, fragment))) == cut


def test_the_version_of_a_quoted_header_is_not_looked_at() -> None:
    quoted = b"\x40" + b.ipv6(A, B, 6, bytes(20))[1:]
    packet = prepare(b.ipv6(B, A, 58, b.icmp(1, 4, data=quoted)))
    before = bytes(packet.raw)
    readdress(packet, StandIns(set()))
    assert bytes(packet.raw) == before


def test_a_hop_by_hop_header_without_a_length() -> None:
    assert len(prepare(b.ipv6(A, B, 0, b"\x11")[:40]).raw) == 41


@pytest.mark.parametrize("captured", range(40, 58))
def test_hop_by_hop_options_that_the_capture_cut_are_completed(captured: int) -> None:
    options = bytes.fromhex("1e0200000104" + "00" * 4 + "1e020000")
    whole = b.ipv6(A, B, 17, b.udp(1, 2), ((0, b"\0\1" + options),))
    raw = prepare(whole[:captured]).raw
    assert raw[:captured] == whole[:captured][:7] + b"\x40" + whole[8:captured]
    size = (raw[41] + 1) * 8
    at, kinds = 42, []
    while at < 40 + size:
        kinds.append(raw[at])
        at += 1 if raw[at] == 0 else 2 + raw[at + 1]
    assert at == 40 + size and set(kinds) <= {0x1E, 1}


def test_the_hop_limit_stays_as_a_redirect_is_judged_by_it() -> None:
    whole = b.ipv6(A, B, 58, b.icmp(137, 0, data=bytes(40)))
    for limit in (255, 64, 0):
        assert prepare(whole[:7] + bytes([limit]) + whole[8:]).raw[7] == limit
