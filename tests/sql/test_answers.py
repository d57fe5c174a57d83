"""Answers of the library where one kind of packet could be taken for another, and at their edges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ctreplay
from ctreplay.sql import library
from ctreplay.sql.execute import query_named
from tests.check import captures as c
from tests.traffic.build import ACK, ICMP, PSH, RST, SYN, UDP, icmp, udp

ROUTER = bytes([10, 9, 9, 9])
Packets = list[tuple[float, bytes]]
Replay = Callable[..., Path]


def error(quoted: bytes, sender: bytes = ROUTER) -> bytes:
    """Host unreachable about a packet."""
    return c.packet(sender, quoted[12:16], ICMP, icmp(3, 1, bytes(4), quoted[:28]))


def opened(sport: int = 40000) -> tuple[c.Tcp, Packets]:
    one = c.Tcp(sport, 443)
    steps = [(True, SYN), (False, SYN | ACK), (True, ACK), (True, PSH | ACK, b"x"), (False, ACK)]
    return one, [(number / 100, one.send(*step)) for number, step in enumerate(steps)]


def ask(dataset: Path, name: str, **parameters: str) -> list[dict[str, Any]]:
    result = query_named([dataset], library.load(name), parameters)
    return [row for batch in result.batches for row in batch.to_pylist()]


@pytest.fixture
def replayed(tmp_path):
    def replay(packets: Packets, level: str = "all", **options: Any) -> Path:
        path = c.pcap(tmp_path / "one.pcap", [(c.T0 + round(at * c.SECOND), data) for at, data in packets])
        ctreplay.replay(path, tmp_path / "one.ctreplay", packets=level, force=True, **options)
        return tmp_path / "one.ctreplay"

    return replay


def test_icmp_errors_answer_no_lookup(replayed: Replay):
    query = c.packet(c.CLIENT, c.SERVER, UDP, udp(5353, 53, b"question"))
    rows = ask(replayed([(0, query), (0.01, error(query)), (5, query), (5.01, error(query))]), "dns_retry_5s")
    assert [(row["queries"], row["answers"], row["answers_after"]) for row in rows] == [(1, 0, 0)]


def test_icmp_errors_are_no_answer_to_retransmissions(replayed: Replay):
    one, packets = opened()
    lost = one.send(True, PSH | ACK, b"y")
    packets += [(1, lost), (2, lost), (4, lost), (4.1, error(lost))]
    rows = ask(replayed(packets), "retrans_heavy")
    assert [(row["side"], row["repeated"], row["unanswered_end"]) for row in rows] == [("original", 2, True)]


@pytest.mark.parametrize("last", ["nothing", "icmp", "stray", "own_rst"])
def test_what_is_no_answer_after_a_silence(replayed: Replay, last: str):
    one, packets = opened()
    lost = one.send(True, PSH | ACK, b"y")
    packets += [(100, lost), (101, lost)]
    packets += {
        "nothing": [],
        "icmp": [(101.5, error(lost))],
        # INVALID, and of the side that waits
        "stray": [(101.5, one.send(True, PSH | ACK, b"z", shift=5_000_000))],
        "own_rst": [(101.5, one.send(True, RST | ACK, shift=-5_000_000))],
    }[last]
    rows = ask(replayed(packets), "idle_gap_then_fail")
    expected = [] if last == "own_rst" else [(6, "no answer", 3 if last == "stray" else 2)]
    assert [(row["packet"], row["failed_how"], row["tries"]) for row in rows] == expected


def test_an_invalid_rst_of_the_other_side_after_a_silence(replayed: Replay):
    one, packets = opened()
    packets += [(100, one.send(True, PSH | ACK, b"y")), (100.5, one.send(False, RST | ACK, shift=-5_000_000))]
    rows = ask(replayed(packets), "idle_gap_then_fail")
    assert [(row["packet"], row["failed_how"], row["after_s"]) for row in rows] == [(6, "RST", 0.5)]


def test_expected_connections_have_gaps_and_survive(replayed: Replay):
    # what the server sends is RELATED, and stays so while nobody answers
    data = c.packet(c.SERVER, c.CLIENT, UDP, udp(7000, 5000, b"\0\3\0\1data"))
    packets = [(0, c.packet(c.CLIENT, c.SERVER, UDP, udp(5000, 69, b"\0\1file\0octet\0"))), (1, data), (21, data)]
    dataset = replayed(packets, helpers=["tftp"])
    assert [(row["packet"], row["gap_s"]) for row in ask(dataset, "idle_gaps", min_s="10")] == [(3, 20.0)]
    rows = ask(dataset, "failover_survivors", at="2023-11-14 22:13:22")
    assert sorted((row["fate"], row["example"]) for row in rows) == [("new entry", 2), ("silent", 1)]
