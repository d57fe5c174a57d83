"""Queries about resets, over connections that a RST ends by a new state and ones that it destroys at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ctreplay
from ctreplay.sql import library
from ctreplay.sql.execute import query_named
from tests.check import captures as c
from tests.traffic.build import ACK, FIN, PSH, RST, SYN

Step = tuple[float, bool, int]

HANDSHAKE: list[Step] = [(0, True, SYN), (0.01, False, SYN | ACK), (0.02, True, ACK)]


def capture(folder: Path, connections: list[list[Step]]) -> Path:
    """TCP connections to port 443, a second apart; a step is seconds, from the client, flags."""
    packets = []
    for number, steps in enumerate(connections):
        one = c.Tcp(40000 + number, 443)
        for at, from_client, flags in steps:
            data = b"x" if flags & PSH else b""
            packets.append((c.T0 + round((number + at) * c.SECOND), one.send(from_client, flags, data)))
    return c.pcap(folder / "resets.pcap", sorted(packets))


def ask(dataset: Path, name: str, **parameters: str) -> list[dict[str, Any]]:
    result = query_named([dataset], library.load(name), parameters)
    return [row for batch in result.batches for row in batch.to_pylist()]


@pytest.fixture
def replayed(tmp_path):
    def replay(connections: list[list[Step]], **sysctls: int) -> Path:
        target = tmp_path / "resets.ctreplay"
        ctreplay.replay(capture(tmp_path, connections), target, packets="all", sysctls=sysctls, force=True)
        return target

    return replay


def test_rst_origin_sees_resets_that_destroy_the_entry(replayed):
    dataset = replayed(
        [
            [(0, True, SYN), (0.1, False, RST | ACK)],
            [(0, True, PSH | ACK), (0.1, False, RST)],
            [(0, True, SYN), (0.1, True, RST)],
            [*HANDSHAKE, (0.1, False, RST | ACK)],
        ]
    )
    assert [
        (row["example"], row["packet"], row["side"], row["state"], row["resets"], row["refused"])
        for row in ask(dataset, "rst_origin")
    ] == [
        (3, 4, "reply", "ESTABLISHED", 2, 0),
        (5, 6, "original", "SYN_SENT", 1, 0),
        (1, 2, "reply", "SYN_SENT", 1, 1),
    ]


def test_timeout_peaks_sees_resets_of_unreplied_connections(replayed):
    dataset = replayed(
        [
            [(0, True, PSH | ACK), (60, False, RST)],
            [*HANDSHAKE, (60.02, False, RST | ACK)],
            [(0, True, SYN), (60, False, RST | ACK)],
        ]
    )
    assert [(row["ended_by"], row["idle_s"], row["connections"]) for row in ask(dataset, "timeout_peaks")] == [
        ("RST by reply", 60, 2)
    ]


def test_invalid_then_rst_sees_a_rst_that_destroys_the_entry(replayed):
    # the ACK is INVALID in SYN_SENT
    dataset = replayed([[(0, True, SYN), (0.1, True, ACK), (0.2, False, RST | ACK)]])
    rows = ask(dataset, "invalid_then_rst")
    assert [(row["packet"], row["rst_packet"], row["rst_by"], row["state_before"]) for row in rows] == [
        (2, 3, "reply", "SYN_SENT")
    ]


def test_invalid_then_rst_names_who_sent_an_accepted_rst(tmp_path):
    one = c.Tcp(40000, 443)
    steps = [one.send(True, SYN), one.send(False, SYN | ACK), one.send(True, ACK)]
    # beyond the window; then inside it, but not the expected sequence number: the state stays
    steps += [one.send(False, PSH | ACK, b"x", shift=5_000_000), one.send(False, RST | ACK, shift=100)]
    path = c.pcap(tmp_path / "one.pcap", [(c.T0 + n * c.SECOND // 10, data) for n, data in enumerate(steps)])
    ctreplay.replay(path, tmp_path / "one.ctreplay", packets="all")
    rows = ask(tmp_path / "one.ctreplay", "invalid_then_rst")
    assert [(row["packet"], row["rst_packet"], row["rst_by"], row["state_before"]) for row in rows] == [
        (4, 5, "reply", "ESTABLISHED")
    ]


def test_what_a_rst_refused_had_an_answer(replayed):
    refused = [(0, True, SYN), (0.1, True, SYN), (0.2, False, RST | ACK)]
    dataset = replayed([refused, refused, [(0, True, PSH | ACK), (0.1, True, PSH | ACK), (0.2, False, RST)]])
    for name in ("never_replied", "one_sided", "syn_sent_refresh"):
        assert ask(dataset, name) == [], name
    assert ask(dataset, "asymmetric_pairs") == []
    mute = [(0, True, SYN), (0.1, True, SYN), (0.2, True, RST | ACK)]
    dataset = replayed([refused, mute])
    assert [(row["entries"], row["answered"], row["example"]) for row in ask(dataset, "never_replied")] == [(1, 0, 4)]
    assert [(row["flows"], row["example"]) for row in ask(dataset, "one_sided")] == [(1, 6)]
    assert [(row["conn_id"], row["syns"]) for row in ask(dataset, "syn_sent_refresh")] == [(4, 2)]
    assert [(row["one_way"], row["both_ways"]) for row in ask(dataset, "asymmetric_pairs")] == [(1, 1)]


def test_refused_packets_of_both_sides_are_no_asymmetry(replayed):
    # what is left of a connection closed after its entry had gone; an answer that opens nothing
    dataset = replayed([[(0, True, FIN | ACK), (0.1, False, FIN | ACK)], [(0, True, SYN), (0.1, False, FIN | ACK)]])
    assert ask(dataset, "one_sided") == []
    assert ask(dataset, "asymmetric_pairs", min_conns="1") == []
    # of the table that is full the SYN is dropped, its answer INVALID: nothing asymmetric
    dataset = replayed([HANDSHAKE[:2], HANDSHAKE[:2]], nf_conntrack_max=1)
    assert ask(dataset, "one_sided") == []
