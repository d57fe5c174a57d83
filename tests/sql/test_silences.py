"""Queries about lookups and connections that hung, over packets of which every row of the answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ctreplay
from ctreplay.sql import library
from ctreplay.sql.execute import query_named
from tests.check import captures as c
from tests.traffic.build import ACK, PSH, RST, SYN, UDP, udp

Step = tuple[float, bool]


def ask(dataset: Path, name: str, **parameters: str) -> list[dict[str, Any]]:
    result = query_named([dataset], library.load(name), parameters)
    return [row for batch in result.batches for row in batch.to_pylist()]


def lookups(folder: Path, steps: list[Step], sport: int = 5000, **sysctls: int) -> Path:
    """Dataset of queries (True) and answers at these seconds."""
    packets = []
    for at, query in steps:
        ends, ports = ((c.CLIENT, c.SERVER), (sport, 53)) if query else ((c.SERVER, c.CLIENT), (53, sport))
        packets.append((c.T0 + round(at * c.SECOND), c.packet(*ends, UDP, udp(*ports, b"name"))))
    target = folder / "dns.ctreplay"
    ctreplay.replay(c.pcap(folder / "dns.pcap", packets), target, packets="all", sysctls=sysctls)
    return target


@pytest.mark.parametrize("sport", [5000, 53])
@pytest.mark.parametrize(
    ("steps", "sysctls", "rows"),
    [
        # a client that asks every five seconds and is answered each time
        ([(0, True), (0.02, False), (5, True), (5.02, False), (10, True), (10.02, False)], {}, []),
        # one of two is lost; what a later lookup is answered does not count
        (
            [(0, True), (0.001, True), (0.02, False), (5, True), (5.02, False), (5.03, True), (5.05, False), (20, True),
             (20.02, False)],
            {}, [(1, 2, 1, 4, 2, 1)],
        ),
        # the entry is gone before the retry
        ([(0, True), (5, True), (5.1, False)], {"nf_conntrack_udp_timeout": 3}, [(1, 1, 0, 2, 1, 1)]),
        # slack_s is within
        ([(0, True), (5.2, True)], {}, [(1, 1, 0, 2, 0, 1)]),
        ([(0, True), (5.21, True)], {}, []),
    ],
)  # fmt: skip
def test_dns_retry(tmp_path, steps, sysctls, rows, sport):
    names = ("packet", "queries", "answers", "retry_packet", "answers_after", "conn_id")
    found = ask(lookups(tmp_path, steps, sport, **sysctls), "dns_retry_5s", slack_s="0.2000001")
    assert [tuple(row[name] for name in names) for row in found] == rows


def test_dns_retry_of_a_socket_whose_first_packet_was_an_answer(tmp_path):
    found = ask(lookups(tmp_path, [(0, False), (1, True), (6, True), (6.1, False)]), "dns_retry_5s")
    assert [(row["client"], row["packet"], row["answers_after"]) for row in found] == [("10.0.0.1", 2, 1)]


def test_a_packet_that_the_lost_entry_refused_would_have_been_picked_up(tmp_path):
    one, other = c.Tcp(40000, 443), c.Tcp(40001, 443)
    packets = [(0, one.send(True, SYN)), (1, one.send(False, SYN | ACK)), (2, one.send(True, ACK))]
    packets += [(3, other.send(True, SYN)), (4, other.send(False, SYN | ACK)), (5, other.send(True, ACK))]
    # far beyond the window; flags that no tracker accepts say nothing
    packets += [(7, one.send(False, ACK, b"x", shift=5_000_000)), (8, one.send(True, ACK, b"x"))]
    packets += [(9, other.send(False, SYN | ACK | 1)), (10, other.send(True, ACK, b"x"))]
    path = c.pcap(tmp_path / "one.pcap", [(c.T0 + at * c.SECOND, data) for at, data in packets])
    ctreplay.replay(path, tmp_path / "one.ctreplay", packets="all")
    found = ask(tmp_path / "one.ctreplay", "failover_survivors", at=str(c.T0 // c.SECOND + 6))
    assert [(row["fate"], row["direction"], row["flags"], row["connections"], row["example"]) for row in found] == [
        ("picked up", "original", ".", 1, 4),
        ("picked up, wrong way round", "reply", ".", 1, 1),
    ]


def test_what_came_after_a_syn_on_an_old_entry(tmp_path):
    one = c.Tcp(40000, 443)
    packets = [one.send(True, SYN), one.send(False, SYN | ACK), one.send(True, ACK)]
    # data is no challenge ACK, a bare ACK is
    packets += [one.send(True, SYN, shift=500_000), one.send(False, PSH | ACK, b"data")]
    packets += [one.send(True, SYN, shift=500_000), one.send(False, ACK), one.send(True, RST, shift=3)]
    path = c.pcap(tmp_path / "one.pcap", [(c.T0 + n * c.SECOND, data) for n, data in enumerate(packets)])
    told = {
        "all": [(4, "went on"), (6, "challenge ACK"), (8, "nothing")],
        # the answers are not in the dataset, nor is the RST
        "notable": [(4, "SYN again"), (6, "see --packets all")],
    }
    for level, rows in told.items():
        ctreplay.replay(path, tmp_path / level, packets=level)
        assert [(row["packet"], row["outcome"]) for row in ask(tmp_path / level, "challenge_ack")] == rows
    db = ctreplay.open_dataset(tmp_path / "notable")
    assert db.sql("SELECT value FROM stats WHERE name = 'reason.tcp_rst_not_exact'").fetchall() == [(1,)]


SILENT_S = 100


@pytest.mark.parametrize(
    ("steps", "sysctls", "rows"),
    [
        # exactly the threshold
        ([(0, True, PSH | ACK), (0.5, False, RST | ACK)], {}, [(4, 1, "RST", 0.5, 1, "CLOSE")]),
        # one that gives up resets the connection itself
        (
            [(0, True, PSH | ACK), (1, True, PSH | ACK), (3, True, PSH | ACK), (10, True, RST | ACK)],
            {}, [(4, 1, "no answer", 10, 3, "CLOSE")],
        ),
        ([(0, True, PSH | ACK), (1, False, ACK), (2, True, PSH | ACK)], {}, []),
        # the tracker has forgotten it and picks it up, or does not
        (
            [(0, True, PSH | ACK), (1, True, PSH | ACK)],
            {"nf_conntrack_tcp_timeout_established": 60}, [(4, 4, "new entry", None, 2, "ESTABLISHED")],
        ),
        (
            [(0, True, PSH | ACK), (0.1, False, ACK), (1, True, PSH | ACK)],
            {"nf_conntrack_tcp_timeout_established": 60, "nf_conntrack_tcp_loose": 0},
            [(4, 1, "refused", None, 2, "timeout")],
        ),
        # what a RST closed has not been forgotten
        ([(-80, False, RST | ACK), (0, True, PSH | ACK)], {}, []),
    ],
)  # fmt: skip
def test_what_died_after_a_silence(tmp_path, steps, sysctls, rows):
    one = c.Tcp(40000, 443)
    packets = [(0, one.send(True, SYN)), (0, one.send(False, SYN | ACK)), (0, one.send(True, ACK))]
    packets += [
        (SILENT_S + at, one.send(client, flags, b"x" if flags & PSH else b"")) for at, client, flags in sorted(steps)
    ]
    path = c.pcap(tmp_path / "one.pcap", [(c.T0 + round(at * c.SECOND), data) for at, data in packets])
    ctreplay.replay(path, tmp_path / "one.ctreplay", packets="all", sysctls=sysctls)
    found = ask(tmp_path / "one.ctreplay", "idle_gap_then_fail", min_s=f"{SILENT_S if steps[0][0] == 0 else 50}")
    names = ("packet", "conn_id", "failed_how", "after_s", "tries", "ended")
    assert [tuple(row[name] for name in names) for row in found] == rows
    assert ask(tmp_path / "one.ctreplay", "idle_gap_then_fail", min_s=f"{SILENT_S}.000000001") == []
